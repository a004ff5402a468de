//! The command line: what can be typed, and which module does it.

use crate::bench::{self, BenchArguments};
use crate::everything::{self, Extent};
use crate::paths::Paths;
use crate::results::Results;
use crate::xen::build::Request;
use crate::xen::config::Flavour;
use crate::{
    check_abi, check_object, clean, coverage, doctor, dom0, fuzz, guest, loom, matrix, qemu_run,
    qemu_test, tsan, xen,
};
use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Builds Xen with tmem and the test guest, boots them under QEMU, and judges what they did.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what is here, what is missing and what would be done about it.
    Doctor {
        /// As if this tool were not here; may be given several times.
        #[arg(long, value_name = "TOOL")]
        without: Vec<String>,
    },
    /// Everything: format, lints, host tests, loom, check-abi, check-object, qemu-test.
    Test {
        /// The long stress too, and the cases on a Xen with all assertions.
        #[arg(long)]
        long: bool,
        /// From nothing: empty caches and target folders; prints where each input came from.
        #[arg(long)]
        cold: bool,
        /// Write a JUnit report.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
    },
    /// The demonstration: build, boot, show what the guest does, end with its table of pools.
    QemuRun {
        #[command(flatten)]
        xen: XenArguments,
        /// Show the whole serial line.
        #[arg(long)]
        verbose: bool,
    },
    /// Run the guest's cases under QEMU; all of them when none is named.
    QemuTest {
        /// Cases, as tests/guest/cases.toml names them.
        #[arg(value_name = "CASE")]
        cases: Vec<String>,
        /// The long ones too.
        #[arg(long)]
        long: bool,
        /// All of them on every Xen: release, debug, UBSAN and FLASK, and on the trees of --also.
        #[arg(long, conflicts_with_all = ["cases", "debug", "ubsan", "flask", "shim", "without_tmem"])]
        matrix: bool,
        /// A source tree of another release, for the matrix; may be given several times.
        #[arg(long, value_name = "DIR", requires = "matrix")]
        also: Vec<PathBuf>,
        /// Write a JUnit report.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
        #[command(flatten)]
        xen: XenArguments,
    },
    /// Boot a Linux dom0 with Debian's xl and our tmemctl, and run scenarios; all when none is named.
    Dom0Test {
        /// Scenarios, as tests/linux/scenarios names them.
        #[arg(value_name = "SCENARIO")]
        scenarios: Vec<String>,
        /// With all assertions in Xen, C's and Rust's.
        #[arg(long)]
        debug: bool,
        /// Write a JUnit report.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
    },
    /// Fetch Xen's source, add tmem and build the hypervisor.
    BuildXen(XenArguments),
    /// Compare the hypercall-abi crate with Xen's own header.
    CheckAbi {
        /// A source tree of your own in place of Debian's.
        #[arg(long, value_name = "DIR")]
        xen_src: Option<PathBuf>,
    },
    /// Examine the Rust object in Xen and the final image: what no emulator would show.
    CheckObject(XenArguments),
    /// Write docs/coverage.md: what proves each rule and each defect, from the names of tests.
    Coverage {
        /// Write nothing; fail if the page is stale or contradicts the tests.
        #[arg(long)]
        check: bool,
    },
    /// Drive the service with inputs that coverage picks; lists the targets when none is named.
    Fuzz {
        /// What to fuzz.
        #[arg(value_name = "TARGET")]
        target: Option<String>,
        /// For how long.
        #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
        seconds: u64,
        /// Fuzzers at once.
        #[arg(long, value_name = "N", default_value_t = 1)]
        jobs: usize,
        /// Run this one input instead.
        #[arg(long, value_name = "FILE", requires = "target")]
        input: Option<PathBuf>,
    },
    /// Run the tests with threads under ThreadSanitizer.
    Tsan {
        /// How many times longer the stress runs than in the host tests.
        #[arg(long, value_name = "N", default_value_t = tsan::ROUNDS)]
        rounds: u32,
    },
    /// Build the bare-metal test guest.
    BuildGuest,
    /// Measure the service on a lean host: ratios to a page copy, slices, memory, instructions.
    Bench(BenchArguments),
    /// Run a few calls at once on the engine's own code, through every order of their steps.
    Loom {
        /// With one preemption more in each race.
        #[arg(long)]
        long: bool,
    },
    /// Remove what was built.
    Clean {
        /// Xen's source too.
        #[arg(long)]
        downloads: bool,
    },
}

/// Which Xen to build.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct XenArguments {
    /// A source tree of your own in place of Debian's; it is copied, never changed.
    #[arg(long, value_name = "DIR")]
    xen_src: Option<PathBuf>,
    /// With all assertions, C's and Rust's.
    #[arg(long)]
    debug: bool,
    /// With all assertions, and every undefined behaviour of the C code told.
    #[arg(long, conflicts_with = "debug")]
    ubsan: bool,
    /// With the security module FLASK, enforcing a policy.
    #[arg(long, conflicts_with_all = ["debug", "ubsan"])]
    flask: bool,
    /// Able to be a PV shim, too: a guest of another Xen, around one PV guest.
    #[arg(long, conflicts_with_all = ["debug", "ubsan", "flask"])]
    shim: bool,
    /// The patched tree with the option TMEM off: needs no Rust and holds none of our code.
    #[arg(long, conflicts_with_all = ["debug", "ubsan", "flask", "shim"])]
    without_tmem: bool,
}

impl XenArguments {
    fn request(&self) -> Request {
        let asked = [
            (self.debug, Flavour::Debug),
            (self.ubsan, Flavour::Ubsan),
            (self.flask, Flavour::Flask),
            (self.shim, Flavour::Shim),
            (self.without_tmem, Flavour::WithoutTmem),
        ];
        let one = asked.into_iter().find(|(is_asked, _)| *is_asked);
        let flavour = one.map_or(Flavour::Release, |(_, flavour)| flavour);
        Request { own_tree: self.xen_src.clone(), flavour }
    }
}

/// Does what the command line says.
///
/// # Errors
/// Those of the command; the message is for the person at the terminal.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    let paths = Paths::find()?;
    let mut results = Results::default();
    match arguments.command {
        Command::Doctor { without } => doctor::run(&paths, &without)?,
        Command::Test { long, cold, junit } => {
            let results = everything::run(&paths, Extent { long, cold })?;
            return finish(&results, junit.as_deref());
        }
        Command::QemuRun { xen, verbose } => qemu_run::run(&paths, &xen.request(), verbose)?,
        Command::QemuTest { matrix: true, long, also, junit, xen, .. } => {
            let extent = matrix::Extent { tree: xen.xen_src, others: also, long };
            matrix::run(&paths, &extent, &mut results)?;
            return finish(&results, junit.as_deref());
        }
        Command::QemuTest { cases, long, junit, xen, .. } => {
            qemu_test::run(&paths, &cases, long, &xen.request(), &mut results)?;
            return finish(&results, junit.as_deref());
        }
        Command::Dom0Test { scenarios, debug, junit } => {
            let flavour = if debug { Flavour::Debug } else { Flavour::Release };
            let request = Request { own_tree: None, flavour };
            dom0::run(&paths, &scenarios, &request, &mut results)?;
            return finish(&results, junit.as_deref());
        }
        Command::BuildXen(which) => {
            let image = xen::build::build(&paths, &which.request())?;
            println!("Xen from {}: {}", image.origin, image.xen().display());
        }
        Command::CheckAbi { xen_src } => {
            let count = check_abi::run(&paths, xen_src.as_deref())?;
            println!("{count} sizes, offsets and constants agree");
        }
        Command::CheckObject(which) => {
            let image = xen::build::build(&paths, &which.request())?;
            check_object::run(&paths, &image, &mut results)?;
            return finish(&results, None);
        }
        Command::Coverage { check } => coverage::run(&paths, check)?,
        Command::Fuzz { target: None, .. } => println!("{}", fuzz::targets(&paths)?.join("\n")),
        Command::Fuzz { target: Some(target), input: Some(input), .. } => {
            fuzz::run_input(&paths, &target, &input)?;
        }
        Command::Fuzz { target: Some(target), seconds, jobs, input: None } => {
            fuzz::run(&paths, &target, fuzz::Effort { time: Duration::from_secs(seconds), jobs })?;
        }
        Command::Tsan { rounds } => {
            tsan::run(&paths, rounds, &mut results)?;
            return finish(&results, None);
        }
        Command::BuildGuest => println!("test guest: {}", guest::build(&paths)?.display()),
        Command::Bench(arguments) => return bench::run(&paths, &arguments),
        Command::Loom { long } => {
            loom::run(&paths, long, &mut results)?;
            return finish(&results, None);
        }
        Command::Clean { downloads } => clean::run(&paths, downloads)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows what did not pass, and the summary as the last line.
fn finish(results: &Results, junit: Option<&Path>) -> Result<ExitCode> {
    print!("{}", results.complaints());
    if let Some(file) = junit {
        results.write_junit(file)?;
    }
    println!("{}", results.summary());
    // Nothing more is said of a failure: the summary is the last line.
    Ok(if results.failed() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

//! `bench`: builds the bench program and runs it. (`bench --xen` is [`crate::price`].)
//!
//! The program is built as Xen's object is, but for the machine itself. Must not know: workloads and
//! their figures; the program checks their names and says what they mean.

use crate::cargo;
use crate::machine::{VALGRIND_NEED, ensure};
use crate::paths::Paths;
use crate::price;
use crate::process::Program;
use crate::progress::step;
use crate::xen::build::Request;
use crate::xen::config::Flavour;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Cargo's profile for the program.
const PROFILE: &str = "bench-xen";
/// The program and its package.
const PROGRAM: &str = "tmem-bench";

/// What to measure.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// W1 to W7, MISS, SAVE, MEM (docs/benchmarks.md tells what each is); everything when none is named.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Pages of each workload, in place of 65536 and then 1048576 (which takes 10 GiB).
    #[arg(long, value_name = "N")]
    pages: Option<u32>,
    /// Write the figures to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only count the instructions of each operation, under valgrind.
    #[arg(long, conflicts_with_all = ["workloads", "pages"])]
    instructions: bool,
    /// Inside Xen instead: boot it and count the instructions of each hypercall.
    #[arg(long, conflicts_with_all = ["workloads", "pages", "instructions"])]
    xen: bool,
    /// With a Xen that tells of the longest time between two preemption checks: to compare with the
    /// stretches that the guest sees from outside.
    #[arg(long, requires = "xen")]
    stretch: bool,
    /// A source tree of Xen of your own in place of Debian's; it is copied, never changed.
    #[arg(long, value_name = "DIR", requires = "xen")]
    xen_src: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Replay cache traces and compare the misses with their published check values.
    Traces {
        /// The folder that holds the traces.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
}

impl BenchArguments {
    /// The arguments as the program takes them.
    fn add_to(&self, mut program: Program) -> Program {
        if let Some(Part::Traces { dir }) = &self.part {
            return program.arg("traces").arg("--dir").arg(dir);
        }
        if let Some(pages) = self.pages {
            program = program.arg("--pages").arg(pages.to_string());
        }
        if let Some(json) = &self.json {
            program = program.arg("--json").arg(json);
        }
        if self.instructions {
            program = program.arg("--instructions");
        }
        program.args(&self.workloads)
    }
}

/// Builds the program and runs it with these arguments; or boots Xen, if they say so.
///
/// # Errors
/// When it does not compile, or valgrind is asked for and can't be had; those of [`price::run`].
pub(crate) fn run(paths: &Paths, arguments: &BenchArguments) -> Result<ExitCode> {
    if arguments.xen {
        let flavour = if arguments.stretch { Flavour::Stretch } else { Flavour::Release };
        let request = Request { own_tree: arguments.xen_src.clone(), flavour };
        price::run(paths, &request, arguments.json.as_deref())?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.instructions {
        ensure(&[VALGRIND_NEED], &paths.log("install")?)?;
    }
    let program = build(paths)?;
    let status = arguments.add_to(Program::new(&program)).status()?;
    // What went wrong the program has said.
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn build(paths: &Paths) -> Result<PathBuf> {
    let log = paths.log("bench")?;
    step("compile the benches", || {
        cargo::host(paths, "build")?
            .args(["--package", PROGRAM, "--profile", PROFILE])
            .log(log.clone())
            .run()
            .context("the benches do not compile")
    })?;
    let program = paths.target.join(PROFILE).join(PROGRAM);
    if !program.is_file() {
        bail!("cargo did not leave {}; log: {}", program.display(), log.display());
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        bench: BenchArguments,
    }

    fn passed_on(typed: &str) -> String {
        let line = Line::try_parse_from(typed.split(' ')).expect("a good command line");
        line.bench.add_to(Program::new("bench")).line()
    }

    #[test]
    fn what_is_typed_is_passed_on() {
        for typed in [
            "bench",
            "bench --pages 4096 --json a.json W1 miss",
            "bench --instructions",
            "bench --json a.json --instructions",
            "bench traces --dir some/folder",
        ] {
            let mut expected: Vec<&str> = typed.split(' ').collect();
            let line = passed_on(typed);
            let mut passed: Vec<&str> = line.split(' ').collect();
            expected.sort_unstable();
            passed.sort_unstable();
            assert_eq!(passed, expected);
        }
        assert!(Line::try_parse_from(["bench", "--instructions", "W1"]).is_err());
        assert!(Line::try_parse_from(["bench", "traces"]).is_err());
    }

    #[test]
    fn what_is_measured_inside_xen_has_no_workloads() {
        let parse = |typed: &str| Line::try_parse_from(typed.split(' '));
        let line = parse("bench --xen --json a.json --xen-src dir").expect("a good command line");
        assert!(line.bench.xen && line.bench.json.is_some() && line.bench.xen_src.is_some());
        for bad in
            ["--xen W1", "--xen --pages 1", "--xen --instructions", "--xen-src dir", "--stretch"]
        {
            assert!(parse(&format!("bench {bad}")).is_err(), "{bad}");
        }
    }
}

//! `dom0-test`: a Linux as the first domain, with Debian's `xl` and our `tmemctl` in it.
//!
//! `packages` gets kernel and tools from Debian, `initramfs` puts a file system together, which the
//! kernel is booted with; `scenarios` knows what there is to be shown, a script each in
//! `tests/linux/scenarios`. Kernel and tools are Debian's, unmodified; only `tmemctl`, the scripts and
//! the test guest, which is the domains' kernel, are ours.
//!
//! Must not know: what a scenario does.

mod initramfs;
mod packages;
pub(crate) mod scenarios;

use crate::machine::{Need, QEMU_NEED, boot_needs, ensure, program};
use crate::paths::{Paths, make_folder};
use crate::pins::Pins;
use crate::progress::step;
use crate::qemu::{self, BootLog, Knock};
use crate::results::{Outcome, Results};
use crate::xen::build::{Request, build};
use crate::xen::config::Flavour;
use crate::xen::tree::copy_if_different;
use crate::{cargo, guest, judge};
use anyhow::{Context, Result, bail};
use initramfs::Own;
use scenarios::{Boot, Scenario};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What it needs beside the tools that boot our own Xen.
pub(crate) const UNPACK_NEED: Need =
    program("dpkg-deb", &["dpkg"], "unpacks the packages of a Linux dom0");

/// Where cargo puts what it builds for this machine when a target is named, and the target.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Memory of the machine, and of the first domain in it, in MiB.
const MACHINE_MIB: u32 = 768;
const DOM0_MIB: u32 = 288;

/// How much longer a boot may take with all assertions in Xen.
const ASSERTION_SLOWNESS: u32 = 3;

/// Runs the wanted scenarios, all when none is named, in as many boots as they need, and adds an entry
/// for each.
///
/// # Errors
/// When a name is unknown, something can't be had or a build fails. A scenario that fails is an entry,
/// not an error.
pub(crate) fn run(
    paths: &Paths,
    wanted: &[String],
    request: &Request,
    results: &mut Results,
) -> Result<()> {
    let scenarios = scenarios::wanted(&paths.root, wanted)?;
    if request.own_tree.is_some() {
        bail!("the tools in a dom0 go with Debian's Xen: without --xen-src");
    }
    ensure(&boot_needs(), &paths.log("install")?)?;
    let dom0 = packages::get(paths, &Pins::read()?)?;
    let guest = guest::build(paths)?;
    let tool = build_tmemctl(paths)?;
    let folder = paths.target.join("tmem-run/dom0");
    make_folder(&folder)?;
    copy_if_different(&dom0.kernel, &folder.join("linux"))?;
    println!("    {}", dom0.origin);
    for boot in Boot::ALL {
        let scenarios: Vec<Scenario> =
            scenarios.iter().filter(|scenario| scenario.boot == boot).cloned().collect();
        if scenarios.is_empty() {
            continue;
        }
        let request = Request { own_tree: None, flavour: flavour(boot, request.flavour) };
        let xen = build(paths, &request)?.xen();
        let shim = (boot == Boot::Shim).then_some(xen.as_path());
        copy_if_different(&xen, &folder.join("xen"))?;
        let own = Own { guest: &guest, tmemctl: &tool, shim };
        initramfs::write(paths, &dom0, &own, &folder.join("initramfs"))?;
        let what = format!(
            "boot Debian's Linux {} for {} scenarios ({})",
            dom0.version,
            scenarios.len(),
            boot.name()
        );
        let slowness = if request.flavour.is_slow() { ASSERTION_SLOWNESS } else { 1 };
        let start = Instant::now();
        let log = step(&what, || run_boot(paths, &folder, boot, &scenarios, slowness))?;
        add_results(boot.name(), &scenarios, &log, start.elapsed(), results);
    }
    Ok(())
}

/// Which Xen a boot wants, when others want this one.
fn flavour(boot: Boot, usual: Flavour) -> Flavour {
    match (boot, usual) {
        (Boot::Usual | Boot::Off, usual) => usual,
        (Boot::Shim, Flavour::Debug) => Flavour::ShimDebug,
        (Boot::Shim, _) => Flavour::Shim,
    }
}

/// Boots what is in `folder`, and runs the scenarios.
fn run_boot(
    paths: &Paths,
    folder: &Path,
    boot: Boot,
    scenarios: &[Scenario],
    slowness: u32,
) -> Result<BootLog> {
    ensure(&[QEMU_NEED], &paths.log("install")?)?;
    let limit = scenarios.iter().map(|scenario| scenario.limit_s).sum::<u64>() + BOOT_LIMIT_S;
    let limit = Duration::from_secs(limit) * slowness;
    let names: Vec<&str> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    let line = arguments(&names, boot, slowness);
    qemu::run(paths, boot.name(), folder, &line, limit, Knock::Often, |_| ())
}

/// From the start of the emulator to the first scenario.
const BOOT_LIMIT_S: u64 = 120;

/// Adds an entry for each scenario, and one for the boot.
fn add_results(
    boot: &str,
    scenarios: &[Scenario],
    log: &BootLog,
    time: Duration,
    results: &mut Results,
) {
    let suite = format!("qemu/{boot}");
    let transcript = judge::Transcript::read(&log.text);
    let place = format!("serial log: {}", log.file.display());
    for scenario in scenarios {
        let outcome = match transcript.outcome(&scenario.name, None) {
            Outcome::Failed(why) => Outcome::Failed(format!("{why}; {place}")),
            other => other,
        };
        let word = match &outcome {
            Outcome::Passed => "ok",
            Outcome::Failed(_) => "FAILED",
            Outcome::Skipped(_) => "skipped",
        };
        println!("    {:<36} {word}", scenario.name);
        results.add(&suite, &scenario.name, outcome, Duration::ZERO);
    }
    let why = match transcript.boot_failure() {
        None => None,
        Some(_) if log.timed_out => Some(format!("it did not end in {} s", time.as_secs())),
        Some(why) => Some(why),
    };
    let outcome = match why {
        None => Outcome::Passed,
        Some(why) => Outcome::Failed(format!("{why}; {place}\n{}", log.command)),
    };
    results.add(&suite, "boot", outcome, time);
}

/// Linux as a PV domain crashes on an emulated CPU with SMAP; `rdtscp` is slow there.
const CPU: &str = "max,-smap,-smep,-rdtscp";

/// The emulated CPU says of itself that it is a K8, and a Xen that is a guest then writes to a register
/// of K8's that the Xen below does not grant. This is a Zen's number.
const SHIM_CPU: &str = ",family=23,model=1,stepping=2";

fn arguments(scenarios: &[&str], boot: Boot, slowness: u32) -> Vec<String> {
    let memory = MACHINE_MIB.to_string();
    // A comma would begin another module.
    let tmem = boot.tmem();
    let xen = format!(
        "console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning {tmem} \
         dom0_mem={DOM0_MIB}M,max:{DOM0_MIB}M"
    );
    let wanted: Vec<String> = scenarios.iter().map(|name| format!("scenario={name}")).collect();
    let modules = format!(
        "linux console=hvc0 loglevel=4 panic=-1 slowness={slowness} {},initramfs",
        wanted.join(" ")
    );
    let cpu = match boot {
        Boot::Usual | Boot::Off => CPU.to_owned(),
        Boot::Shim => format!("{CPU}{SHIM_CPU}"),
    };
    qemu::machine(&cpu, &memory, "1", &xen, &modules)
}

/// Builds `tmemctl` with everything that it needs inside it, so that it runs on any dom0.
fn build_tmemctl(paths: &Paths) -> Result<PathBuf> {
    let log = paths.log("tmemctl")?;
    step("compile tmemctl", || {
        cargo::host(paths, "build")?
            .args(["--release", "--package", "tmemctl", "--target", TARGET])
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .log(log.clone())
            .run()
            .context("tmemctl does not compile")
    })?;
    Ok(paths.target.join(TARGET).join("release/tmemctl"))
}

//! `qemu-test`: every boot that the wanted cases need, judged case by case.

use crate::cases::{Plan, Round};
use crate::guest;
use crate::judge::{NOT_BEGUN, Transcript};
use crate::machine::{boot_needs, ensure};
use crate::paths::Paths;
use crate::progress::step;
use crate::qemu::{self, BootLog};
use crate::results::{Outcome, Results};
use crate::xen::build::{Request, build};
use crate::xen::config::Flavour;
use anyhow::Result;
use std::time::{Duration, Instant};

/// How many times longer a boot may take on a Xen with all assertions.
const ASSERTION_SLOWNESS: u64 = 5;

/// Runs the wanted cases, all when none is named, and adds an entry for each.
///
/// # Errors
/// When a name is unknown or a build fails. A case that fails is an entry, not an error.
pub(crate) fn run(
    paths: &Paths,
    wanted: &[String],
    long: bool,
    request: &Request,
    results: &mut Results,
) -> Result<()> {
    let mut plan = Plan::read(paths)?;
    if request.flavour.is_slow() {
        plan.stretch_limits(ASSERTION_SLOWNESS);
        // Built for debugging, Xen itself tells of each frame that it refuses a PV guest.
        plan.lift_line_limits();
    }
    if request.flavour != Flavour::Flask {
        let gone = plan.without_policies(wanted)?;
        if wanted.is_empty() && !gone.is_empty() {
            println!("    only with --flask: {}", gone.join(", "));
        }
    }
    let rounds = plan.rounds(wanted, long)?;
    // Asked before the long builds, not after them.
    ensure(&boot_needs(), &paths.log("install")?)?;
    let image = build(paths, request)?;
    let guest = guest::build(paths)?;
    for round in &rounds {
        let start = Instant::now();
        let what = format!("boot {} for {} cases", round.boot.name, round.cases.len());
        let log = step(&what, || qemu::boot(paths, round, &image.xen(), &guest, |_| ()))?;
        judge(round, &log, start.elapsed(), true, results);
    }
    Ok(())
}

/// The cases that only a Xen with FLASK can show.
///
/// # Errors
/// When the list of cases can't be read.
pub(crate) fn policy_cases(paths: &Paths) -> Result<Vec<String>> {
    Plan::read(paths)?.without_policies(&[])
}

/// Adds an entry for each case that the boot owed, and one for the boot if it can't be believed.
///
/// `tells` says whether each case's outcome is shown.
pub(crate) fn judge(
    round: &Round<'_>,
    log: &BootLog,
    time: Duration,
    tells: bool,
    results: &mut Results,
) {
    let suite = format!("qemu/{}", round.boot.name);
    let transcript = Transcript::read(&log.text);
    let place = format!("serial log: {}", log.file.display());
    for case in &round.cases {
        let outcome = match transcript.outcome(case, round.boot.xen_lines_max) {
            // The boot's own entry says why.
            Outcome::Failed(why) if why != NOT_BEGUN => Outcome::Failed(format!("{why}; {place}")),
            other => other,
        };
        let word = match &outcome {
            Outcome::Passed => "ok",
            Outcome::Failed(_) => "FAILED",
            Outcome::Skipped(_) => "skipped",
        };
        if tells {
            println!("    {case:<36} {word}");
        }
        results.add(&suite, case, outcome, Duration::ZERO);
    }
    let failure = boot_failure(round, log, &transcript);
    let outcome = match failure {
        None => Outcome::Passed,
        Some(why) => Outcome::Failed(format!(
            "{why}\n{}\n{place}\ncommand: {}",
            crate::process::tail(log.text.trim_end()),
            log.command
        )),
    };
    results.add(&suite, "the boot comes to its end", outcome, time);
}

fn boot_failure(round: &Round<'_>, log: &BootLog, transcript: &Transcript) -> Option<String> {
    if let Some(why) = transcript.boot_failure() {
        return Some(match log.timed_out {
            true => format!("{why}; QEMU was ended after {} s, its limit", round.boot.limit_s),
            false => why,
        });
    }
    if log.timed_out {
        return Some(format!(
            "the guest came to its end, but the machine was not reset within {} s",
            round.boot.limit_s
        ));
    }
    let unexpected = transcript.unexpected(&round.cases);
    if unexpected.is_empty() {
        return None;
    }
    Some(format!("cases ran that cases.toml does not name: {}", unexpected.join(", ")))
}

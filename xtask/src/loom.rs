//! `loom`: the races of tests/loom, built with `--cfg loom` in a target folder of their own.
//!
//! Must not know what the races are: it builds, runs, and passes on what they print.

use crate::cargo;
use crate::host_tests;
use crate::paths::Paths;
use crate::process::Program;
use crate::progress::step;
use crate::results::{Outcome, Results};
use anyhow::Result;
use std::fs;
use std::time::{Duration, Instant};

/// The package with the races.
const PACKAGE: &str = "tmem-loom";
/// Preemptions that a long run explores beyond each race's own number; the races read it.
const LONG_MORE: (&str, &str) = ("TMEM_LOOM_MORE", "1");
/// Races that take longer than this run in a circle.
const LIMIT: Duration = Duration::from_secs(1200);
/// The same for a long run.
const LONG_LIMIT: Duration = Duration::from_secs(4 * 3600);

/// Runs the lints on what only `--cfg loom` compiles, then the races; adds an entry for each.
///
/// # Errors
/// When cargo can't be started.
pub(crate) fn run(paths: &Paths, long: bool, results: &mut Results) -> Result<()> {
    // The engine has one shard here, and counts modulo their number.
    let lints = cargo(paths, "clippy")?
        .args(["--all-targets", "--", "-D", "warnings", "-A", "clippy::modulo_one"])
        .log(paths.log("loom-clippy")?);
    let start = Instant::now();
    let outcome = match step("lints of the races", || lints.run()) {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(format!("{error:#}")),
    };
    results.add("loom", "lints", outcome, start.elapsed());
    let log = paths.log("loom")?;
    let mut program =
        cargo(paths, "test")?.args(["--no-fail-fast", "--", "--show-output"]).limit(LIMIT);
    if long {
        program = program.limit(LONG_LIMIT).env(LONG_MORE.0, LONG_MORE.1);
    }
    host_tests::run(program, "races in every interleaving", "loom", &log, results)?;
    let text = fs::read_to_string(&log)?;
    for line in text.lines().filter(|line| line.contains(" interleavings with ")) {
        println!("    {line}");
    }
    Ok(())
}

/// A call of cargo for the races' package, with loom's locks and atomics in the engine.
fn cargo(paths: &Paths, subcommand: &str) -> Result<Program> {
    Ok(cargo::host(paths, subcommand)?
        .args(["--profile", "loom", "--package", PACKAGE])
        .env("CARGO_TARGET_DIR", paths.target.join("tmem-loom"))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", "--cfg loom"))
}

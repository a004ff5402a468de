//! The checks that need no Xen: formatting, lints, and the tests that run on the machine itself.

use crate::cargo;
use crate::paths::Paths;
use crate::process::{Program, tail};
use crate::progress::step;
use crate::results::{Outcome, Results};
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many times longer the stress tests run in a long run; they read it from `TMEM_LONG`.
const LONG_FACTOR: &str = "20";
/// Tests that take longer than this hang.
const LIMIT: Duration = Duration::from_secs(1800);
/// The same for a long run.
const LONG_LIMIT: Duration = Duration::from_secs(6 * 3600);
/// A package whose symbols are Xen's: it compiles here, but does not link.
const NOT_LINKED: &str = "tmem-xen-shim";

/// Checks the formatting of every crate.
///
/// # Errors
/// With the first differences.
pub(crate) fn formatting(paths: &Paths) -> Result<()> {
    step("formatting", || {
        cargo::cargo(paths, "fmt").args(["--all", "--check"]).log(paths.log("fmt")?).run()
    })
}

/// Runs the lints on every crate; a warning is a fault.
///
/// # Errors
/// With the last lints.
pub(crate) fn lints(paths: &Paths) -> Result<()> {
    step("lints", || {
        cargo::host(paths, "clippy")?
            .args(["--workspace", "--all-targets", "--", "-D", "warnings"])
            .log(paths.log("clippy")?)
            .run()
    })
}

/// Runs the tests on the machine itself and adds an entry for each.
///
/// # Errors
/// When cargo can't be started.
pub(crate) fn tests(paths: &Paths, long: bool, results: &mut Results) -> Result<()> {
    let mut program = cargo::host(paths, "test")?
        .args(["--workspace", "--exclude", NOT_LINKED, "--no-fail-fast"])
        .limit(LIMIT);
    if long {
        program = program.limit(LONG_LIMIT).env("TMEM_LONG", LONG_FACTOR);
    }
    run(program, "tests on this machine", "host", &paths.log("host-tests")?, results)
}

/// Runs a call of `cargo test`, named `what` on the terminal, and adds an entry for each test to
/// the suite.
///
/// # Errors
/// When cargo can't be started.
pub(crate) fn run(
    program: Program,
    what: &str,
    suite: &str,
    log: &Path,
    results: &mut Results,
) -> Result<()> {
    let start = Instant::now();
    let mut program = program.log(log.to_owned());
    let status = step(what, || program.status())?;
    let text = fs::read_to_string(log)?;
    let verdicts = parse(&text);
    println!("    {} tests", verdicts.len());
    let has_failed = verdicts.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)));
    for (name, outcome) in verdicts {
        let outcome = match outcome {
            Outcome::Failed(_) => Outcome::Failed(format!(
                "{}\n    whole log: {}",
                message_of(&text, &name),
                log.display()
            )),
            other => other,
        };
        results.add(suite, &name, outcome, Duration::ZERO);
    }
    if !status.success() && !has_failed {
        let why = format!("cargo test failed\n{}\nwhole log: {}", tail(&text), log.display());
        results.add(suite, "the tests compile and run", Outcome::Failed(why), start.elapsed());
    }
    Ok(())
}

/// Reads the lines `test NAME ... ok` of any number of test programs.
fn parse(text: &str) -> Vec<(String, Outcome)> {
    let mut program = "";
    let mut verdicts = Vec::new();
    for line in text.lines() {
        if let Some(name) = program_of(line) {
            program = name;
        }
        let Some((name, word)) =
            line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
        else {
            continue;
        };
        let outcome = match word.split(',').next().unwrap_or_default() {
            "ok" => Outcome::Passed,
            "ignored" => Outcome::Skipped("ignored in the source".to_owned()),
            _ => Outcome::Failed(String::new()),
        };
        verdicts.push((format!("{program}: {name}"), outcome));
    }
    verdicts
}

/// The program's name in `Running tests/rules.rs (target/debug/deps/rules-0123)`.
fn program_of(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if let Some(crate_name) = line.strip_prefix("Doc-tests ") {
        return Some(crate_name);
    }
    let path = line.strip_prefix("Running ")?.rsplit_once('(')?.1;
    let file = path.trim_end_matches(')').rsplit('/').next()?;
    file.rsplit_once('-').map(|(name, _)| name)
}

/// What a failed test printed.
fn message_of(text: &str, name: &str) -> String {
    let test = name.rsplit(": ").next().unwrap_or(name);
    let head = format!("---- {test} stdout ----");
    let Some((_, said)) = text.split_once(&head) else {
        return "it printed nothing".to_owned();
    };
    let said = said.split("\n---- ").next().unwrap_or_default();
    let said = said.split("\nfailures:").next().unwrap_or_default();
    tail(said.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "     Running unittests src/lib.rs (target/debug/deps/tmem_engine-01ab)
test pool::tests::a_pool ... ok
test pool::tests::b_pool ... FAILED

failures:

---- pool::tests::b_pool stdout ----

thread 'x' panicked at a.rs:1:
left != right

failures:
    pool::tests::b_pool

   Doc-tests tmem_engine
test src/lib.rs - f (line 3) ... ignored
";

    #[test]
    fn every_test_of_every_program_is_counted() {
        let verdicts = parse(TEXT);
        let names: Vec<&str> = verdicts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "tmem_engine: pool::tests::a_pool",
                "tmem_engine: pool::tests::b_pool",
                "tmem_engine: src/lib.rs - f (line 3)"
            ]
        );
        assert_eq!(verdicts[0].1, Outcome::Passed);
        assert!(matches!(verdicts[1].1, Outcome::Failed(_)));
        assert!(matches!(verdicts[2].1, Outcome::Skipped(_)));
    }

    #[test]
    fn a_failure_brings_what_the_test_said() {
        let message = message_of(TEXT, "tmem_engine: pool::tests::b_pool");
        assert!(message.contains("left != right") && !message.contains("failures"), "{message}");
    }
}

//! `tsan`: the tests with threads, under ThreadSanitizer.
//!
//! Safe code has no data races, so what is under test is what the tests rest on: the locks and
//! tables of other crates, and the simulated host's memory. The sanitizer knows only what it has
//! compiled. With the source of the standard library it compiles that too, and every report counts;
//! without, what a lock of the standard library protects looks like a race when two threads wait
//! for it, and `tests/model/thread-sanitizer.supp` says which reports that is.

use crate::cargo;
use crate::paths::Paths;
use crate::process::{Program, tail};
use crate::progress::{loud, step};
use crate::results::{Outcome, Results};
use crate::toolchain::library_folder;
use anyhow::{Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// The one target whose runtime is looked for; naming it keeps build scripts out of the sanitizer.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// How many times longer the stress runs unless said.
pub(crate) const ROUNDS: u32 = 3;
/// The same as a part of the long test.
pub(crate) const LONG_ROUNDS: u32 = 20;
/// Tests that take longer than this hang.
const LIMIT: Duration = Duration::from_secs(3 * 3600);

/// The calls of cargo: a name, and what to test.
const RUNS: &[(&str, &[&str])] = &[
    (
        "units",
        &["--lib", "--tests", "-p", "tmem-engine", "-p", "tmem-service", "-p", "tmem-host-sim"],
    ),
    ("threads", &["-p", "tmem-model-tests", "--test", "rules", "--", "threads::", "races::"]),
];

/// What the standard library is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Library {
    /// Compiled here with the sanitizer.
    Instrumented,
    /// As the toolchain has it.
    Installed,
}

/// Runs the tests, the stress `rounds` times longer than usual; adds an entry for each call.
///
/// # Errors
/// When the toolchain has no runtime for the sanitizer.
pub(crate) fn run(paths: &Paths, rounds: u32, results: &mut Results) -> Result<()> {
    let library = library()?;
    if library == Library::Installed {
        loud(
            "ThreadSanitizer without the source of the standard library: host-sim's own locks are \
             not judged; with rustup, `rustup component add rust-src` brings it",
        );
    }
    for (name, arguments) in RUNS {
        let start = Instant::now();
        let outcome = match test(paths, library, name, arguments, rounds) {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        results.add("ThreadSanitizer", name, outcome, start.elapsed());
    }
    Ok(())
}

/// What the active toolchain can do.
fn library() -> Result<Library> {
    let rustc = Path::new("rustc");
    let folder = library_folder(rustc, &format!("{TARGET}/lib"));
    let files = folder.iter().flat_map(fs::read_dir).flatten().flatten();
    let mut names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    if !names.any(|name| is_runtime(&name)) {
        bail!(
            "the active Rust toolchain has no runtime for ThreadSanitizer (a file \
             librustc-*_rt.tsan.a for {TARGET}): Debian's packages leave it out; put a toolchain \
             from https://rustup.rs first on the search path"
        );
    }
    let source = library_folder(rustc, "src/rust/library/std/src");
    Ok(if source.is_some() { Library::Instrumented } else { Library::Installed })
}

fn is_runtime(file: &str) -> bool {
    file.starts_with("librustc-") && file.ends_with("_rt.tsan.a")
}

fn test(
    paths: &Paths,
    library: Library,
    name: &str,
    arguments: &[&str],
    rounds: u32,
) -> Result<()> {
    let log = paths.log(&format!("tsan-{name}"))?;
    let mut program = cargo(paths, library)?.args(arguments).log(log.clone()).limit(LIMIT);
    program = program.env("TMEM_LONG", rounds.to_string());
    let status = step(&format!("ThreadSanitizer: {name}"), || program.status())?;
    let text = fs::read_to_string(&log)?;
    let races = races(&text);
    let passed = passed(&text);
    println!("    {passed} tests, {} races", races.len());
    if !races.is_empty() {
        let races: Vec<&str> = races.into_iter().collect();
        bail!("{}\n    whole log: {}", races.join("\n"), log.display());
    }
    if !status.success() || passed == 0 {
        bail!("cargo test failed ({status})\n{}\n    whole log: {}", tail(&text), log.display());
    }
    Ok(())
}

fn cargo(paths: &Paths, library: Library) -> Result<Program> {
    let suppressions = paths.root.join("tests/model/thread-sanitizer.supp");
    let mut flags = vec!["-Zsanitizer=thread"];
    let mut options = "exitcode=66".to_owned();
    let mut program = match library {
        // The library's own packages may have to come too.
        Library::Instrumented => cargo::cargo(paths, "test").arg("--locked").arg("-Zbuild-std"),
        Library::Installed => {
            flags.push("-Cunsafe-allow-abi-mismatch=sanitizer");
            options.push_str(&format!(":suppressions='{}'", suppressions.display()));
            cargo::host(paths, "test")?
        }
    };
    program = program
        .args(["--target", TARGET, "--no-fail-fast"])
        .env("CARGO_TARGET_DIR", paths.target.join("tsan"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("TSAN_OPTIONS", options)
        // One test at a time, so that the threads of each have the CPUs to themselves.
        .env("RUST_TEST_THREADS", "1")
        // Tests that must panic would print backtraces, under a lock of the standard library's.
        .env("RUST_BACKTRACE", "0");
    Ok(program)
}

/// The sanitizer's own one-line summaries, each once.
fn races(text: &str) -> BTreeSet<&str> {
    text.lines()
        .filter_map(|line| line.split_once("SUMMARY: ThreadSanitizer: "))
        .map(|(_, what)| what)
        .collect()
}

/// The number of tests that passed, over all programs.
fn passed(text: &str) -> u64 {
    let counts = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once("test result: ok. ")?;
        rest.split(' ').next()?.parse::<u64>().ok()
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "test threads::a ... ==================
WARNING: ThreadSanitizer: data race (pid=1)
SUMMARY: ThreadSanitizer: data race a.rs:1:2 in f
==================
SUMMARY: ThreadSanitizer: data race a.rs:1:2 in f
ok
test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 146 filtered out
test result: ok. 2 passed; 0 failed; 0 ignored
";

    #[test]
    fn a_race_is_told_once_and_tests_are_counted() {
        assert_eq!(races(TEXT).into_iter().collect::<Vec<_>>(), ["data race a.rs:1:2 in f"]);
        assert_eq!(passed(TEXT), 11);
    }

    #[test]
    fn the_runtime_is_known_by_its_name_whatever_the_channel() {
        assert!(
            is_runtime("librustc-stable_rt.tsan.a") && is_runtime("librustc-nightly_rt.tsan.a")
        );
        assert!(!is_runtime("librustc-stable_rt.asan.a"));
    }
}

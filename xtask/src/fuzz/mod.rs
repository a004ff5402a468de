//! `fuzz`: coverage-guided fuzzing of the targets in `tests/fuzz`, by libFuzzer.
//!
//! The corpus of a target grows in the target folder from run to run, beside the small one in the
//! repository. What is found there is kept, and the message tells how to run it again.

mod build;
mod fuzzer;
mod log;

use crate::paths::Paths;
use crate::results::{Outcome, Results};
use anyhow::{Context, Result, bail};
pub(crate) use fuzzer::Effort;
use fuzzer::Fuzzer;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Seconds of each target's run in `test`.
const SHORT: Duration = Duration::from_secs(15);
/// The same in a long run.
const LONG: Duration = Duration::from_secs(600);

/// The names of the targets.
///
/// # Errors
/// When their folder can't be read.
pub(crate) fn targets(paths: &Paths) -> Result<Vec<String>> {
    let folder = paths.root.join("tests/fuzz/targets");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("no folder {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort_unstable();
    Ok(names)
}

/// Builds and runs one target.
///
/// # Errors
/// When it is none, when it can't be built, and when something was found.
pub(crate) fn run(paths: &Paths, target: &str, effort: Effort) -> Result<()> {
    Fuzzer::build(paths, target)?.run(effort)
}

/// Runs one input through a target.
///
/// # Errors
/// When the target can't be built, and when the input still fails.
pub(crate) fn run_input(paths: &Paths, target: &str, input: &Path) -> Result<()> {
    let input = std::path::absolute(input)?;
    if !input.is_file() {
        bail!("no file {}", input.display());
    }
    Fuzzer::build(paths, target)?.run_input(&input)?;
    println!("{} passes", input.display());
    Ok(())
}

/// Runs every target for a short time, or a longer one; an entry for each.
///
/// # Errors
/// When the targets can't be listed.
pub(crate) fn test(paths: &Paths, long: bool, results: &mut Results) -> Result<()> {
    let effort = Effort { time: if long { LONG } else { SHORT }, jobs: 1 };
    for target in targets(paths)? {
        let start = Instant::now();
        let outcome = match run(paths, &target, effort) {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        results.add("fuzz", &target, outcome, start.elapsed());
    }
    Ok(())
}

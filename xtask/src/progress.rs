//! What the terminal shows of a long step: a line when it starts, a line with its time at the end.
//!
//! On a terminal a spinner runs in between; elsewhere (a CI log) the two lines are all.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Runs a step; its programs write to logs.
///
/// # Errors
/// Those of the step.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("==> {what}");
    let start = Instant::now();
    let spinner = spinner(what);
    let result = work();
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    finish(what, start, &result);
    result
}

/// Says something that nobody should overlook.
pub(crate) fn loud(message: &str) {
    println!("!!! {message}");
}

fn finish<T>(what: &str, start: Instant, result: &Result<T>) {
    let word = if result.is_ok() { "done" } else { "FAILED" };
    println!("    {word}: {what} ({:.1} s)", start.elapsed().as_secs_f64());
}

fn spinner(what: &str) -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let style = ProgressStyle::with_template("    {spinner} {msg} {elapsed}").ok()?;
    let bar = ProgressBar::new_spinner().with_style(style).with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    Some(bar)
}

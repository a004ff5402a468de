//! `coverage`: `docs/coverage.md`, which says of each rule and each defect what proves it.
//!
//! A test names the rules that it proves in its own name (`scan`); what no test proves, and why, is
//! stated in `rules.toml` (`rules`); `page` compares the two and writes the page.
//!
//! Must not know: what a rule means. Whether a test proves its rule is for its reader to judge.

mod number;
mod page;
mod rules;
mod scan;

use crate::paths::Paths;
use crate::results::Results;
use anyhow::{Context, Result, bail};
use std::fs;

/// The page, from the top of the repository.
const PAGE: &str = "docs/coverage.md";

/// Writes the page, or with `check` only compares it with the tests that there are.
///
/// # Errors
/// With every contradiction between tests and statements, or when the page is stale.
pub(crate) fn run(paths: &Paths, check: bool) -> Result<()> {
    let statements = rules::read(&paths.root)?;
    let tests = scan::all(&paths.root)?;
    let objections = page::objections(&statements, &tests);
    if !objections.is_empty() {
        bail!("tests and {} disagree:\n    {}", rules::FILE, objections.join("\n    "));
    }
    let text = page::render(&statements, &tests);
    let file = paths.root.join(PAGE);
    if !check {
        return fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()));
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    if committed != text {
        bail!("{PAGE} is stale: run `cargo xtask coverage` and commit it");
    }
    Ok(())
}

/// Compares the page's claims with what has run: a test that is not compiled, or that failed,
/// proves nothing.
///
/// # Errors
/// With the numbers of which no test has passed.
pub(crate) fn borne_out(paths: &Paths, results: &Results) -> Result<()> {
    let statements = rules::read(&paths.root)?;
    let passed: Vec<scan::Test> = scan::all(&paths.root)?
        .into_iter()
        .filter(|test| match test.place {
            scan::Place::Host => results.has_passed("host", &test.name),
            scan::Place::Guest => results.has_passed("qemu", &test.name),
        })
        .collect();
    let objections = page::objections(&statements, &passed);
    if !objections.is_empty() {
        bail!("of the tests that passed:\n    {}", objections.join("\n    "));
    }
    Ok(())
}

//! `test`: every check there is, in order of cost; one failure does not hide the next.

use crate::machine::{boot_needs, ensure};
use crate::paths::Paths;
use crate::results::{Outcome, Results};
use crate::xen::build::{Request, build};
use crate::xen::config::Flavour;
use crate::{
    check_abi, check_object, cold, coverage, dom0, fuzz, host_tests, loom, qemu_test, tsan,
};
use anyhow::Result;
use std::time::Instant;

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// The long cases and stress tests too, and the cases on a Xen with all assertions.
    pub(crate) long: bool,
    /// From nothing: empty caches and target folders.
    pub(crate) cold: bool,
}

/// Runs everything.
///
/// # Errors
/// When not even the folders can be made. What fails is in the results.
pub(crate) fn run(paths: &Paths, extent: Extent) -> Result<Results> {
    let mut results = Results::default();
    if extent.cold {
        cold::run(paths, extent.long, &mut results)?;
    } else {
        run_here(paths, extent.long, &mut results);
    }
    Ok(results)
}

fn run_here(paths: &Paths, long: bool, results: &mut Results) {
    check(results, "the machine has what is needed", || {
        ensure(&boot_needs(), &paths.log("install")?)
    });
    check(results, "formatting", || host_tests::formatting(paths));
    check(results, "lints", || host_tests::lints(paths));
    check(results, "docs/coverage.md", || coverage::run(paths, true));
    section(results, "host tests", |results| host_tests::tests(paths, long, results));
    if long {
        section(results, "ThreadSanitizer", |results| tsan::run(paths, tsan::LONG_ROUNDS, results));
    }
    section(results, "fuzz", |results| fuzz::test(paths, long, results));
    section(results, "loom", |results| loom::run(paths, long, results));
    check(results, "check-abi", || check_abi::run(paths, None).map(drop));
    let release = Request::release();
    section(results, "check-object", |results| {
        check_object::run(paths, &build(paths, &release)?, results)
    });
    section(results, "Xen with tmem off", |results| {
        let start = Instant::now();
        let off = Request { own_tree: None, flavour: Flavour::WithoutTmem };
        let outcome = check_object::without_tmem(&build(paths, &off)?)?;
        results.add("xen", "TMEM off leaves none of our code", outcome, start.elapsed());
        Ok(())
    });
    section(results, "qemu-test", |results| qemu_test::run(paths, &[], long, &release, results));
    section(results, "qemu-test on a Xen with FLASK", |results| {
        // A short run needs of it only what no other Xen can show.
        let wanted = if long { Vec::new() } else { qemu_test::policy_cases(paths)? };
        let flask = Request { own_tree: None, flavour: Flavour::Flask };
        qemu_test::run(paths, &wanted, long, &flask, results)
    });
    section(results, "dom0-test", |results| dom0::run(paths, &[], &release, results));
    if long {
        let debug = Request { own_tree: None, flavour: Flavour::Debug };
        section(results, "qemu-test on a Xen with all assertions", |results| {
            qemu_test::run(paths, &[], true, &debug, results)
        });
    }
    let is_borne_out = coverage::borne_out(paths, results);
    check(results, "what docs/coverage.md claims has passed", || is_borne_out);
}

/// Runs one check that is an entry by itself.
fn check(results: &mut Results, name: &str, work: impl FnOnce() -> Result<()>) {
    let start = Instant::now();
    let outcome = match work() {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(format!("{error:#}")),
    };
    results.add("repository", name, outcome, start.elapsed());
}

/// Runs a part that adds its own entries; an error that ends it early is one more.
fn section(results: &mut Results, name: &str, work: impl FnOnce(&mut Results) -> Result<()>) {
    let start = Instant::now();
    if let Err(error) = work(results) {
        results.add("repository", name, Outcome::Failed(format!("{error:#}")), start.elapsed());
    }
}

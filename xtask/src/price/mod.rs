//! `bench --xen`: what each operation costs inside Xen, in instructions.
//!
//! Boots the release Xen on a machine whose clock counts instructions, lets the guest measure, and
//! shows its figures beside the original's. Must not know how the guest measures
//! (`tests/guest/src/cases/price.rs`).

mod figures;
mod log;
mod marks;
mod original;

use crate::cases::{Plan, Round};
use crate::guest;
use crate::machine::{boot_needs, ensure};
use crate::paths::Paths;
use crate::progress::step;
use crate::qemu::{self, BootLog};
use crate::qemu_test::judge;
use crate::results::Results;
use crate::xen::build::{Image, Request, build};
use crate::xen::config::Flavour;
use anyhow::{Context, Result, bail};
use figures::Figures;
use log::Measured;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The boot that measures, in `tests/guest/cases.toml`.
const BOOT: &str = "price";

/// Builds, boots, measures, shows the table and writes the figures to `json`.
///
/// # Errors
/// When a build fails, a case does not succeed, or a figure is missing or makes no sense.
pub(crate) fn run(paths: &Paths, request: &Request, json: Option<&Path>) -> Result<()> {
    let plan = Plan::read(paths)?;
    let round = plan.whole(BOOT)?;
    // Asked before the long builds, not after them.
    ensure(&boot_needs(), &paths.log("install")?)?;
    let image = build(paths, request)?;
    let guest = guest::build(paths)?;
    let log = boot(paths, &round, &image, &guest)?;
    let measured = Measured::read(&log.text)?;
    let figures =
        Figures::new(&measured).with_context(|| format!("serial log: {}", log.file.display()))?;
    println!("Xen: {}", image.origin);
    print!("{}", figures.table());
    if request.flavour == Flavour::Stretch {
        print!("{}", marks::table(&measured)?);
    }
    if let Some(file) = json {
        fs::write(file, figures.json()?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// One boot of which every case succeeded.
fn boot(paths: &Paths, round: &Round<'_>, image: &Image, guest: &Path) -> Result<BootLog> {
    let what = "boot Xen and count instructions";
    let log = step(what, || qemu::boot(paths, round, &image.xen(), guest, |_| ()))?;
    let mut results = Results::default();
    judge(round, &log, Duration::ZERO, false, &mut results);
    if results.failed() > 0 || results.skipped() > 0 {
        bail!("the measurement did not succeed\n{}", results.complaints().trim_end());
    }
    Ok(log)
}

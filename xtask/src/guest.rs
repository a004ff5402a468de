//! The bare-metal test guest: an ELF file that Xen boots as its first domain.
//!
//! Linker script and code generation flags belong to the guest's own folder, `tests/guest`.

use crate::machine::{RUST_NEED, ensure};
use crate::paths::Paths;
use crate::progress::step;
use crate::toolchain::{self, TARGET};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// Variable that names cargo the target's linker.
const LINKER: &str = "CARGO_TARGET_X86_64_UNKNOWN_NONE_LINKER";

/// Builds the guest and answers where its ELF file is.
///
/// # Errors
/// When it does not compile or link.
pub(crate) fn build(paths: &Paths) -> Result<PathBuf> {
    ensure(&[RUST_NEED], &paths.log("install")?)?;
    let toolchain = toolchain::find()?;
    let log = paths.log("guest")?;
    let target = paths.target.join("tmem-guest");
    step(&format!("compile the test guest ({})", toolchain.origin), || {
        toolchain.fetch(&paths.root, &log)?;
        toolchain
            .cargo("build")
            .args(["--offline", "--package", "tmem-guest", "--profile", "guest"])
            .env("CARGO_TARGET_DIR", &target)
            .env(LINKER, toolchain.linker())
            // The folder's own .cargo/config.toml holds the flags.
            .folder(&paths.root.join("tests/guest"))
            .log(log.clone())
            .run()
            .context("the test guest does not compile")
    })?;
    let elf = target.join(TARGET).join("guest/tmem-guest");
    if !elf.is_file() {
        bail!("cargo did not leave {}; log: {}", elf.display(), log.display());
    }
    Ok(elf)
}

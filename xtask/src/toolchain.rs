//! A Rust toolchain that can compile for `x86_64-unknown-none`, found in one of three ways.
//!
//! In this order: the source of the standard library in the active toolchain, Debian's packages
//! beside it, a `core` that is installed for the target. The last has the `kernel` code model, so
//! its object goes into Xen only if it passes every check of `check-object`.

use crate::process::{Program, on_path};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// The target of everything that runs on bare metal: no vector registers, no red zone.
pub(crate) const TARGET: &str = "x86_64-unknown-none";

/// Where `core` and `alloc` come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoreOrigin {
    /// Compiled from the toolchain's `rust-src`, with our flags.
    Built,
    /// Installed with the target; our flags reach our own code only.
    Installed,
}

/// A toolchain that can compile for [`TARGET`].
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    /// Cargo of this toolchain.
    pub(crate) cargo: PathBuf,
    /// Compiler of this toolchain.
    pub(crate) rustc: PathBuf,
    /// Where `core` comes from.
    pub(crate) core: CoreOrigin,
    /// One line for people.
    pub(crate) origin: &'static str,
}

/// Finds the toolchain.
///
/// # Errors
/// When none of the three ways is open.
pub(crate) fn find() -> Result<Toolchain> {
    let active = (Path::new("cargo"), Path::new("rustc"));
    let debian = (Path::new("/usr/bin/cargo"), Path::new("/usr/bin/rustc"));
    let built = [
        (active, "rust-src of the active toolchain"),
        (debian, "Debian's rustc, cargo and rust-src packages"),
    ];
    let mut too_old = None;
    for ((cargo, rustc), origin) in built {
        if library_folder(rustc, "src/rust/library/core/src").is_some() {
            if let Some(version) = minor_version(rustc).filter(|minor| *minor < OLDEST_MINOR) {
                too_old = Some((origin, version));
                continue;
            }
            return Ok(Toolchain {
                cargo: cargo.into(),
                rustc: rustc.into(),
                core: CoreOrigin::Built,
                origin,
            });
        }
    }
    let (cargo, rustc) = active;
    if library_folder(rustc, &format!("{TARGET}/lib")).is_some() {
        return Ok(Toolchain {
            cargo: cargo.into(),
            rustc: rustc.into(),
            core: CoreOrigin::Installed,
            origin: "the target as installed in the active toolchain",
        });
    }
    match too_old {
        Some((origin, minor)) => bail!(
            "{origin} are of Rust 1.{minor}, and 1.{OLDEST_MINOR} or newer is needed (on Debian \
             bookworm: enable bookworm-security in apt's sources)"
        ),
        None => {
            bail!("no Rust toolchain here has the source of its standard library or {TARGET}")
        }
    }
}

/// The version that the hypervisor's code generation flags need, and our own code.
const OLDEST_MINOR: u32 = 95;

/// The 95 of `rustc 1.95.0 (...)`.
fn minor_version(rustc: &Path) -> Option<u32> {
    parse_minor(&Program::new(rustc).arg("--version").text().ok()?)
}

fn parse_minor(version: &str) -> Option<u32> {
    version.strip_prefix("rustc 1.")?.split('.').next()?.parse().ok()
}

impl Toolchain {
    /// A cargo call for bare metal; the caller adds the subcommand's own arguments.
    pub(crate) fn cargo(&self, subcommand: &str) -> Program {
        let mut program = Program::new(&self.cargo)
            .arg(subcommand)
            .args(["--locked", "--target", TARGET])
            .env("RUSTC", &self.rustc)
            .env("RUSTC_BOOTSTRAP", "1")
            // Set by the cargo that runs us; they would lead back to that toolchain.
            .env_remove("CARGO")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        if self.core == CoreOrigin::Built {
            program = program.arg("-Zbuild-std=core,alloc,compiler_builtins");
        }
        program
    }

    /// Sees to it that cargo has every package, from its own cache if it can.
    ///
    /// # Errors
    /// When something has to be downloaded and can't be.
    pub(crate) fn fetch(&self, root: &Path, log: &Path) -> Result<()> {
        let fetch = || self.cargo("fetch").folder(root);
        if fetch().arg("--offline").log(log.into()).run().is_ok() {
            return Ok(());
        }
        fetch().log_more(log.into()).run()
    }

    /// A linker for bare metal: the compiler's own, which distributions leave out, or the system's.
    pub(crate) fn linker(&self) -> &'static str {
        const HOST: &str = "x86_64-unknown-linux-gnu";
        let own = library_folder(&self.rustc, &format!("{HOST}/bin"));
        if own.is_some_and(|folder| folder.join("rust-lld").is_file()) {
            "rust-lld"
        } else if on_path("ld.lld").is_some() {
            "ld.lld"
        } else {
            "ld"
        }
    }

    /// The compiler's version and host, as it prints them.
    ///
    /// # Errors
    /// When it can't be run.
    pub(crate) fn version(&self) -> Result<String> {
        Program::new(&self.rustc).arg("-vV").text()
    }
}

/// A folder below the toolchain's `lib/rustlib`, if it is there.
pub(crate) fn library_folder(rustc: &Path, below: &str) -> Option<PathBuf> {
    let sysroot = Program::new(rustc).args(["--print", "sysroot"]).text().ok()?;
    let folder = Path::new(sysroot.trim()).join("lib/rustlib").join(below);
    folder.is_dir().then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_as_rustc_prints_it() {
        assert_eq!(parse_minor("rustc 1.96.0 (abc 2026-05-01) (built from a tarball)"), Some(96));
        assert_eq!(parse_minor("rustc 2.0.0"), None);
    }
}

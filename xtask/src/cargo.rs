//! Cargo for the machine itself: formatting, lints, host tests, examples.

use crate::paths::Paths;
use crate::process::Program;
use anyhow::Result;

/// A call of cargo in the repository, without the network if its packages are all there.
///
/// # Errors
/// When a package has to be downloaded and can't be.
pub(crate) fn host(paths: &Paths, subcommand: &str) -> Result<Program> {
    let fetch = || cargo(paths, "fetch").arg("--locked");
    if fetch().arg("--offline").text().is_err() {
        fetch().log(paths.log("fetch")?).run()?;
    }
    Ok(cargo(paths, subcommand).args(["--locked", "--offline"]))
}

/// A call of cargo that needs no packages.
pub(crate) fn cargo(paths: &Paths, subcommand: &str) -> Program {
    Program::new("cargo").arg(subcommand).folder(&paths.root).env("CARGO_TARGET_DIR", &paths.target)
}

//! The committed file that names every outside input to the byte: `xtask/pins.toml`.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The pins, as compiled into this program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pins {
    /// Xen's source.
    pub(crate) xen: XenPin,
}

/// Debian's source package of Xen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct XenPin {
    /// Release of Xen; other versions of the same release are accepted when this one can't be had.
    pub(crate) release: String,
    /// Debian release that has it.
    pub(crate) suite: String,
    /// Version of the package.
    pub(crate) version: String,
    /// SHA-256 of each of the package's files.
    pub(crate) sha256: BTreeMap<String, String>,
}

impl Pins {
    /// Reads the pins.
    ///
    /// # Errors
    /// When the file is not as it should be.
    pub(crate) fn read() -> Result<Self> {
        toml::from_str(include_str!("../pins.toml")).context("xtask/pins.toml")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pins_name_a_version_of_the_release_with_all_its_files() {
        let xen = Pins::read().expect("pins.toml is read").xen;
        assert!(xen.version.starts_with(&xen.release));
        assert_eq!(xen.sha256.len(), 3);
        assert!(xen.sha256.values().all(|digest| digest.len() == 64));
    }
}

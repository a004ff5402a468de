//! Xen's configuration: our Kconfig fragment laid over the default, and the answers read back.

use super::tree::{BuildTree, USER_CONFIG, copy_if_different};
use crate::process::Program;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What a Xen is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// With tmem, as it ships.
    Release,
    /// With tmem and every assertion, C's and Rust's.
    Debug,
    /// That, and C's undefined behaviour told on the console.
    Ubsan,
    /// With tmem and the security module FLASK, which asks a policy.
    Flask,
    /// As it ships, but that it tells the console of the longest time between two preemption checks.
    Stretch,
    /// As it ships, and able to run as a guest of another Xen, as a shim around one PV guest.
    Shim,
    /// That, with every assertion.
    ShimDebug,
    /// The patched tree with the option off: it must need no Rust at all.
    WithoutTmem,
}

impl Flavour {
    /// Part of a folder's name in the cache.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Debug => "debug",
            Self::Ubsan => "ubsan",
            Self::Flask => "flask",
            Self::Stretch => "stretch",
            Self::Shim => "shim",
            Self::ShimDebug => "shim-debug",
            Self::WithoutTmem => "without-tmem",
        }
    }

    /// Whether it holds the Rust library.
    pub(crate) fn has_tmem(self) -> bool {
        self != Self::WithoutTmem
    }

    /// Whether it runs so much slower that a boot's time limit must be stretched.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::Debug | Self::Ubsan | Self::ShimDebug)
    }

    /// What the C compiler is told beyond Xen's own flags.
    pub(super) fn c_flags(self) -> Option<&'static str> {
        (self == Self::Stretch).then_some("-DTMEM_STRETCH")
    }

    /// What it adds to the fragment that switches tmem on.
    fn options(self) -> &'static str {
        match self {
            Self::Release | Self::Stretch => "",
            Self::Debug => "CONFIG_DEBUG=y\n",
            Self::Ubsan => "CONFIG_DEBUG=y\nCONFIG_UBSAN=y\n",
            // The policy comes as a module: one Xen then serves every policy.
            Self::Flask => "CONFIG_XSM=y\nCONFIG_XSM_FLASK=y\nCONFIG_XSM_FLASK_POLICY=n\n",
            // HVM's default is off with a shim; here one image is to be both host and shim.
            Self::Shim => {
                "CONFIG_XEN_GUEST=y\nCONFIG_PVH_GUEST=y\nCONFIG_PV_SHIM=y\nCONFIG_HVM=y\n"
            }
            Self::ShimDebug => {
                "CONFIG_XEN_GUEST=y\nCONFIG_PVH_GUEST=y\nCONFIG_PV_SHIM=y\nCONFIG_HVM=y\n\
                 CONFIG_DEBUG=y\n"
            }
            Self::WithoutTmem => "CONFIG_TMEM=n\n",
        }
    }
}

/// A build that takes longer than this hangs.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);

/// A `.config` after Kconfig has settled it.
#[derive(Clone, Debug)]
pub(crate) struct Config(String);

impl Config {
    /// Takes a settled file's text.
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// Whether an option such as `CONFIG_XEN_IBT` is on.
    pub(crate) fn is_on(&self, option: &str) -> bool {
        self.0.lines().any(|line| {
            line.strip_prefix(option).and_then(|rest| rest.strip_prefix('=')) == Some("y")
        })
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The first line of a fragment that did not survive.
    fn refused<'a>(&self, fragment: &'a str) -> Option<&'a str> {
        let settings = fragment.lines().map(str::trim).filter(|line| line.starts_with("CONFIG_"));
        settings
            .filter(|line| !line.ends_with("=n"))
            .find(|wanted| !self.0.lines().any(|line| line == *wanted))
    }
}

/// What the test guest needs of a Xen besides tmem: 32-bit PV domains call, too.
const FOR_TESTS: &str = "\nCONFIG_PV32=y\n";

/// Configures the tree for a flavour.
///
/// # Errors
/// When Kconfig fails, or leaves an option of the fragment off because of another.
pub(crate) fn configure(
    tree: &BuildTree,
    flavour: Flavour,
    fragment_file: &Path,
    log: &Path,
) -> Result<Config> {
    let mut fragment = String::new();
    if flavour.has_tmem() {
        fragment = fs::read_to_string(fragment_file)
            .with_context(|| format!("cannot read {}", fragment_file.display()))?;
        fragment.push_str(FOR_TESTS);
    }
    if !flavour.options().is_empty() {
        fragment.push('\n');
        fragment.push_str(flavour.options());
    }
    let file = tree.folder.join("xen/.config");
    let stamp = tree.folder.join(".tmem-configured");
    let state = format!("{}\n{fragment}", tree.kconfig);
    if fs::read_to_string(&stamp).is_ok_and(|there| there == state) && file.is_file() {
        return read(&file, &fragment);
    }
    let user = tree.folder.join(USER_CONFIG);
    if user.is_file() {
        copy_if_different(&user, &file)?;
    } else if !file.is_file() {
        make(tree).arg("defconfig").log(log.into()).run()?;
    }
    let text = without_options(&fs::read_to_string(&file)?, &fragment);
    fs::write(&file, format!("{text}{fragment}"))?;
    make(tree).arg("olddefconfig").log_more(log.into()).run()?;
    let config = read(&file, &fragment)?;
    fs::write(stamp, state)?;
    Ok(config)
}

/// A call of make for the hypervisor's part of the tree.
pub(super) fn make(tree: &BuildTree) -> Program {
    Program::new("make")
        .arg("-C")
        .arg(tree.folder.join("xen"))
        .arg("XEN_TARGET_ARCH=x86_64")
        .env("LC_ALL", "C")
        .limit(BUILD_LIMIT)
        .env("DEB_VERSION", &tree.label)
        .env("DEB_MAINTAINER", "tmem <tmem@xtask>")
        // The image does not tell on which machine and by whom it was built.
        .env("XEN_WHOAMI", "tmem")
        .env("XEN_DOMAIN", "xtask")
        .env("XEN_BUILD_HOST", "cargo")
        .env_remove("MAKEFLAGS")
}

fn read(file: &Path, fragment: &str) -> Result<Config> {
    let config = Config::new(fs::read_to_string(file)?);
    match config.refused(fragment) {
        None => Ok(config),
        Some(option) => bail!(
            "Kconfig did not accept {option}: an option that it depends on is off in {}",
            file.display()
        ),
    }
}

/// A configuration without the lines that the fragment is going to set.
fn without_options(config: &str, fragment: &str) -> String {
    let names: Vec<&str> =
        fragment.lines().filter_map(|line| Some(line.trim().split_once('=')?.0)).collect();
    let sets = |line: &str| {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let name = line.split(['=', ' ']).next().unwrap_or_default();
        names.contains(&name)
    };
    config.lines().filter(|line| !sets(line)).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_on_only_when_it_says_y() {
        let config = Config::new("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_AB=n\n".to_owned());
        assert!(config.is_on("CONFIG_A"));
        assert!(!config.is_on("CONFIG_B"));
        assert!(!config.is_on("CONFIG_AB"));
    }

    #[test]
    fn an_option_that_kconfig_dropped_is_named() {
        let config = Config::new("CONFIG_A=y\n".to_owned());
        assert_eq!(config.refused("CONFIG_A=y\n# why\nCONFIG_B=y\n"), Some("CONFIG_B=y"));
        assert_eq!(config.refused("CONFIG_A=y\nCONFIG_C=n\n"), None);
    }

    #[test]
    fn the_fragment_replaces_what_was_said_before() {
        let before = "CONFIG_A=y\n# CONFIG_TMEM is not set\nCONFIG_TMEM_X=y\n";
        assert_eq!(without_options(before, "CONFIG_TMEM=y\n"), "CONFIG_A=y\nCONFIG_TMEM_X=y\n");
    }
}

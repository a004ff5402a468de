//! The machine that we run on: which programs it has, and how the missing ones come.
//!
//! On Debian as root they are installed after saying so; elsewhere the commands to type are shown.

use crate::process::{Program, on_path};
use crate::progress::step;
use anyhow::{Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// How to see that something is there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sign {
    /// A program on the search path.
    Program(&'static str),
    /// The Rust toolchain for the hypervisor, which [`crate::toolchain`] looks for.
    HypervisorRust,
}

/// A thing that the work needs and a machine may lack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    /// The name that `doctor --without` takes.
    pub(crate) name: &'static str,
    /// How to see it.
    pub(crate) sign: Sign,
    /// Debian packages that bring it.
    pub(crate) packages: &'static [&'static str],
    /// What it is for.
    pub(crate) purpose: &'static str,
}

/// A program that is looked for on the search path.
pub(crate) const fn program(
    name: &'static str,
    packages: &'static [&'static str],
    purpose: &'static str,
) -> Need {
    Need { name, sign: Sign::Program(name), packages, purpose }
}

/// Programs that fetch and unpack Xen's source.
pub(crate) const SOURCE_NEEDS: &[Need] = &[
    program("apt-get", &["apt"], "downloads Xen's source package"),
    program("dpkg-source", &["dpkg-dev"], "unpacks it with Debian's patches"),
    program("xz", &["xz-utils"], "unpacks it"),
];

/// Programs that build Xen.
pub(crate) const XEN_NEEDS: &[Need] = &[
    program("gcc", &["gcc", "libc6-dev"], "compiles Xen"),
    program("make", &["make"], "drives Xen's build"),
    program("bison", &["bison"], "Xen's Kconfig"),
    program("flex", &["flex"], "Xen's Kconfig"),
    program("python3", &["python3"], "generates Xen's compat headers"),
    program("gawk", &["gawk"], "Xen's check of its own image"),
    program("patch", &["patch"], "applies our hooks"),
    program("ld", &["binutils"], "links Xen and our object"),
    program("objcopy", &["binutils"], "keeps only the exported names in our object"),
];

/// Programs that compile a policy for Xen's security module FLASK.
pub(crate) const POLICY_NEEDS: &[Need] = &[
    program("m4", &["m4"], "puts FLASK's policy together"),
    program("checkpolicy", &["checkpolicy"], "compiles it"),
];

/// The Rust toolchain for `x86_64-unknown-none`.
pub(crate) const RUST_NEED: Need = Need {
    name: "rust-src",
    sign: Sign::HypervisorRust,
    packages: &["rustc-web", "cargo-web", "rust-web-src", "lld"],
    purpose: "compiles core and alloc for x86_64-unknown-none",
};

/// The emulator.
pub(crate) const QEMU_NEED: Need =
    program("qemu-system-x86_64", &["qemu-system-x86"], "boots Xen and the guest");

/// The counter of instructions.
pub(crate) const VALGRIND_NEED: Need =
    program("valgrind", &["valgrind"], "counts instructions (bench --instructions)");
/// What compiles libFuzzer.
pub(crate) const CXX_NEED: Need = program("g++", &["g++"], "compiles the fuzzer's engine");

/// Everything that any command needs, in the order in which `doctor` lists it.
pub(crate) fn all_needs() -> Vec<Need> {
    let mut needs = SOURCE_NEEDS.to_vec();
    needs.extend(boot_needs());
    needs.extend(POLICY_NEEDS);
    needs.push(crate::dom0::UNPACK_NEED);
    needs.push(VALGRIND_NEED);
    needs.push(CXX_NEED);
    needs
}

/// Everything that a boot of our own Xen needs but its source, which may be here already.
pub(crate) fn boot_needs() -> Vec<Need> {
    let mut needs = XEN_NEEDS.to_vec();
    needs.extend([RUST_NEED, QEMU_NEED]);
    needs
}

/// What a machine is, as far as installing packages goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Debian or a relative with apt.
    pub(crate) is_debian: bool,
    /// We may install packages.
    pub(crate) is_root: bool,
}

impl Machine {
    /// Looks at this machine.
    pub(crate) fn here() -> Self {
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        Self {
            is_debian: is_debian(&release) && on_path("apt-get").is_some(),
            is_root: rustix::process::geteuid().is_root(),
        }
    }
}

/// Where a need is met; `None` when it is missing.
pub(crate) fn find(need: &Need) -> Option<PathBuf> {
    match need.sign {
        Sign::Program(name) => on_path(name),
        Sign::HypervisorRust => crate::toolchain::find().ok().map(|found| found.rustc),
    }
}

/// Sees to it that every need is met, installing packages where that is possible.
///
/// # Errors
/// With the commands to type, when something is missing and can't be installed here.
pub(crate) fn ensure(needs: &[Need], log: &Path) -> Result<()> {
    let missing: Vec<Need> = needs.iter().filter(|need| find(need).is_none()).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let machine = Machine::here();
    if !(machine.is_debian && machine.is_root) {
        bail!(advice(&missing, machine));
    }
    install(&missing, log)?;
    match needs.iter().find(|need| find(need).is_none()) {
        None => Ok(()),
        Some(Need { sign: Sign::HypervisorRust, .. }) => crate::toolchain::find().map(|_| ()),
        Some(need) => bail!(
            "{} is still missing after its packages ({}) were installed; log: {}",
            need.name,
            need.packages.join(" "),
            log.display()
        ),
    }
}

/// What a person is told about missing things on a machine of this kind.
pub(crate) fn advice(missing: &[Need], machine: Machine) -> String {
    let mut text = String::from("this machine lacks:\n");
    for need in missing {
        text.push_str(&format!("    {:<20} {}\n", need.name, need.purpose));
    }
    let packages = packages_of(missing).join(" ");
    match (machine.is_debian, machine.is_root) {
        (true, true) => {
            text.push_str(&format!("it would be installed by: apt-get install {packages}"));
        }
        (true, false) => text.push_str(&format!(
            "type:\n    sudo apt-get update\n    sudo apt-get install {packages}"
        )),
        (false, _) => {
            text.push_str(&format!(
                "install them with this system's package manager (Debian calls the packages: \
                 {packages})"
            ));
            if missing.iter().any(|need| matches!(need.sign, Sign::HypervisorRust)) {
                text.push_str("\nwith rustup: rustup component add rust-src");
            }
        }
    }
    text
}

fn packages_of(needs: &[Need]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = needs.iter().flat_map(|need| need.packages).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn install(missing: &[Need], log: &Path) -> Result<()> {
    let packages = packages_of(missing);
    let what = format!("install Debian packages: {}", packages.join(" "));
    step(&what, || {
        let apt = || {
            Program::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").log_more(log.into())
        };
        let install = || apt().args(["install", "-y", "--no-install-recommends"]).args(&packages);
        // A list that is out of date may name packages that are too old for us or gone. Without a
        // network the list that is there may still do.
        let updated = apt().arg("update").run();
        install().run().map_err(|error| match updated {
            Ok(()) => error,
            Err(update) => error.context(format!("apt-get update failed too: {update:#}")),
        })
    })
}

fn is_debian(os_release: &str) -> bool {
    os_release.lines().any(|line| {
        let Some((key, value)) = line.split_once('=') else {
            return false;
        };
        let value = value.trim_matches('"');
        key == "ID" && value == "debian"
            || key == "ID_LIKE" && value.split(' ').any(|word| word == "debian")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_its_relatives_are_told_from_others() {
        assert!(is_debian("PRETTY_NAME=\"Debian\"\nID=debian\n"));
        assert!(is_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(!is_debian("ID=fedora\nID_LIKE=\"rhel centos\"\n"));
    }

    #[test]
    fn a_user_without_rights_gets_the_command_to_type() {
        let machine = Machine { is_debian: true, is_root: false };
        let text = advice(&[QEMU_NEED], machine);
        assert!(text.contains("sudo apt-get install qemu-system-x86"), "{text}");
    }

    #[test]
    fn another_system_is_told_how_rustup_brings_the_source() {
        let machine = Machine { is_debian: false, is_root: true };
        assert!(advice(&[RUST_NEED], machine).contains("rustup component add rust-src"));
    }

    #[test]
    fn every_need_has_a_name_of_its_own() {
        let mut names: Vec<&str> = all_needs().iter().map(|need| need.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

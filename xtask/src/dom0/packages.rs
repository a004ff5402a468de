//! Debian's packages of which a dom0 is made: kernel, toolstack, libraries, a shell.
//!
//! They are not pinned to the byte: nothing of them becomes a part of what we build. Apt checks them
//! against Debian's signatures; which versions they are is kept beside them and told at each boot.

use super::UNPACK_NEED;
use crate::hash::ContentHash;
use crate::machine::{SOURCE_NEEDS, ensure};
use crate::paths::{Paths, make_folder, replace_folder};
use crate::pins::Pins;
use crate::process::Program;
use crate::progress::step;
use crate::xen::apt::Apt;
use crate::xen::sources_list::What;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// The package that stands for the newest kernel.
const KERNEL: &str = "linux-image-amd64";

/// What a toolstack needs, with its libraries. `RELEASE` stands for Xen's.
const PACKAGES: &[&str] = &[
    "bsdutils",
    "busybox-static",
    "libc6",
    "libgcc-s1",
    "liblzma5",
    "libuuid1",
    "libxencall1",
    "libxendevicemodel1",
    "libxenevtchn1",
    "libxenforeignmemory1",
    "libxengnttab1",
    "libxenhypfs1",
    "libxenmiscRELEASE",
    "libxenstore4",
    "libxentoolcore1",
    "libxentoollog1",
    "libyajl2",
    "libzstd1",
    "xen-utils-RELEASE",
    "xenstore-utils",
    "zlib1g",
];

/// In a dom0's folder: the packages' files, a line each.
const RECEIPT: &str = "packages";

/// Room for index, packages and what is unpacked; some 700 MiB were used, most of it kernel modules.
const DOWNLOAD_MIB: u64 = 1000;

/// The unpacked packages.
#[derive(Debug)]
pub(crate) struct Dom0 {
    /// The packages' files, as in a system.
    pub(crate) root: PathBuf,
    /// The kernel that Xen is booted with.
    pub(crate) kernel: PathBuf,
    /// Its version, for instance `6.1.0-56-amd64`.
    pub(crate) version: String,
    /// Xen's release, for instance `4.17`.
    pub(crate) release: String,
    /// One line for people.
    pub(crate) origin: String,
}

/// The packages, from the cache or from Debian.
///
/// # Errors
/// When they can't be had.
pub(crate) fn get(paths: &Paths, pins: &Pins) -> Result<Dom0> {
    let mut hash = ContentHash::default();
    hash.add("suite", pins.xen.suite.as_bytes());
    hash.add("release", pins.xen.release.as_bytes());
    hash.add("packages", PACKAGES.join(" ").as_bytes());
    let folder = paths.cache.join("dom0").join(hash.short());
    if !folder.join(RECEIPT).is_file() {
        download(paths, pins, &folder)?;
    }
    let root = folder.join("root");
    let version = only_name(&root.join("lib/modules"))?;
    let tools = format!("xen-utils-{}_", pins.xen.release);
    let receipt = fs::read_to_string(folder.join(RECEIPT))?;
    let tools = receipt.lines().find(|line| line.starts_with(&tools)).unwrap_or_default();
    Ok(Dom0 {
        kernel: root.join("boot").join(format!("vmlinuz-{version}")),
        release: pins.xen.release.clone(),
        origin: format!("dom0: Debian's packages, {tools} and others, as in {}", folder.display()),
        version,
        root,
    })
}

fn download(paths: &Paths, pins: &Pins, folder: &Path) -> Result<()> {
    let log = paths.log("dom0-download")?;
    let needs: Vec<_> = SOURCE_NEEDS.iter().copied().chain([UNPACK_NEED]).collect();
    ensure(&needs, &log)?;
    crate::space::require(&paths.cache, DOWNLOAD_MIB, "the download of a Linux dom0")?;
    let above = folder.parent().context("a folder in the cache has one above it")?;
    make_folder(above)?;
    let partial = tempfile::tempdir_in(above)?;
    let files = partial.path().join("files");
    make_folder(&files)?;
    step("download Debian's kernel and toolstack (90 MB) for a Linux dom0", || {
        let suite = &pins.xen.suite;
        let apt = Apt::new(paths.cache.join("apt-binary"), suite, What::Binary, log.clone())?;
        apt.update()?;
        apt.download_binaries(&names(&apt, &pins.xen.release)?, &files)
    })?;
    step("unpack them", || {
        let mut receipt = Vec::new();
        for entry in fs::read_dir(&files)?.flatten() {
            Program::new("dpkg-deb")
                .arg("-x")
                .arg(entry.path())
                .arg(partial.path().join("root"))
                .log_more(log.clone())
                .run()?;
            receipt.push(entry.file_name().to_string_lossy().into_owned());
        }
        receipt.sort();
        fs::write(partial.path().join(RECEIPT), receipt.join("\n"))?;
        fs::remove_dir_all(&files)?;
        replace_folder(partial.path(), folder)
    })
}

/// What is to be downloaded: the newest kernel under its own name.
fn names(apt: &Apt, release: &str) -> Result<Vec<String>> {
    let depends = apt.field(KERNEL, "Depends")?.unwrap_or_default();
    let kernel = kernel_in(&depends)
        .with_context(|| format!("{KERNEL} depends on no kernel but on: {depends}"))?;
    let others = PACKAGES.iter().map(|name| name.replace("RELEASE", release));
    Ok(std::iter::once(kernel).chain(others).collect())
}

/// The kernel's package in a list such as `linux-image-6.1.0-56-amd64 (= 6.1.192-2), other`.
fn kernel_in(depends: &str) -> Option<String> {
    let names = depends.split(',').filter_map(|entry| entry.split_whitespace().next());
    names.into_iter().find(|name| name.starts_with("linux-image-")).map(str::to_owned)
}

/// The name of the one thing in a folder.
fn only_name(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()));
    let names: Vec<_> = entries?.flatten().map(|entry| entry.file_name()).collect();
    match names.as_slice() {
        [name] => Ok(name.to_string_lossy().into_owned()),
        _ => bail!("{} holds {} things, not one", folder.display(), names.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_found_among_what_its_package_needs() {
        let depends = "initramfs | x, linux-image-6.1.0-56-amd64 (= 6.1.192-2)";
        assert_eq!(kernel_in(depends).as_deref(), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(kernel_in(""), None);
    }
}

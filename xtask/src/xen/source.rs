//! A pristine source tree of Xen: Debian's source package, or the user's own folder.
//!
//! What is downloaded is kept by version and checked against the pins. Must not know our patches.

use super::apt::Apt;
use super::sources_list::What;
use crate::hash::{ContentHash, sha256_of};
use crate::paths::{Paths, make_folder, replace_folder};
use crate::pins::{Pins, XenPin};
use crate::process::Program;
use crate::progress::{loud, step};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the source package.
const PACKAGE: &str = "xen";
/// Beginning of the key of a user's own tree.
const OWN_KEY: &str = "own-";
/// In a download's folder: what was downloaded, with its hashes.
const RECEIPT: &str = "receipt.toml";

/// A source tree that nobody changes.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Top of the tree, which holds `xen/`.
    pub(crate) folder: PathBuf,
    /// Names the tree's content: a folder name in the cache.
    pub(crate) key: String,
    /// Major and minor number, for instance `4.17`.
    pub(crate) release: String,
    /// One line for people.
    pub(crate) origin: String,
}

impl Source {
    /// The tree that the user named, or Debian's.
    ///
    /// # Errors
    /// When the tree can't be had, or is of a release for which there is no patch series.
    pub(crate) fn get(paths: &Paths, own: Option<&Path>) -> Result<Self> {
        let source = match own {
            Some(folder) => Self::own(folder)?,
            None => Self::debian(paths, &Pins::read()?.xen)?,
        };
        let supported = supported_releases(paths)?;
        if supported.contains(&source.release) {
            return Ok(source);
        }
        bail!(
            "{} is Xen {}, for which there is no patch series; there is one for: {}",
            source.folder.display(),
            source.release,
            supported.join(", ")
        )
    }

    /// Whether the tree is the user's own, whose content may change at any time.
    pub(crate) fn is_own(&self) -> bool {
        self.key.starts_with(OWN_KEY)
    }

    /// What Xen's banner says of it.
    pub(crate) fn label(&self) -> String {
        let version = self.key.strip_prefix("debian-").unwrap_or("own tree");
        format!("{version} with tmem")
    }

    fn own(folder: &Path) -> Result<Self> {
        let folder = folder
            .canonicalize()
            .with_context(|| format!("--xen-src {}: no such folder", folder.display()))?;
        let release = tree_release(&folder)?;
        let mut hash = ContentHash::default();
        hash.add("folder", folder.as_os_str().as_encoded_bytes());
        Ok(Self {
            key: format!("{OWN_KEY}{}", hash.short()),
            origin: format!("the tree {}", folder.display()),
            folder,
            release,
        })
    }

    fn debian(paths: &Paths, pin: &XenPin) -> Result<Self> {
        let downloads = paths.cache.join("downloads/xen");
        let version = match cached_version(&downloads, pin)? {
            Some(version) => version,
            None => download(paths, &downloads, pin)?,
        };
        if version != pin.version {
            loud(&format!(
                "using xen {version} in place of the pinned {}, which could not be had; \
                 `cargo xtask clean --downloads` makes the next build try again",
                pin.version
            ));
        }
        let folder = paths.cache.join("xen-source").join(&version);
        if !folder.is_dir() {
            unpack(paths, &downloads.join(&version), &folder)?;
        }
        Ok(Self {
            release: tree_release(&folder)?,
            origin: format!("Debian's source package xen {version}"),
            key: format!("debian-{version}"),
            folder,
        })
    }
}

/// Releases that have a patch series, for instance `4.17`.
///
/// # Errors
/// When the folder of the series can't be read.
pub(crate) fn supported_releases(paths: &Paths) -> Result<Vec<String>> {
    let folder = paths.xen_glue().join("patches");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut releases: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("series").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    releases.sort_by_key(|release| version_key(release));
    Ok(releases)
}

/// Reads a tree's release from its makefile.
///
/// # Errors
/// When the folder holds no source of Xen.
fn tree_release(folder: &Path) -> Result<String> {
    let makefile = folder.join("xen/Makefile");
    let text = fs::read_to_string(&makefile).with_context(|| {
        format!("{} is no source tree of Xen: it has no xen/Makefile", folder.display())
    })?;
    release_in(&text).with_context(|| format!("{} does not tell Xen's release", makefile.display()))
}

fn release_in(makefile: &str) -> Option<String> {
    let number = |name: &str| {
        makefile.lines().find_map(|line| {
            let value = line.trim().strip_prefix("export ").unwrap_or(line.trim());
            let value = value.strip_prefix(name)?.trim_start();
            let value = value.strip_prefix(":=").or_else(|| value.strip_prefix('='))?.trim();
            value.parse::<u32>().ok()
        })
    };
    Some(format!("{}.{}", number("XEN_VERSION")?, number("XEN_SUBVERSION")?))
}

fn cached_version(downloads: &Path, pin: &XenPin) -> Result<Option<String>> {
    let mut versions = Vec::new();
    for entry in fs::read_dir(downloads).into_iter().flatten().flatten() {
        let version = entry.file_name().to_string_lossy().into_owned();
        let Ok(receipt) = fs::read_to_string(entry.path().join(RECEIPT)) else {
            continue;
        };
        let files: BTreeMap<String, String> = toml::from_str(&receipt)?;
        let intact = files.iter().all(|(name, digest)| {
            sha256_of(&entry.path().join(name)).is_ok_and(|is| is == *digest)
        });
        if intact && (version != pin.version || files == pin.sha256) {
            versions.push(version);
        }
    }
    if versions.contains(&pin.version) {
        return Ok(Some(pin.version.clone()));
    }
    versions.sort_by_key(|version| version_key(version));
    Ok(versions.pop())
}

/// Room for the archive's index, the package and the unpacked tree: 64 MiB were used, twice over.
const DOWNLOAD_MIB: u64 = 150;

fn download(paths: &Paths, downloads: &Path, pin: &XenPin) -> Result<String> {
    let log = paths.log("xen-download")?;
    crate::machine::ensure(crate::machine::SOURCE_NEEDS, &log)?;
    // apt itself tries for many minutes to write an index to a full disk.
    crate::space::require(&paths.cache, DOWNLOAD_MIB, "the download of Xen's source")?;
    step(&format!("download Debian's source package xen {}", pin.version), || {
        let apt = Apt::new(paths.cache.join("apt"), &pin.suite, What::Source, log).context(
            "Xen's source package can't be had: get a source tree of Xen and give it with \
             --xen-src DIR",
        )?;
        apt.update()?;
        let mut others = apt.versions(PACKAGE)?;
        let mut refusal = None;
        others.retain(|version| *version != pin.version && is_of(version, &pin.release));
        others.sort_by_key(|version| std::cmp::Reverse(version_key(version)));
        for version in std::iter::once(pin.version.clone()).chain(others) {
            match download_version(&apt, downloads, &version, pin) {
                Ok(()) => return Ok(version),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.unwrap_or_else(|| anyhow::anyhow!("the archive names no version of xen")))
    })
}

fn download_version(apt: &Apt, downloads: &Path, version: &str, pin: &XenPin) -> Result<()> {
    make_folder(downloads)?;
    // Beside its final place, and renamed when whole: a broken download is never taken for one.
    let partial = tempfile::tempdir_in(downloads)?;
    apt.download(PACKAGE, version, partial.path())?;
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(partial.path())?.flatten() {
        if entry.file_type()?.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            files.insert(name, sha256_of(&entry.path())?);
        }
    }
    if version == pin.version && files != pin.sha256 {
        bail!("the files of xen {version} differ from the pinned ones: {files:#?}");
    }
    fs::write(partial.path().join(RECEIPT), toml::to_string(&files)?)?;
    replace_folder(partial.path(), &downloads.join(version))
}

fn unpack(paths: &Paths, download: &Path, folder: &Path) -> Result<()> {
    let log = paths.log("xen-unpack")?;
    crate::machine::ensure(crate::machine::SOURCE_NEEDS, &log)?;
    step("unpack Xen's source with Debian's patches", || {
        let files = fs::read_dir(download)?.flatten().map(|entry| entry.path());
        let Some(dsc) = files.into_iter().find(|file| file.extension() == Some("dsc".as_ref()))
        else {
            bail!("{} holds no .dsc file", download.display());
        };
        let above = folder.parent().context("a tree has a folder above it")?;
        make_folder(above)?;
        let partial = tempfile::tempdir_in(above)?;
        let tree = partial.path().join("tree");
        Program::new("dpkg-source")
            .args(["--no-check", "-x"])
            .arg(&dsc)
            .arg(&tree)
            .folder(partial.path())
            .log(log)
            .run()?;
        replace_folder(&tree, folder)
    })
}

fn is_of(version: &str, release: &str) -> bool {
    version
        .strip_prefix(release)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The numbers in a version: enough of an order among versions of one package.
fn version_key(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_the_makefile_of_4_17_and_of_later_ones() {
        let old = "export XEN_VERSION       = 4\nexport XEN_SUBVERSION    = 17\n";
        assert_eq!(release_in(old).as_deref(), Some("4.17"));
        let new = "XEN_VERSION := 4\nXEN_SUBVERSION := 20\n";
        assert_eq!(release_in(new).as_deref(), Some("4.20"));
        assert_eq!(release_in("all:\n"), None);
    }

    #[test]
    fn another_update_of_the_release_is_told_from_another_release() {
        assert!(is_of("4.17.7+13-1", "4.17"));
        assert!(!is_of("4.170.1", "4.17"));
        assert!(!is_of("4.20.0", "4.17"));
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        assert!(version_key("4.17.10") > version_key("4.17.9"));
        assert!(version_key("4.9") < version_key("4.17"));
    }
}

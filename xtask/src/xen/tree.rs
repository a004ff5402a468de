//! A build tree of Xen in the cache: the pristine source with our patches and C files laid over.
//!
//! Only files whose content differs are written, so that make builds what changed and no more.
//! The pristine tree, the user's own above all, is only read.

use super::source::Source;
use crate::hash::ContentHash;
use crate::paths::{Paths, make_folder};
use crate::process::Program;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What of a source tree the builds of the hypervisor and of its security policy read.
const PARTS: &[&str] = &["xen", "config", "Config.mk", "version.sh", super::policy::SOURCE];
/// In a build tree: the files that came from the source and from us.
const MANIFEST: &str = ".tmem-files";

/// A configuration that the user made.
const CONFIG: &str = "xen/.config";
/// Its name in the build tree, where `.config` is what Kconfig made of it and of our fragment.
pub(super) const USER_CONFIG: &str = "xen/.config.user";

/// A build tree that holds what it should.
#[derive(Debug)]
pub(crate) struct BuildTree {
    /// Top of the tree, which holds `xen/`.
    pub(crate) folder: PathBuf,
    /// Names the content of all source files in it.
    pub(crate) content: String,
    /// Names the content of the files that make the configuration.
    pub(crate) kconfig: String,
    /// What Xen's banner says of the source, as Debian's builds say their package's version.
    pub(crate) label: String,
}

/// Room for a build tree: 120 MiB were used, twice over.
const BUILD_MIB: u64 = 250;

/// Brings the build tree in `folder` to the source's state with our changes.
///
/// # Errors
/// When a patch does not apply, or a file can't be read or written.
pub(crate) fn lay_out(paths: &Paths, source: &Source, folder: &Path) -> Result<BuildTree> {
    let glue = paths.xen_glue();
    let staging = tempfile::tempdir()?;
    let log = paths.log("xen-patch")?;
    stage_patches(source, &glue.join("patches").join(&source.release), staging.path(), &log)?;
    stage_own_files(&glue, &staging.path().join("xen"))?;

    let mut wanted = source_files(source)?;
    let mut ours = BTreeMap::new();
    for part in PARTS {
        collect(staging.path(), Path::new(part), &mut ours)?;
    }

    let mut content = ContentHash::default();
    content.add("source", source.key.as_bytes());
    for (name, file) in &ours {
        content.add_file(&name.to_string_lossy(), file)?;
    }
    if source.is_own() {
        content.add("tree", checksums(&wanted)?.as_bytes());
    }
    wanted.extend(ours);
    let mut kconfig = ContentHash::default();
    for (name, file) in wanted.iter().filter(|(name, _)| is_kconfig(name)) {
        kconfig.add_file(&name.to_string_lossy(), file)?;
    }

    if !folder.exists() {
        crate::space::require(&paths.cache, BUILD_MIB, "the build of Xen")?;
    }
    make_folder(folder)?;
    remove_stale(folder, &wanted)?;
    for (name, from) in &wanted {
        copy_if_different(from, &folder.join(name))?;
    }
    let names: Vec<String> = wanted.keys().map(|name| name.display().to_string()).collect();
    fs::write(folder.join(MANIFEST), names.join("\n"))?;
    Ok(BuildTree {
        folder: folder.to_owned(),
        content: content.short(),
        kconfig: kconfig.short(),
        label: source.label(),
    })
}

/// The source files of a tree, by their names relative to its top.
///
/// In a work tree of git these are the tracked ones; elsewhere what looks like a build's product
/// is left out.
fn source_files(source: &Source) -> Result<BTreeMap<PathBuf, PathBuf>> {
    let mut files = BTreeMap::new();
    if source.folder.join(".git").exists() {
        let list = Program::new("git").arg("-C").arg(&source.folder).args(["ls-files", "-z", "--"]);
        for name in list.args(PARTS).text()?.split_terminator('\0') {
            collect(&source.folder, Path::new(name), &mut files)?;
        }
    } else {
        for part in PARTS {
            collect(&source.folder, Path::new(part), &mut files)?;
        }
    }
    let config = source.folder.join(CONFIG);
    if config.is_file() {
        files.insert(USER_CONFIG.into(), config);
    }
    Ok(files)
}

/// Copies the files that the series touches to `staging` and applies the patches there.
fn stage_patches(source: &Source, patches: &Path, staging: &Path, log: &Path) -> Result<()> {
    let series = read(&patches.join("series"))?;
    make_folder(&staging.join("xen"))?;
    for name in series_names(&series) {
        let patch = patches.join(name);
        let text = read(&patch)?;
        for file in patched_files(&text) {
            let (from, to) = (source.folder.join(&file), staging.join(&file));
            if from.is_file() && !to.exists() {
                copy_if_different(&from, &to)?;
            }
        }
        Program::new("patch")
            .args(["-p1", "--batch", "--forward", "--no-backup-if-mismatch", "-i"])
            .arg(&patch)
            .folder(staging)
            .log(log.into())
            .run()
            .with_context(|| format!("the patch {name} does not fit {}", source.origin))?;
    }
    Ok(())
}

/// The patches that a series names, in order.
pub(super) fn series_names(series: &str) -> impl Iterator<Item = &str> {
    series
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
}

/// The files that a patch reads or writes, below the tree's top.
pub(super) fn patched_files(patch: &str) -> BTreeSet<PathBuf> {
    patch
        .lines()
        .filter_map(|line| line.strip_prefix("--- ").or_else(|| line.strip_prefix("+++ ")))
        .filter_map(|name| name.split(['\t', ' ']).next()?.split_once('/'))
        .map(|(_, below)| PathBuf::from(below))
        .filter(|file| file.is_relative())
        .collect()
}

/// Lays our C files over the tree, each at its own relative place below `xen/`.
fn stage_own_files(glue: &Path, xen: &Path) -> Result<()> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(glue).with_context(|| format!("cannot read {}", glue.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name() != "patches" {
            collect(glue, Path::new(&entry.file_name()), &mut files)?;
        }
    }
    for (name, from) in files {
        let to = xen.join(&name);
        if to.exists() {
            bail!(
                "{} is in Xen's tree already: a change to it belongs into a patch",
                name.display()
            );
        }
        copy_if_different(&from, &to)?;
    }
    Ok(())
}

/// Adds the source files at and below `part`, by their names relative to `top`.
fn collect(top: &Path, part: &Path, files: &mut BTreeMap<PathBuf, PathBuf>) -> Result<()> {
    let path = top.join(part);
    let kind = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata.file_type(),
        // A part that a release does not have.
        Err(_) => return Ok(()),
    };
    if kind.is_dir() {
        for entry in fs::read_dir(&path)? {
            let name = entry?.file_name();
            if !is_build_product(&name.to_string_lossy()) {
                collect(top, &part.join(name), files)?;
            }
        }
    } else if path.is_file() {
        files.insert(part.to_owned(), path);
    }
    Ok(())
}

/// Whether a file comes from a build in the user's tree, which must not get into ours.
pub(super) fn is_build_product(name: &str) -> bool {
    let ends = [".o", ".a", ".cmd", ".d", ".o.tmp", ".gz", ".efi", ".pyc"];
    let whole =
        [".git", ".config", ".config.old", "xen-syms", "generated", "auto.conf", "compile.h"];
    ends.iter().any(|end| name.ends_with(end))
        || whole.contains(&name)
        || name.starts_with("xen-syms.")
        || name.starts_with(".xen")
}

/// Whether a file takes part in the configuration, which is made anew only when one changes.
fn is_kconfig(name: &Path) -> bool {
    let file = name.file_name().unwrap_or_default().to_string_lossy();
    file.starts_with("Kconfig") || name == Path::new(USER_CONFIG)
}

fn remove_stale(folder: &Path, wanted: &BTreeMap<PathBuf, PathBuf>) -> Result<()> {
    let before = fs::read_to_string(folder.join(MANIFEST)).unwrap_or_default();
    for name in before.lines().map(Path::new) {
        if !wanted.contains_key(name) && folder.join(name).exists() {
            fs::remove_file(folder.join(name))?;
        }
    }
    Ok(())
}

/// Writes `to` unless it has the content of `from` already; keeps the permissions.
///
/// # Errors
/// With the file's name.
pub(crate) fn copy_if_different(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|there| there == content) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    fs::write(to, content)
        .and_then(|()| fs::set_permissions(to, fs::metadata(from)?.permissions()))
        .with_context(|| format!("cannot write {}", to.display()))
}

fn checksums(files: &BTreeMap<PathBuf, PathBuf>) -> Result<String> {
    let mut text = String::new();
    let files: Vec<&PathBuf> = files.values().collect();
    for some in files.chunks(500) {
        text.push_str(&Program::new("sha256sum").args(some).text()?);
    }
    Ok(text)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

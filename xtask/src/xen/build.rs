//! From a source tree to a Xen that boots: lay out, configure, compile the Rust object, make.
//!
//! Images are kept by the content of everything that went into them, so a build without a change
//! is a look into the cache.

use super::config::{Config, Flavour, configure, make};
use super::policy;
use super::source::Source;
use super::tree::{BuildTree, copy_if_different, lay_out};
use crate::hash::ContentHash;
use crate::machine::{POLICY_NEEDS, RUST_NEED, XEN_NEEDS, ensure};
use crate::paths::{Paths, make_folder};
use crate::process::Program;
use crate::progress::step;
use crate::shim::{self, ShimObject};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Images that are kept; the oldest go first. The matrix has nine.
const IMAGES_KEPT: usize = 16;
/// In an image's folder: the glue's objects.
const GLUE: &str = "glue";
/// Where Xen's makefile looks for the Rust object, below the tree's top.
const OBJECT_PLACE: &str = "xen/common/tmem_rs.o";

/// What to build.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The user's own source tree; else Debian's.
    pub(crate) own_tree: Option<PathBuf>,
    /// Which Xen.
    pub(crate) flavour: Flavour,
}

impl Request {
    /// Xen with tmem, from Debian's source.
    pub(crate) fn release() -> Self {
        Self { own_tree: None, flavour: Flavour::Release }
    }
}

/// A Xen that was built.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Folder that holds `xen`, `xen-syms`, `config`, and the policies of a Xen with FLASK.
    pub(crate) folder: PathBuf,
    /// Its configuration.
    pub(crate) config: Config,
    /// The Rust object in it; `None` when tmem is off.
    pub(crate) object: Option<ShimObject>,
    /// Where the source came from.
    pub(crate) origin: String,
}

impl Image {
    /// The file that a multiboot loader takes.
    pub(crate) fn xen(&self) -> PathBuf {
        self.folder.join("xen")
    }

    /// Folder of the glue's objects, as they were linked.
    pub(crate) fn glue(&self) -> PathBuf {
        self.folder.join(GLUE)
    }

    /// The linked image with its symbols.
    pub(crate) fn syms(&self) -> PathBuf {
        self.folder.join("xen-syms")
    }
}

/// Builds Xen, or finds it built.
///
/// # Errors
/// When something is missing or a step fails; the message names the step's log.
pub(crate) fn build(paths: &Paths, request: &Request) -> Result<Image> {
    ensure(XEN_NEEDS, &paths.log("install")?)?;
    if request.flavour.has_tmem() {
        ensure(&[RUST_NEED], &paths.log("install")?)?;
    }
    if request.flavour == Flavour::Flask {
        ensure(POLICY_NEEDS, &paths.log("install")?)?;
    }
    let source = Source::get(paths, request.own_tree.as_deref())?;
    let name = format!("{}-{}", source.key, request.flavour.name());
    let trees = paths.cache.join("xen-build");
    make_folder(&trees)?;
    // Two runs at the same time may want the same tree: one waits.
    let lock = File::create(trees.join(format!("{name}.lock")))?;
    lock.lock().context("cannot lock the build tree")?;
    let tree = lay_out(paths, &source, &trees.join(&name))?;

    let log = paths.log(&format!("xen-config-{}", request.flavour.name()))?;
    let fragment = paths.xen_glue().join("tmem.config");
    let config = configure(&tree, request.flavour, &fragment, &log)?;
    let object = match request.flavour.has_tmem() {
        false => None,
        true => Some(shim::build(paths, &config)?),
    };
    let key = image_key(&tree, &config, object.as_ref(), request.flavour)?;
    let folder = paths.cache.join("images").join(key);
    if !folder.join("xen").is_file() {
        let title = format!("build Xen {} ({})", source.release, request.flavour.name());
        let log = paths.log(&format!("xen-make-{}", request.flavour.name()))?;
        step(&title, || make_image(&tree, object.as_ref(), request.flavour, &folder, &log))?;
        prune(&paths.cache.join("images"))?;
    }
    Ok(Image { folder, config, object, origin: source.origin })
}

fn image_key(
    tree: &BuildTree,
    config: &Config,
    object: Option<&ShimObject>,
    flavour: Flavour,
) -> Result<String> {
    let mut hash = ContentHash::default();
    // What is kept of a build: images of before lack the glue's objects.
    hash.add("kept", b"xen, symbols, config, glue, policies");
    hash.add("tree", tree.content.as_bytes());
    hash.add("config", config.text().as_bytes());
    hash.add_output("gcc", Program::new("gcc").arg("--version"))?;
    hash.add_output("ld", Program::new("ld").arg("--version"))?;
    if let Some(object) = object {
        hash.add_file("object", &object.linked)?;
    }
    if flavour == Flavour::Flask {
        hash.add("grants", policy::GRANTS_TO_CASES.as_bytes());
    }
    if let Some(flags) = flavour.c_flags() {
        hash.add("flags", flags.as_bytes());
    }
    if flavour == Flavour::Flask {
        // What the policies beside it deny.
        hash.add("policy", policy::DENIALS.concat().as_bytes());
    }
    Ok(hash.short())
}

fn make_image(
    tree: &BuildTree,
    object: Option<&ShimObject>,
    flavour: Flavour,
    folder: &Path,
    log: &Path,
) -> Result<()> {
    let place = tree.folder.join(OBJECT_PLACE);
    match object {
        Some(object) => copy_if_different(&object.linked, &place)?,
        None if place.exists() => fs::remove_file(&place)?,
        None => {}
    }
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut make = make(tree).arg(format!("-j{jobs}"));
    if let Some(flags) = flavour.c_flags() {
        make = make.arg(format!("EXTRA_CFLAGS_XEN_CORE={flags}"));
    }
    make.log(log.into()).run()?;

    let above = folder.parent().context("an image has a folder above it")?;
    make_folder(above)?;
    let partial = tempfile::tempdir_in(above)?;
    for (from, to) in [("xen/xen", "xen"), ("xen/xen-syms", "xen-syms"), ("xen/.config", "config")]
    {
        fs::copy(tree.folder.join(from), partial.path().join(to))
            .with_context(|| format!("make did not leave {from}"))?;
    }
    if object.is_some() {
        keep_glue(&tree.folder.join("xen/common"), &partial.path().join(GLUE))?;
    }
    if flavour == Flavour::Flask {
        policy::compile(&tree.folder, partial.path(), log)?;
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::rename(partial.path(), folder)?;
    Ok(())
}

/// Copies the objects of the glue, which `check-object` looks at, but not the Rust one.
fn keep_glue(common: &Path, folder: &Path) -> Result<()> {
    make_folder(folder)?;
    for entry in fs::read_dir(common)? {
        let (name, file) = entry.map(|entry| (entry.file_name(), entry.path()))?;
        let name = name.to_string_lossy();
        let is_glue = name.starts_with("tmem") && name.ends_with(".o");
        if is_glue && !OBJECT_PLACE.ends_with(&*name) {
            fs::copy(&file, folder.join(&*name))?;
        }
    }
    Ok(())
}

fn prune(images: &Path) -> Result<()> {
    let mut all: Vec<(SystemTime, PathBuf)> = fs::read_dir(images)?
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    all.sort();
    let excess = all.len().saturating_sub(IMAGES_KEPT);
    for (_, folder) in all.into_iter().take(excess) {
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

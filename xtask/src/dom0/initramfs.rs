//! The dom0's file system: an archive that the kernel unpacks into its memory.
//!
//! There is no disk. What is not needed is left out: of the kernel's modules those for Xen's own
//! devices, of the packages the programs and shared libraries.

use super::packages::Dom0;
use crate::paths::Paths;
use anyhow::{Context, Result, bail};
use cpio::newc::{Builder, ModeFileType, trailer};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Folders that programs expect, beside those that files are in.
const FOLDERS: &[&str] = &[
    "dev",
    "proc",
    "run",
    "sys",
    "tmp",
    "var/lib/xen",
    "var/lib/xenstored",
    "var/log/xen/console",
];

/// Kernel modules, in the order in which they are loaded.
const MODULES: &[&str] = &["xen-privcmd", "xenfs/xenfs", "xen-evtchn", "xen-gntdev"];

/// Programs of Xen's tools, in their own folder.
const XEN_PROGRAMS: &[&str] =
    &["xl", "xenstored", "xenconsoled", "xen-init-dom0", "libxl-save-helper"];

/// Programs for people, in `usr/bin`.
const PROGRAMS: &[&str] = &["script", "xenstore", "xenstore-read", "xenstore-write", "xenstore-ls"];

/// Where shared libraries are.
const LIBRARIES: &str = "lib/x86_64-linux-gnu";
/// What starts a program that uses them, and where it is looked for.
const LOADER: &str = "ld-linux-x86-64.so.2";

/// What is ours in it, beside the scripts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own<'a> {
    /// The domains' kernel.
    pub(super) guest: &'a Path,
    /// The operator's tool.
    pub(super) tmemctl: &'a Path,
    /// A Xen that can be a shim, if a scenario wants one.
    pub(super) shim: Option<&'a Path>,
}

/// A thing in the file system.
enum Thing {
    Folder,
    Program(Vec<u8>),
    Link(String),
}

/// Paths from the top, without a slash before them; a folder sorts before what is in it.
#[derive(Default)]
struct Tree(BTreeMap<String, Thing>);

impl Tree {
    fn add(&mut self, path: &str, thing: Thing) {
        let above: Vec<&str> = path.split('/').collect();
        for end in 1..above.len() {
            self.0.entry(above[..end].join("/")).or_insert(Thing::Folder);
        }
        self.0.insert(path.to_owned(), thing);
    }

    fn add_file(&mut self, path: &str, from: &Path) -> Result<()> {
        let content =
            fs::read(from).with_context(|| format!("the dom0 lacks {}", from.display()))?;
        self.add(path, Thing::Program(content));
        Ok(())
    }

    /// Adds a file, or the link that it is.
    fn add_as_it_is(&mut self, path: &str, from: &Path) -> Result<()> {
        match fs::read_link(from) {
            Ok(target) => {
                self.add(path, Thing::Link(target.to_string_lossy().into_owned()));
                Ok(())
            }
            Err(_) => self.add_file(path, from),
        }
    }

    fn write(&self, file: &Path) -> Result<()> {
        let mut out = BufWriter::new(File::create(file)?);
        for (number, (path, thing)) in (1..).zip(&self.0) {
            let (kind, mode, content): (_, _, &[u8]) = match thing {
                Thing::Folder => (ModeFileType::Directory, 0o755, &[]),
                Thing::Program(content) => (ModeFileType::Regular, 0o755, content),
                Thing::Link(target) => (ModeFileType::Symlink, 0o777, target.as_bytes()),
            };
            let size = u32::try_from(content.len()).context("a file is too large")?;
            let entry = Builder::new(path).ino(number).mode(mode).set_mode_file_type(kind);
            let mut entry = entry.write(&mut out, size);
            entry.write_all(content)?;
            entry.finish()?;
        }
        trailer(&mut out)?.flush()?;
        Ok(())
    }
}

/// Writes the archive.
///
/// # Errors
/// When something is not where it should be.
pub(super) fn write(paths: &Paths, dom0: &Dom0, own: &Own<'_>, file: &Path) -> Result<()> {
    let mut tree = Tree::default();
    FOLDERS.iter().for_each(|folder| tree.add(folder, Thing::Folder));
    // Some tools write below /var/run.
    tree.add("var/run", Thing::Link("/run".to_owned()));
    add_shell(&mut tree, dom0)?;
    add_tools(&mut tree, dom0)?;
    add_libraries(&mut tree, dom0)?;
    tree.add_file("bin/tmemctl", own.tmemctl)?;
    tree.add_file("domains/tmem-guest", own.guest)?;
    if let Some(shim) = own.shim {
        tree.add_file("domains/xen-shim", shim)?;
    }
    add_own(&mut tree, &paths.root.join("tests/linux"))?;
    tree.write(file).with_context(|| format!("cannot write {}", file.display()))
}

/// The shell makes the links for its commands itself.
fn add_shell(tree: &mut Tree, dom0: &Dom0) -> Result<()> {
    tree.add_file("bin/busybox", &dom0.root.join("bin/busybox"))?;
    let modules = dom0.root.join("lib/modules").join(&dom0.version).join("kernel/drivers/xen");
    for (number, module) in MODULES.iter().enumerate() {
        let from = modules.join(format!("{module}.ko"));
        tree.add_file(&format!("lib/modules/{number}.ko"), &from)?;
    }
    Ok(())
}

/// Xen's tools, at the place that is built into them.
fn add_tools(tree: &mut Tree, dom0: &Dom0) -> Result<()> {
    let folder = format!("usr/lib/xen-{}/bin", dom0.release);
    for program in XEN_PROGRAMS {
        let path = format!("{folder}/{program}");
        tree.add_file(&path, &dom0.root.join(&path))?;
        tree.add(&format!("bin/{program}"), Thing::Link(format!("/{path}")));
    }
    for program in PROGRAMS {
        let from = dom0.root.join("usr/bin").join(program);
        tree.add_as_it_is(&format!("bin/{program}"), &from)?;
    }
    Ok(())
}

fn add_libraries(tree: &mut Tree, dom0: &Dom0) -> Result<()> {
    for folder in [PathBuf::from(LIBRARIES), Path::new("usr").join(LIBRARIES)] {
        let folder = dom0.root.join(folder);
        let entries = fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("no {}", folder.display()))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_library = name.contains(".so") && !entry.path().is_dir();
            if is_library {
                tree.add_as_it_is(&format!("{LIBRARIES}/{name}"), &entry.path())?;
            }
        }
    }
    tree.add(&format!("lib64/{LOADER}"), Thing::Link(format!("/{LIBRARIES}/{LOADER}")));
    Ok(())
}

/// The scripts: `init`, what they share, and the scenarios.
fn add_own(tree: &mut Tree, folder: &Path) -> Result<()> {
    tree.add_file("init", &folder.join("init"))?;
    tree.add_file("etc/xen/xl.conf", &folder.join("xl.conf"))?;
    tree.add_file("scenarios/common", &folder.join("common"))?;
    let mut count = 0;
    for entry in fs::read_dir(folder.join("scenarios"))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        tree.add_file(&format!("scenarios/{name}"), &entry.path())?;
        count += 1;
    }
    if count == 0 {
        bail!("{} holds no scenario", folder.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them() {
        let mut tree = Tree::default();
        tree.add("a/b/c", Thing::Link("/x".to_owned()));
        tree.add("a-b", Thing::Folder);
        let places = ["a", "a/b", "a/b/c"].map(|path| tree.0.keys().position(|key| key == path));
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{places:?}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut tree = Tree::default();
        tree.add("bin/sh", Thing::Program(b"#!".to_vec()));
        let file = tempfile::NamedTempFile::new().expect("a file");
        tree.write(file.path()).expect("it is written");
        let bytes = fs::read(file.path()).expect("it is there");
        let mut reader = cpio::newc::Reader::new(bytes.as_slice()).expect("an archive");
        let mut names = Vec::new();
        while !reader.entry().is_trailer() {
            names.push((reader.entry().name().to_owned(), reader.entry().mode()));
            reader = cpio::newc::Reader::new(reader.finish().expect("the rest")).expect("more");
        }
        assert_eq!(names, [("bin".to_owned(), 0o40755), ("bin/sh".to_owned(), 0o100_755)]);
    }
}

//! Where things are: the repository, the cache folder, cargo's target folder.
//!
//! Every other module asks here for a place; none composes one from the environment by itself.

use anyhow::{Context, Result, bail};
use std::env;
use std::path::{Path, PathBuf};

/// The folders that a command works in.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    /// Top of the repository.
    pub(crate) root: PathBuf,
    /// Downloads, Xen build trees, images and logs; shared by every clone on the machine.
    pub(crate) cache: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// Folder of the logs, below the target folder's own when runs are to be told apart.
    log_folder: PathBuf,
}

impl Paths {
    /// Finds the folders from the environment.
    ///
    /// # Errors
    /// When the repository can't be found or no cache folder can be named.
    pub(crate) fn find() -> Result<Self> {
        let root = repository_root()?;
        let cache = absolute(cache_folder()?)?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => absolute(folder.into())?,
            None => root.join("target"),
        };
        let log_folder = target.join("tmem-logs");
        Ok(Self { root, cache, target, log_folder })
    }

    /// C glue, patch series and Kconfig fragment for Xen's tree.
    pub(crate) fn xen_glue(&self) -> PathBuf {
        self.root.join("crates/xen-shim/xen")
    }

    /// Logs of builds and of QEMU runs, kept until the next run of the same name.
    pub(crate) fn logs(&self) -> PathBuf {
        self.log_folder.clone()
    }

    /// The same folders, with the logs in a folder of their own below the usual one.
    pub(crate) fn with_logs_in(&self, name: &str) -> Self {
        Self { log_folder: self.log_folder.join(name), ..self.clone() }
    }

    /// A log file's place; its folder exists afterwards.
    ///
    /// # Errors
    /// When the folder can't be made.
    pub(crate) fn log(&self, name: &str) -> Result<PathBuf> {
        let folder = self.logs();
        make_folder(&folder)?;
        Ok(folder.join(format!("{name}.log")))
    }
}

/// Makes a folder and those above it.
///
/// # Errors
/// With the folder's name.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Puts the folder `from` in the place of `to`.
///
/// # Errors
/// With the name of `to`.
pub(crate) fn replace_folder(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::rename(from, to).with_context(|| format!("cannot make {}", to.display()))
}

fn repository_root() -> Result<PathBuf> {
    let start = match env::var_os("CARGO_MANIFEST_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => env::current_dir()?,
    };
    for folder in start.ancestors() {
        if folder.join("xtask/pins.toml").is_file() && folder.join("Cargo.toml").is_file() {
            return Ok(folder.to_owned());
        }
    }
    bail!("{} is not inside the repository: run `cargo xtask` there", start.display())
}

fn cache_folder() -> Result<PathBuf> {
    let named = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = named("TMEM_CACHE_DIR") {
        return Ok(folder);
    }
    if let Some(folder) = named("XDG_CACHE_HOME") {
        return Ok(folder.join("tmem-xen"));
    }
    if let Some(home) = named("HOME") {
        return Ok(home.join(".cache/tmem-xen"));
    }
    bail!("no cache folder: set TMEM_CACHE_DIR, XDG_CACHE_HOME or HOME")
}

fn absolute(path: PathBuf) -> Result<PathBuf> {
    std::path::absolute(&path).with_context(|| format!("bad path {}", path.display()))
}

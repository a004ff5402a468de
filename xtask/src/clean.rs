//! `clean`: gives back the space that builds and boots took.

use crate::paths::Paths;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// Removes build trees, images, run folders and logs; with `downloads` Xen's source as well.
///
/// # Errors
/// With the folder that can't be removed.
pub(crate) fn run(paths: &Paths, downloads: bool) -> Result<()> {
    // What the fuzzer has collected stays: it was not built, and comes back slowly.
    let mut folders: Vec<PathBuf> =
        ["tmem-xen", "tmem-guest", "tmem-run", "tmem-loom", "tmem-logs", "fuzz/build", "tsan"]
            .map(|name| paths.target.join(name))
            .into();
    folders.extend(["xen-build", "images"].map(|name| paths.cache.join(name)));
    if downloads {
        folders.extend(["downloads", "xen-source", "apt"].map(|name| paths.cache.join(name)));
    }
    for folder in folders.iter().filter(|folder| folder.exists()) {
        println!("removing {}", folder.display());
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

//! Free space, asked for before a long step rather than found missing in the middle of it.

use crate::process::Program;
use anyhow::{Result, bail};
use std::path::Path;

/// Sees to it that there are `mib` MiB free below `folder`.
///
/// # Errors
/// When there is less; when it can't be told, the step may try.
pub(crate) fn require(folder: &Path, mib: u64, what: &str) -> Result<()> {
    match free_mib(folder) {
        Some(free) if free < mib => bail!(
            "{what} needs {mib} MiB of free space in {}, and there are {free} MiB; free some, or \
             name another folder by TMEM_CACHE_DIR",
            folder.display()
        ),
        _ => Ok(()),
    }
}

/// Free space below the nearest folder that exists.
pub(crate) fn free_mib(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.is_dir())?;
    let text = Program::new("df").args(["-P", "-m"]).arg(there).env("LC_ALL", "C").text().ok()?;
    parse_df(&text)
}

fn parse_df(text: &str) -> Option<u64> {
    text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_space_is_the_fourth_column() {
        let text = "Filesystem 1048576-blocks Used Available Capacity Mounted on\n\
                    /dev/vda 250000 170000 71000 70% /\n";
        assert_eq!(parse_df(text), Some(71_000));
        assert_eq!(parse_df("nothing"), None);
    }

    #[test]
    fn too_little_space_names_the_folder_and_both_figures() {
        let error = require(Path::new("/"), u64::MAX, "this").expect_err("no disk has that");
        assert!(error.to_string().starts_with("this needs"), "{error}");
    }
}

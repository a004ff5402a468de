//! Content hashes: what makes a cached thing the right one.

use crate::process::Program;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::Path;

/// A SHA-256 over named parts, so that two inputs never run into each other.
#[derive(Default)]
pub(crate) struct ContentHash(Sha256);

impl ContentHash {
    /// Adds a part.
    pub(crate) fn add(&mut self, name: &str, content: &[u8]) {
        for part in [name.as_bytes(), content] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    /// Adds a file's content under a name.
    ///
    /// # Errors
    /// When the file can't be read.
    pub(crate) fn add_file(&mut self, name: &str, file: &Path) -> Result<()> {
        self.add(name, &read(file)?);
        Ok(())
    }

    /// Adds what a program prints, for instance a compiler's version.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn add_output(&mut self, name: &str, program: Program) -> Result<()> {
        self.add(name, program.text()?.as_bytes());
        Ok(())
    }

    /// The first 16 hexadecimal digits: enough for a folder's name.
    pub(crate) fn short(self) -> String {
        let mut text = hex(&self.0.finalize());
        text.truncate(16);
        text
    }
}

/// A file's SHA-256 in hexadecimal digits.
///
/// # Errors
/// When the file can't be read.
pub(crate) fn sha256_of(file: &Path) -> Result<String> {
    Ok(hex(&Sha256::digest(read(file)?)))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let mut one = ContentHash::default();
        one.add("ab", b"c");
        let mut other = ContentHash::default();
        other.add("a", b"bc");
        assert_ne!(one.short(), other.short());
    }
}

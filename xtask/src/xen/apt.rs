//! Packages by apt, of source or for a PC, without touching the system's own state.
//!
//! Index, lists and cache are private folders; the archives are those that the system is set up
//! for. Must not know which package is wanted or which version is the right one.

use super::sources_list::{Archive, What, list_of, parse_fields, parse_lines};
use crate::paths::make_folder;
use crate::process::Program;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A download that takes longer than this hangs.
const NETWORK_LIMIT: Duration = Duration::from_secs(600);

/// A private apt.
#[derive(Debug)]
pub(crate) struct Apt {
    folder: PathBuf,
    log: PathBuf,
}

impl Apt {
    /// Sets up a private apt in `folder` for packages of a Debian release.
    ///
    /// # Errors
    /// When the system is set up for no archive of Debian's.
    pub(crate) fn new(folder: PathBuf, release: &str, what: What, log: PathBuf) -> Result<Self> {
        let list = list_of(&system_archives(), release, what);
        if list.is_empty() {
            bail!("apt is set up for no archive of Debian's here");
        }
        for below in ["state/lists/partial", "cache/archives/partial", "parts"] {
            make_folder(&folder.join(below))?;
        }
        fs::write(folder.join("sources.list"), list)?;
        Ok(Self { folder, log })
    }

    /// Brings the index up to date.
    ///
    /// # Errors
    /// When the archives can't be reached.
    pub(crate) fn update(&self) -> Result<()> {
        self.program("apt-get").arg("update").log_more(self.log.clone()).run()
    }

    /// The versions of a source package that the index names.
    ///
    /// # Errors
    /// When the index can't be read.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let text = self.program("apt-cache").args(["showsrc", package]).text()?;
        let versions = text.lines().filter_map(|line| line.strip_prefix("Version: "));
        let mut versions: Vec<String> = versions.map(|version| version.trim().to_owned()).collect();
        versions.dedup();
        Ok(versions)
    }

    /// Downloads a source package's files into `folder`; apt checks them against the index.
    ///
    /// # Errors
    /// When a file can't be had.
    pub(crate) fn download(&self, package: &str, version: &str, folder: &Path) -> Result<()> {
        make_folder(folder)?;
        self.program("apt-get")
            .args(["source", "--download-only", "--only-source"])
            .arg(format!("{package}={version}"))
            .folder(folder)
            .log_more(self.log.clone())
            .run()
            .with_context(|| format!("cannot download {package} {version}"))
    }

    /// What a package says of itself in one field of the newest version, for instance `Depends`.
    ///
    /// # Errors
    /// When the index can't be read.
    pub(crate) fn field(&self, package: &str, field: &str) -> Result<Option<String>> {
        let text = self.program("apt-cache").args(["show", "--no-all-versions", package]).text()?;
        let value = |line: &str| Some(line.strip_prefix(field)?.strip_prefix(": ")?.to_owned());
        Ok(text.lines().find_map(value))
    }

    /// Downloads packages for a PC into `folder`; apt checks them against the index.
    ///
    /// # Errors
    /// When one can't be had.
    pub(crate) fn download_binaries(&self, packages: &[String], folder: &Path) -> Result<()> {
        self.program("apt-get")
            .arg("download")
            .args(packages)
            .folder(folder)
            .log_more(self.log.clone())
            .run()
            .with_context(|| format!("cannot download {}", packages.join(" ")))
    }

    fn program(&self, name: &str) -> Program {
        let place = |below: &str| self.folder.join(below).display().to_string();
        let mut program = Program::new(name).env("LC_ALL", "C").limit(NETWORK_LIMIT);
        for (option, value) in [
            ("Dir::State", place("state")),
            ("Dir::State::lists", place("state/lists")),
            ("Dir::Cache", place("cache")),
            ("Dir::Etc::sourcelist", place("sources.list")),
            ("Dir::Etc::sourceparts", place("parts")),
            ("Acquire::Languages", "none".to_owned()),
            ("APT::Architecture", "amd64".to_owned()),
            // The unprivileged user of apt's downloads can't write below a home folder.
            ("APT::Sandbox::User", "root".to_owned()),
        ] {
            program = program.args(["-o".to_owned(), format!("{option}={value}")]);
        }
        program
    }
}

fn system_archives() -> Vec<Archive> {
    let mut archives = Vec::new();
    let parts = fs::read_dir("/etc/apt/sources.list.d");
    let parts = parts.into_iter().flatten().flatten().map(|entry| entry.path());
    for file in parts.chain([PathBuf::from("/etc/apt/sources.list")]) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => archives.extend(parse_lines(&text)),
            Some("sources") => archives.extend(parse_fields(&text)),
            _ => {}
        }
    }
    archives
}

//! `test --cold`: everything from nothing, in a temporary place.
//!
//! Machines are handed on with what earlier runs left there, so only this shows that a step is
//! missing. Caches, cargo's home and target folders are empty; programs that are not in a package
//! that we would install, or that every Debian has, are out of reach.

use crate::machine::{self, Machine, Need, Sign, all_needs};
use crate::paths::{Paths, make_folder};
use crate::process::Program;
use crate::progress::{loud, step};
use crate::results::{Outcome, Results};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Packages that a machine has before it can run us at all: see the README.
const GIVEN: &[&str] = &["gcc", "libc6-dev", "make", "git", "python3", "ca-certificates", "apt"];

/// Runs `test` in an empty place and says where each input came from.
///
/// # Errors
/// When the place can't be made.
pub(crate) fn run(paths: &Paths, long: bool, results: &mut Results) -> Result<()> {
    let place = tempfile::tempdir().context("no temporary folder")?;
    let folder = |name: &str| place.path().join(name);
    let mut program = Program::new(env::current_exe()?)
        .arg("test")
        .arg("--junit")
        .arg(folder("junit.xml"))
        .env("TMEM_CACHE_DIR", folder("cache"))
        .env("CARGO_TARGET_DIR", folder("target"))
        .env("CARGO_HOME", cargo_home(&folder("cargo"))?)
        .env("CARGO_MANIFEST_DIR", paths.root.join("xtask"))
        .env("PATH", search_path(&folder("bin"))?);
    if long {
        program = program.arg("--long");
    }
    println!("==> everything from nothing, in {}", place.path().display());
    let start = Instant::now();
    let status = program.status()?;
    println!("    from nothing: {:.0} s", start.elapsed().as_secs_f64());
    for line in origins(&place.path().join("cargo"), &place.path().join("cache")) {
        println!("    {line}");
    }
    if let Err(error) = results.add_junit(&folder("junit.xml")) {
        let why = format!("the run from nothing left no report: {error:#}");
        results.add("cold", "everything from nothing", Outcome::Failed(why), start.elapsed());
    }
    if !status.success() {
        println!("    kept for a look: {}", place.keep().display());
    }
    Ok(())
}

/// An empty home for cargo that knows the same registries.
fn cargo_home(home: &Path) -> Result<PathBuf> {
    make_folder(home)?;
    if let Some(config) =
        crate::shim::cargo_home().map(|own| own.join("config.toml")).filter(|file| file.is_file())
    {
        fs::copy(config, home.join("config.toml"))?;
    }
    Ok(home.to_owned())
}

/// A search path on which only those programs are that a fresh machine has or we would install.
fn search_path(bin: &Path) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    if !Machine::here().is_debian {
        loud("not on Debian: programs that nobody would install stay within reach");
        return Ok(path);
    }
    step("leave out the programs that nobody would install", || {
        make_folder(bin)?;
        for file in files_of(&closure(&wanted_packages()?)?)? {
            let is_program = ["/bin/", "/sbin/"].iter().any(|part| file.contains(part));
            let target = Path::new(&file);
            if let Some(name) = target.file_name().filter(|_| is_program && target.is_file()) {
                // A second program of the same name is the same one by another path.
                let _exists = symlink(target, bin.join(name));
            }
        }
        add_alternatives(bin)?;
        let toolchain = env::split_paths(&path).filter(|folder| folder.join("rustc").is_file());
        let toolchain = toolchain.filter(|folder| !folder.starts_with("/usr"));
        Ok(env::join_paths(toolchain.chain([bin.to_owned()]))?)
    })
}

fn wanted_packages() -> Result<Vec<String>> {
    let essential = Program::new("dpkg-query")
        .args(["-W", "-f", "${Essential} ${Priority} ${Package}\n"])
        .text()?;
    let mut packages: Vec<String> = essential
        .lines()
        .filter(|line| line.starts_with("yes ") || line.contains(" required "))
        .filter_map(|line| line.rsplit(' ').next())
        .map(str::to_owned)
        .collect();
    let needs = all_needs();
    let ours = needs.iter().flat_map(|need| need.packages).chain(GIVEN);
    packages.extend(ours.map(|package| (*package).to_owned()));
    Ok(packages)
}

/// The installed packages among `packages` and what they depend on.
fn closure(packages: &[String]) -> Result<BTreeSet<String>> {
    let text = Program::new("apt-cache")
        .args(["depends", "--recurse", "--installed", "--no-recommends", "--no-suggests"])
        .args(["--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"])
        .args(packages)
        .text()?;
    let names = text.lines().filter(|line| !line.starts_with([' ', '<', '|']));
    Ok(names.map(|name| name.split(':').next().unwrap_or(name).to_owned()).collect())
}

fn files_of(packages: &BTreeSet<String>) -> Result<Vec<String>> {
    let installed = Program::new("dpkg-query").args(["-W", "-f", "${Package}\n"]).text()?;
    let packages = installed.lines().filter(|name| packages.contains(*name));
    let text = Program::new("dpkg-query").arg("-L").args(packages).text()?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Names that packages do not hold but make when they are installed, such as `awk`.
fn add_alternatives(bin: &Path) -> Result<()> {
    for entry in fs::read_dir("/etc/alternatives")?.flatten() {
        let Ok(target) = fs::canonicalize(entry.path()) else {
            continue;
        };
        if target.file_name().is_some_and(|name| bin.join(name).exists()) {
            let _exists = symlink(target, bin.join(entry.file_name()));
        }
    }
    Ok(())
}

/// A line for each input: what it is and where it came from.
fn origins(cargo_home: &Path, cache: &Path) -> Vec<String> {
    let mut lines = vec!["where each input came from:".to_owned()];
    for need in all_needs() {
        lines.push(format!("{:<20} {}", need.name, origin_of(&need)));
    }
    let crates = count_files(&cargo_home.join("registry/cache"));
    lines.push(format!("{:<20} {crates} downloaded by this run", "crates"));
    for entry in fs::read_dir(cache.join("downloads/xen")).into_iter().flatten().flatten() {
        let version = entry.file_name().to_string_lossy().into_owned();
        lines.push(format!("{:<20} {version}, downloaded by this run", "Xen's source"));
    }
    lines
}

/// Where a program is and which package brought it.
pub(crate) fn origin_of(need: &Need) -> String {
    let Some(place) = machine::find(need) else {
        return "missing".to_owned();
    };
    if matches!(need.sign, Sign::HypervisorRust) {
        return crate::toolchain::find().map_or("missing".to_owned(), |found| found.origin.into());
    }
    let owner = Program::new("dpkg-query").arg("-S").arg(&place).text();
    let owner = owner.ok().and_then(|text| Some(text.split_once(':')?.0.to_owned()));
    match owner {
        Some(package) => format!("{} (package {package})", place.display()),
        None => format!("{} (no package)", place.display()),
    }
}

fn count_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { count_files(&entry.path()) } else { 1 }).sum()
}

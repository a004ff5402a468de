//! `qemu-test --matrix`: the guest's cases on every Xen that tmem is carried to, one after the other.
//!
//! A line of the matrix is one build of one source tree. A line that can't be built fails and does
//! not hide the next; a release that has a patch series and no tree here is told as skipped.

use crate::paths::Paths;
use crate::qemu_test;
use crate::results::{Outcome, Results};
use crate::xen::build::Request;
use crate::xen::config::Flavour;
use crate::xen::source::{Source, supported_releases};
use anyhow::Result;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What is built of the tree in use: every flavour that can boot a guest with tmem.
const FLAVOURS: &[Flavour] = &[Flavour::Release, Flavour::Debug, Flavour::Ubsan, Flavour::Flask];

/// What the matrix is made of.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    /// The tree of which every flavour is built; `None`: Debian's.
    pub(crate) tree: Option<PathBuf>,
    /// Trees of other releases, of which the one that ships is built.
    pub(crate) others: Vec<PathBuf>,
    /// The long cases too.
    pub(crate) long: bool,
}

/// One build and its boots.
#[derive(Clone, Debug)]
struct Line {
    /// For instance `4.17-debug`: also the name of a folder of logs.
    name: String,
    request: Request,
}

/// Runs every line and adds its entries, each suite named after its line.
///
/// # Errors
/// When a tree can't be had or is of a release without a patch series.
pub(crate) fn run(paths: &Paths, extent: &Extent, results: &mut Results) -> Result<()> {
    // Every tree is looked at before the first long build.
    let tree = release_of(paths, extent.tree.clone())?;
    let others: Vec<(String, PathBuf)> = extent
        .others
        .iter()
        .map(|folder| Ok((release_of(paths, Some(folder.clone()))?, folder.clone())))
        .collect::<Result<_>>()?;
    let lines = lines(&tree, extent.tree.as_ref(), &others);
    let mut table = String::new();
    for (number, line) in lines.iter().enumerate() {
        println!("==== {} of {}: Xen {} ====", number + 1, lines.len(), line.name);
        let start = Instant::now();
        let own = run_line(paths, line, extent.long);
        let time = start.elapsed().as_secs_f64();
        table.push_str(&format!("    {:<16} {} ({time:.0} s)\n", line.name, own.summary()));
        results.append(&line.name, own);
    }
    let releases: Vec<&str> = std::iter::once(&tree)
        .chain(others.iter().map(|(release, _)| release))
        .map(String::as_str)
        .collect();
    for release in missing(&supported_releases(paths)?, &releases) {
        let why = "no tree of it was given: --also DIR".to_owned();
        table.push_str(&format!("    {release:<16} skipped: {why}\n"));
        results.add(&release, "the guest's cases", Outcome::Skipped(why), Duration::ZERO);
    }
    print!("==== the matrix ====\n{table}");
    Ok(())
}

fn release_of(paths: &Paths, tree: Option<PathBuf>) -> Result<String> {
    Ok(Source::get(paths, tree.as_deref())?.release)
}

fn run_line(paths: &Paths, line: &Line, long: bool) -> Results {
    let mut results = Results::default();
    let start = Instant::now();
    // The next line's logs must not replace those that a complaint names.
    let paths = paths.with_logs_in(&line.name);
    if let Err(error) = qemu_test::run(&paths, &[], long, &line.request, &mut results) {
        let why = format!("{error:#}");
        results.add("build", "it can be built and booted", Outcome::Failed(why), start.elapsed());
    }
    results
}

/// The lines, the tree in use first.
fn lines(tree_release: &str, tree: Option<&PathBuf>, others: &[(String, PathBuf)]) -> Vec<Line> {
    let line = |release: &str, own_tree: Option<&PathBuf>, flavour: Flavour| Line {
        name: format!("{release}-{}", flavour.name()),
        request: Request { own_tree: own_tree.cloned(), flavour },
    };
    let mut lines: Vec<Line> =
        FLAVOURS.iter().map(|flavour| line(tree_release, tree, *flavour)).collect();
    lines.extend(
        others.iter().map(|(release, folder)| line(release, Some(folder), Flavour::Release)),
    );
    lines
}

/// The supported releases of which nothing is run.
fn missing(supported: &[String], run: &[&str]) -> Vec<String> {
    supported.iter().filter(|release| !run.contains(&release.as_str())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_in_use_is_run_in_every_flavour_and_others_as_they_ship() {
        let others = [("4.22".to_owned(), PathBuf::from("/src/xen"))];
        let lines = lines("4.17", None, &others);
        let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(
            names,
            ["4.17-release", "4.17-debug", "4.17-ubsan", "4.17-flask", "4.22-release"]
        );
        assert_eq!(lines[0].request.own_tree, None);
        assert_eq!(lines[4].request.own_tree.as_deref(), Some("/src/xen".as_ref()));
    }

    #[test]
    fn a_release_without_a_tree_is_not_forgotten() {
        let supported = ["4.17".to_owned(), "4.18".to_owned(), "4.22".to_owned()];
        assert_eq!(missing(&supported, &["4.17", "4.22"]), ["4.18"]);
    }
}

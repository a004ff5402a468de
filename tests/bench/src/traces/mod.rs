//! Replays cache traces through the service and compares the misses with their check values.
//!
//! A trace is the references of a guest's programs. A cache in the guest comes first (`replay.rs`);
//! what it evicts is put, what it misses is got. The files and what must come out are named in
//! `traces.toml`.

mod parse;
mod replay;

pub use parse::Format;
pub use replay::{Misses, replay};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::io::Read as _;
use std::path::Path;

/// A trace and its check values.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trace {
    name: String,
    file: String,
    /// Of the compressed file, in hexadecimal.
    sha256: String,
    format: Format,
    references: usize,
    distinct: usize,
    /// Misses per reference of the first level alone, to four decimals.
    first: String,
    /// The same with tmem behind it.
    both: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    trace: Vec<Trace>,
}

impl Table {
    fn load() -> Result<Self> {
        toml::from_str(include_str!("../../traces.toml")).context("traces.toml has a fault")
    }
}

/// Replays every trace in `folder` and prints what came out beside what must.
///
/// # Errors
/// When a file is missing or another than the published one, when a page's content is wrong, or
/// when a figure differs from its check value.
pub fn run(folder: &Path) -> Result<()> {
    let Table { trace: traces } = Table::load()?;
    let missing: Vec<&str> = traces
        .iter()
        .map(|trace| &*trace.file)
        .filter(|file| !folder.join(file).is_file())
        .collect();
    if !missing.is_empty() {
        bail!(
            "the folder {} lacks {}; docs/benchmarks.md tells where the traces come from and what \
             their files are called",
            folder.display(),
            missing.join(", ")
        );
    }
    println!("misses per reference     references  host frames   guest's cache      with tmem");
    let mut wrong = Vec::new();
    for trace in &traces {
        let misses = replay_file(trace, folder)?;
        let (first, both) = (misses.first_ratio(), misses.both_ratio());
        println!(
            "{:<24} {:>10}  {:>11}   {} ({})   {} ({})",
            trace.name, misses.references, misses.capacity, first, trace.first, both, trace.both
        );
        if first != trace.first || both != trace.both {
            wrong.push(&*trace.name);
        }
    }
    println!("in brackets: the check values, an exclusive cache of the least recently used");
    ensure!(wrong.is_empty(), "not as they must be: {}", wrong.join(", "));
    Ok(())
}

fn replay_file(trace: &Trace, folder: &Path) -> Result<Misses> {
    let path = folder.join(&trace.file);
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let sum = hexadecimal(&Sha256::digest(&bytes));
    ensure!(
        sum == trace.sha256,
        "{} is not the published file: its SHA-256 is {sum}, not {}",
        path.display(),
        trace.sha256
    );
    let references = unpack(&trace.file, &bytes)
        .and_then(|bytes| parse::references(trace.format, &bytes))
        .with_context(|| format!("{} can't be read as a trace", path.display()))?;
    ensure!(
        references.len() == trace.references,
        "{} has {} references and should have {}",
        trace.name,
        references.len(),
        trace.references
    );
    let misses = replay(&references).with_context(|| format!("the replay of {}", trace.name))?;
    ensure!(
        misses.distinct == trace.distinct,
        "{} has {} distinct keys and should have {}",
        trace.name,
        misses.distinct,
        trace.distinct
    );
    Ok(misses)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Unpacks a file by the end of its name.
fn unpack(name: &str, mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    if name.ends_with(".zst") {
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(bytes)?;
        decoder.read_to_end(&mut unpacked)?;
    } else if name.ends_with(".xz") {
        lzma_rs::xz_decompress(&mut bytes, &mut unpacked)?;
    } else {
        bail!("neither .zst nor .xz");
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_four_files_with_their_sums() {
        let table = Table::load().expect("a table without faults");
        assert_eq!(table.trace.len(), 4);
        assert!(table.trace.iter().all(|trace| trace.sha256.len() == 64));
        assert!(table.trace.iter().all(|trace| trace.both < trace.first));
    }

    #[test]
    fn a_folder_without_the_traces_is_told_what_it_lacks() {
        let error = run(Path::new("no/such/folder")).expect_err("there is no such folder");
        let text = error.to_string();
        assert!(text.contains("arc-OLTP.lis.zst") && text.contains("cache2k-web12"), "{text}");
    }

    #[test]
    fn what_is_packed_in_another_way_is_refused() {
        assert!(unpack("a.gz", b"").is_err());
        assert!(unpack("a.xz", b"no xz").is_err());
        assert!(unpack("a.zst", b"no zstd").is_err());
    }
}

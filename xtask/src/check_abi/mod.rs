//! `check-abi`: the `hypercall-abi` crate against the `public/tmem.h` of the Xen tree in use.
//!
//! A C probe is compiled for both widths of caller and two ages of the header; the numbers in its
//! object are compared with those that an example of `hypercall-abi` prints.

use crate::machine::{XEN_NEEDS, ensure};
use crate::paths::Paths;
use crate::process::Program;
use crate::progress::step;
use crate::xen::source::Source;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The probe, compiled into this program so that it is where it is needed.
const PROBE: &str = include_str!("probe.c");
/// Bytes of the name in an entry of the probe's table.
const NAME_BYTES: usize = 56;
/// Bytes of an entry: the name and a 64-bit number.
const ENTRY_BYTES: usize = NAME_BYTES + 8;

/// Names in the header that the crate leaves out, each with the reason.
const LEFT_OUT: &[(&str, &str)] = &[
    ("TMEM_CLIENT_COMPRESS", "a bit of the control interface"),
    ("TMEM_CLIENT_FROZEN", "a bit of the control interface"),
];

/// Sizes, offsets and constants by name.
type Numbers = BTreeMap<String, u64>;

/// Compares, and answers how many numbers agree.
///
/// # Errors
/// With every name on which header and crate differ.
pub(crate) fn run(paths: &Paths, own_tree: Option<&Path>) -> Result<usize> {
    ensure(XEN_NEEDS, &paths.log("install")?)?;
    let source = Source::get(paths, own_tree)?;
    step(&format!("compare the ABI with public/tmem.h of {}", source.origin), || {
        let include = source.folder.join("xen/include");
        let header = header_numbers(paths, &include)?;
        let ours = crate_numbers(paths)?;
        let mut objections = differences(&header, &ours);
        objections.extend(unknown_names(&header_names(paths, &include)?, &header));
        if objections.is_empty() {
            return Ok(header.len());
        }
        bail!("hypercall-abi and public/tmem.h differ:\n    {}", objections.join("\n    "))
    })
}

/// What the header says, to callers of both widths, now and before 4.4.
fn header_numbers(paths: &Paths, include: &Path) -> Result<Numbers> {
    let log = paths.log("check-abi")?;
    let folder = tempfile::tempdir()?;
    let mut numbers = Numbers::new();
    for width in ["-m64", "-m32"] {
        for age in ["-DTMEM_NEW", "-DTMEM_OLD"] {
            let (source, object) = (folder.path().join("probe.c"), folder.path().join("probe.o"));
            let table = folder.path().join("table");
            fs::write(&source, PROBE)?;
            compiler(include)
                .args([width, age, "-c", "-o"])
                .arg(&object)
                .arg(&source)
                .log(log.clone())
                .run()
                .context("Xen's public/tmem.h does not say what the probe asks for")?;
            Program::new("objcopy")
                .args(["-O", "binary", "-j", ".tmem_probe"])
                .arg(&object)
                .arg(&table)
                .log_more(log.clone())
                .run()?;
            for (name, value) in parse_table(&fs::read(&table)?)? {
                if numbers.insert(name.clone(), value).is_some_and(|before| before != value) {
                    bail!("public/tmem.h says two things of {name}");
                }
            }
        }
    }
    Ok(numbers)
}

fn compiler(include: &Path) -> Program {
    Program::new("gcc").args(["-std=gnu11", "-ffreestanding", "-I"]).arg(include)
}

/// The TMEM_ names that the header defines, for the newest guests that see it.
fn header_names(paths: &Paths, include: &Path) -> Result<Vec<String>> {
    let folder = tempfile::tempdir_in(paths.logs())?;
    let source = folder.path().join("names.c");
    fs::write(&source, "#include <stdint.h>\n#include <public/tmem.h>\n")?;
    let version = "-D__XEN_INTERFACE_VERSION__=0x00040300";
    let text = compiler(include).args([version, "-E", "-dM"]).arg(&source).text()?;
    Ok(macro_names(&text))
}

fn macro_names(macros: &str) -> Vec<String> {
    macros
        .lines()
        .filter_map(|line| line.strip_prefix("#define ")?.split(' ').next())
        .filter(|name| name.starts_with("TMEM_"))
        .map(str::to_owned)
        .collect()
}

/// What the crate says.
fn crate_numbers(paths: &Paths) -> Result<Numbers> {
    let text = crate::cargo::host(paths, "run")?
        .args(["--quiet", "--package", "tmem-hypercall-abi", "--example", "layout"])
        .text()?;
    parse_lines(&text)
}

fn parse_lines(text: &str) -> Result<Numbers> {
    text.lines()
        .map(|line| {
            let (name, value) = line.split_once(' ').context("a line without a number")?;
            Ok((name.to_owned(), value.parse().with_context(|| line.to_owned())?))
        })
        .collect()
}

fn parse_table(bytes: &[u8]) -> Result<Vec<(String, u64)>> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(ENTRY_BYTES) {
        bail!("the probe's table has {} bytes", bytes.len());
    }
    bytes
        .chunks_exact(ENTRY_BYTES)
        .map(|entry| {
            let (name, value) = entry.split_at(NAME_BYTES);
            let name = String::from_utf8_lossy(name).trim_end_matches('\0').to_owned();
            Ok((name, u64::from_le_bytes(value.try_into()?)))
        })
        .collect()
}

fn differences(header: &Numbers, ours: &Numbers) -> Vec<String> {
    let mut objections = Vec::new();
    for (name, value) in header {
        match ours.get(name) {
            Some(our) if our == value => {}
            Some(our) => objections.push(format!("{name}: header {value}, crate {our}")),
            None => objections.push(format!("{name}: header {value}, crate nothing")),
        }
    }
    for (name, value) in ours.iter().filter(|(name, _)| !header.contains_key(*name)) {
        objections.push(format!("{name}: header nothing, crate {value}"));
    }
    objections
}

/// Names that the header defines and nobody compares.
fn unknown_names(names: &[String], compared: &Numbers) -> Vec<String> {
    names
        .iter()
        .filter(|name| !compared.contains_key(*name))
        .filter(|name| !LEFT_OUT.iter().any(|(left_out, _)| left_out == name))
        .map(|name| format!("{name}: the header defines it, nothing compares it"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Numbers {
        parse_lines(text).expect("lines")
    }

    #[test]
    fn every_kind_of_difference_is_named() {
        let header = numbers("same 1\nother 2\nheader 3");
        let ours = numbers("same 1\nother 5\ncrate 4");
        assert_eq!(
            differences(&header, &ours),
            [
                "header: header 3, crate nothing",
                "other: header 2, crate 5",
                "crate: header nothing, crate 4"
            ]
        );
    }

    #[test]
    fn a_name_that_nobody_compares_is_an_objection() {
        let names =
            macro_names("#define TMEM_NEW 9\n#define OTHER 1\n#define TMEM_CLIENT_FROZEN 2\n");
        assert_eq!(
            unknown_names(&names, &Numbers::new()),
            ["TMEM_NEW: the header defines it, nothing compares it"]
        );
    }

    #[test]
    fn the_table_is_read_entry_by_entry() {
        let mut bytes = b"sizeof.op".to_vec();
        bytes.resize(NAME_BYTES, 0);
        bytes.extend(56_u64.to_le_bytes());
        assert_eq!(parse_table(&bytes).expect("a table"), [("sizeof.op".to_owned(), 56)]);
        assert!(parse_table(&bytes[1..]).is_err());
    }
}

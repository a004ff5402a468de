//! `doctor`: what is here, what is missing, and what the other commands would do about it.

use crate::cold::origin_of;
use crate::machine::{Machine, Need, advice, all_needs, find};
use crate::paths::Paths;
use crate::pins::Pins;
use crate::space;
use crate::toolchain;
use anyhow::{Result, bail};

/// Free space that a first run needs, caches and target folders together.
const SPACE_MIB: u64 = 2500;

/// Looks at the machine as if the tools in `without` were not there.
///
/// # Errors
/// When something is missing that the other commands would not install by themselves.
pub(crate) fn run(paths: &Paths, without: &[String]) -> Result<()> {
    let needs = all_needs();
    if let Some(unknown) = without.iter().find(|name| !needs.iter().any(|n| n.name == **name)) {
        let names: Vec<&str> = needs.iter().map(|need| need.name).collect();
        bail!("no tool is named {unknown}; there are: {}", names.join(", "));
    }
    let is_missing =
        |need: &Need| without.iter().any(|name| name == need.name) || find(need).is_none();
    println!("tools:");
    for need in &needs {
        let state = if is_missing(need) { "MISSING".to_owned() } else { origin_of(need) };
        println!("    {:<20} {:<45} {}", need.name, need.purpose, state);
    }
    match toolchain::find() {
        Ok(found) => println!("Rust for the hypervisor: {}", found.origin),
        Err(error) => println!("Rust for the hypervisor: {error}"),
    }
    show_folders(paths)?;

    let missing: Vec<Need> = needs.iter().filter(|need| is_missing(need)).copied().collect();
    if missing.is_empty() {
        println!("nothing is missing: `cargo xtask qemu-run` can start");
        return Ok(());
    }
    let machine = Machine::here();
    let text = advice(&missing, machine);
    if machine.is_debian && machine.is_root {
        println!("{text}\nthe command that needs it does this by itself");
        return Ok(());
    }
    bail!(text)
}

fn show_folders(paths: &Paths) -> Result<()> {
    let pins = Pins::read()?;
    let source = paths.cache.join("xen-source").join(&pins.xen.version);
    let state = if source.is_dir() { "here" } else { "would be downloaded (5 MB)" };
    println!("Xen's source: {} {state}", pins.xen.version);
    println!("cache folder: {}", paths.cache.display());
    println!("logs: {}", paths.logs().display());
    for (name, folder) in [("cache", &paths.cache), ("target", &paths.target)] {
        if let Some(free) = space::free_mib(folder) {
            let word = if free < SPACE_MIB { " TOO LITTLE for a first run" } else { "" };
            println!("free space for the {name} folder: {free} MiB{word}");
        }
    }
    println!("emulation: plain (TCG); hardware virtualisation is not used");
    Ok(())
}

//! `check-object`: the Rust object that is linked into Xen, and the image that comes out.
//!
//! Emulators show none of these faults: no test run replaces this check. Start with [`run`].

mod disassembly;
mod graph;
mod object_file;
mod panics;
mod rules;
mod stack;
#[cfg(test)]
mod tests;

use crate::paths::Paths;
use crate::progress::step;
use crate::results::{Outcome, Results};
use crate::shim::ShimObject;
use crate::xen::build::Image;
use anyhow::{Context, Result, bail};
use graph::Graph;
use object_file::ObjectFile;
use std::fs;
use std::time::Duration;

/// Bytes of stack that an exported function and all below it may use.
const STACK_BYTES_MAX: u64 = 2048;

/// Name of these checks in the results.
const SUITE: &str = "check-object";

/// Examines an image and adds an entry for each kind of check.
///
/// # Errors
/// When a file can't be read. A fault that is found is an entry, not an error.
pub(crate) fn run(paths: &Paths, image: &Image, results: &mut Results) -> Result<()> {
    let Some(object) = &image.object else {
        bail!("this Xen is built without tmem: there is no object in it");
    };
    let file = step("read the object that Xen links", || ObjectFile::read(&object.symbolic))?;
    let graph = Graph::new(&file);
    let list = panics::read_list(&paths.root.join("crates/xen-shim/panics.toml"))?;
    let sites = panics::sites(&graph);
    let mut add = |name: &str, objections: Vec<String>| {
        let outcome = match objections.is_empty() {
            true => Outcome::Passed,
            false => Outcome::Failed(format!("\n    {}", objections.join("\n    "))),
        };
        let word = if outcome == Outcome::Passed { "ok" } else { "FAILED" };
        println!("    {name:<52} {word}");
        results.add(SUITE, name, outcome, Duration::ZERO);
    };
    add("no forbidden register, branch or return", rules::instructions(&graph, &image.config));
    add("address-taken functions begin with endbr64", rules::landing_marks(&graph, &image.config));
    add("the same of the C glue", glue_objections(image)?);
    add("only the exported names, none too long", rules::names(object)?);
    let reasons = panics::reasons(&paths.root.join("crates/engine/src"))?;
    add("panic entries and traps are those of the list", panics::compare(&sites, &list, &reasons));
    add("the stack stays below its bound", stack_objections(&graph, object)?);
    add("the final image is as Xen's linker wants it", rules::image(&image.syms())?);
    let places: usize = sites.values().map(Vec::len).sum();
    println!("    {} functions, {places} panic entries and traps", file.functions.len());
    Ok(())
}

/// The objections to the glue's objects. Only a patched gcc tells of a function whose address is
/// taken and that is not marked with `cf_check`.
fn glue_objections(image: &Image) -> Result<Vec<String>> {
    let folder = image.glue();
    let mut objections = Vec::new();
    let mut taken = 0;
    for entry in fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))? {
        let file = ObjectFile::read(&entry?.path())?;
        let graph = Graph::new(&file);
        taken += graph.address_taken().len();
        objections.extend(rules::landing_marks(&graph, &image.config));
    }
    if taken == 0 {
        // Xen calls it back when it starts and when a CPU goes.
        objections.push("no function of the glue has its address taken: wrongly read".to_owned());
    }
    Ok(objections)
}

/// The objections to an image that was built with the option off.
///
/// # Errors
/// When it can't be read.
pub(crate) fn without_tmem(image: &Image) -> Result<Outcome> {
    let names = rules::names_of_ours(&image.syms())?;
    Ok(match names.is_empty() {
        true => Outcome::Passed,
        false => Outcome::Failed(format!("the image holds {}", names.join(", "))),
    })
}

fn stack_objections(graph: &Graph<'_>, object: &ShimObject) -> Result<Vec<String>> {
    let roots: Vec<usize> = object
        .exports
        .iter()
        .map(|name| graph.object.function(name).with_context(|| format!("no function {name}")))
        .collect::<Result<_>>()?;
    let depths = match stack::deepest(graph, &roots) {
        Ok(depths) => depths,
        Err(objection) => return Ok(vec![objection]),
    };
    let mut objections = Vec::new();
    for (name, depth) in object.exports.iter().zip(depths) {
        println!("    stack of {name}: {} bytes at most", depth.bytes);
        if depth.bytes > STACK_BYTES_MAX {
            let path = depth.path.iter().map(|number| {
                let function = &graph.object.functions[*number];
                let frame = stack::frame_bytes(function, *number).unwrap_or_default();
                format!("{} ({frame})", function.name())
            });
            objections.push(format!(
                "{name}: {} bytes, at most {STACK_BYTES_MAX} are allowed: {}",
                depth.bytes,
                path.collect::<Vec<_>>().join(" -> ")
            ));
        }
    }
    Ok(objections)
}

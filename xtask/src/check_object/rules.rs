//! What the object's code may not contain: vector registers, branches and returns that Xen's
//! options forbid, functions without a landing mark, names that nobody asked for.

use super::graph::Graph;
use crate::shim::{NAME_MAX, ShimObject, WEAK};
use crate::xen::config::Config;
use anyhow::{Context, Result};
use object::{Object, ObjectSymbol};
use std::fs;
use std::path::Path;

/// Registers whose content is the guest's while Xen runs.
const GUEST_REGISTERS: &[&str] = &["%xmm", "%ymm", "%zmm", "%mm", "%st", "%k0", "%k1", "%bnd"];

/// Objections to single instructions, each with the function it is in.
pub(crate) fn instructions(graph: &Graph<'_>, config: &Config) -> Vec<String> {
    let is_on = |option| config.is_on(option);
    let (returns, indirect) = (is_on("CONFIG_RETURN_THUNK"), is_on("CONFIG_INDIRECT_THUNK"));
    let mut objections = Vec::new();
    for function in &graph.object.functions {
        for instruction in &function.instructions {
            let (text, mnemonic) = (&instruction.text, instruction.mnemonic.as_str());
            let is_indirect = text.contains(" *") && (mnemonic == "jmp" || mnemonic == "call");
            let wrong = if GUEST_REGISTERS.iter().any(|register| text.contains(register)) {
                "a register that holds guest state"
            } else if text.starts_with("notrack") {
                "notrack: Xen does not allow it on hardware with CET"
            } else if is_indirect && mnemonic == "jmp" {
                "an indirect jump"
            } else if is_indirect && indirect {
                "an indirect call without Xen's thunk"
            } else if mnemonic.starts_with("ret") && returns {
                "a return without Xen's thunk"
            } else {
                continue;
            };
            objections.push(format!("{wrong}: `{text}` in {}", function.name()));
        }
    }
    objections
}

/// Functions that an indirect branch may reach and that do not begin with the landing mark.
pub(crate) fn landing_marks(graph: &Graph<'_>, config: &Config) -> Vec<String> {
    if !config.is_on("CONFIG_XEN_IBT") {
        return Vec::new();
    }
    let functions = graph.address_taken().into_iter().map(|number| &graph.object.functions[number]);
    functions
        .filter(|function| {
            function.instructions.first().is_none_or(|first| first.mnemonic != "endbr64")
        })
        .map(|function| format!("address taken, but no endbr64: {}", function.name()))
        .collect()
}

/// Objections to the names in the object that Xen links.
///
/// # Errors
/// When it can't be read.
pub(crate) fn names(object: &ShimObject) -> Result<Vec<String>> {
    let mut objections = Vec::new();
    let mut missing = object.exports.clone();
    let bytes = fs::read(&object.linked)?;
    let elf = object::File::parse(&*bytes).context("the linked object")?;
    for symbol in elf.symbols() {
        let name = symbol.name()?;
        missing.retain(|export| !(export == name && symbol.is_definition()));
        if let Some(objection) = objection_to_name(object, name, &symbol) {
            objections.push(objection);
        }
    }
    objections.extend(missing.iter().map(|name| format!("not exported: {name}")));
    Ok(objections)
}

fn objection_to_name<'a>(
    object: &ShimObject,
    name: &str,
    symbol: &impl ObjectSymbol<'a>,
) -> Option<String> {
    if name.len() > NAME_MAX {
        return Some(format!("a name of {} characters: {name}", name.len()));
    }
    if symbol.is_undefined() {
        let is_known = name.is_empty()
            || name.starts_with("tmem_xen_")
            || name.starts_with("__x86_")
            || WEAK.contains(&name);
        return (!is_known).then(|| format!("calls {name}, which is none of tmem's helpers"));
    }
    let is_known = object.exports.iter().any(|export| export == name)
        || WEAK.contains(&name) && symbol.is_weak();
    (symbol.is_global() && !is_known).then(|| format!("exports {name} unexpectedly"))
}

/// Sections that must hold nothing in the final image.
const EMPTY_SECTIONS: &[&str] = &[".got", ".got.plt", ".plt", ".rela", ".rela.dyn", ".rela.plt"];

/// Objections to the final image, `xen-syms`.
///
/// # Errors
/// When it can't be read.
pub(crate) fn image(syms: &Path) -> Result<Vec<String>> {
    use object::ObjectSection;
    let bytes = fs::read(syms).with_context(|| format!("cannot read {}", syms.display()))?;
    let elf = object::File::parse(&*bytes).context("xen-syms")?;
    let mut objections = Vec::new();
    for section in elf.sections() {
        let name = section.name()?;
        if EMPTY_SECTIONS.contains(&name) && section.size() > 0 {
            objections.push(format!("xen-syms: {name} holds {} bytes", section.size()));
        }
        if name.starts_with(".text") && section.relocations().next().is_some() {
            objections.push(format!("xen-syms: a relocation is left in {name}"));
        }
    }
    let longest =
        elf.symbols().filter_map(|symbol| symbol.name().ok()).max_by_key(|name| name.len());
    if let Some(name) = longest.filter(|name| name.len() > NAME_MAX) {
        objections.push(format!("xen-syms: a name of {} characters: {name}", name.len()));
    }
    Ok(objections)
}

/// Names of ours in an image that was built without tmem.
///
/// # Errors
/// When it can't be read.
pub(crate) fn names_of_ours(syms: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(syms).with_context(|| format!("cannot read {}", syms.display()))?;
    let elf = object::File::parse(&*bytes).context("xen-syms")?;
    let names = elf.symbols().filter_map(|symbol| symbol.name().ok().map(str::to_owned));
    Ok(names.filter(|name| is_ours(name)).collect())
}

/// Whether a name is of tmem: the word stands in it by itself, unlike in `bootmem` or `initmem`.
fn is_ours(name: &str) -> bool {
    name.starts_with("rs.") || name.split(['_', '.', '$']).any(|word| word == "tmem")
}

#[cfg(test)]
mod name_tests {
    use super::is_ours;

    #[test]
    fn our_names_are_told_from_those_of_boot_memory() {
        for name in ["do_tmem_op", "tmem_rs_init", "per_cpu__tmem_percpu", "tmem.c"] {
            assert!(is_ours(name), "{name}");
        }
        for name in ["bootmem_region_add", "numa_initmem_init", "setup_node_bootmem"] {
            assert!(!is_ours(name), "{name}");
        }
    }
}

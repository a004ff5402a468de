//! Every entry into the panic machinery and every trap instruction, against the committed list.
//!
//! The list, `crates/xen-shim/panics.toml`, holds for each the argument why it can't run.

use super::graph::{Callee, Flow, Graph, flow};
use super::object_file::{ObjectFile, Reference};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// An entry of the committed list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    /// The function that holds the call or the trap, demangled; or [`ANY_CALLER`].
    caller: String,
    /// The panic entry that it calls, demangled, or the trap's mnemonic.
    callee: String,
    /// How many such places the caller has; for [`ANY_CALLER`], the engine's source.
    #[serde(default = "one")]
    count: usize,
    /// The argument.
    why: String,
}

/// For a callee that is itself one reason to panic, with one argument for whoever calls it. Which
/// functions call it in the object is up to the compiler, so its calls are counted in the source.
const ANY_CALLER: &str = "*";

/// Where such reasons may be. Elsewhere a wildcard would hide what it should show.
const REASONS: &str = "tmem_engine::broken::";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default, rename = "entry")]
    entries: Vec<Listed>,
}

impl Listed {
    fn covers(&self, caller: &str, callee: &str) -> bool {
        let is_caller =
            self.caller == caller || self.caller == ANY_CALLER && callee.starts_with(REASONS);
        is_caller && self.callee == callee
    }
}

fn one() -> usize {
    1
}

/// A caller and what it runs into.
type Site = (String, String);

/// Reads the committed list; none is an empty one.
///
/// # Errors
/// When it is not as it should be.
pub(crate) fn read_list(file: &Path) -> Result<Vec<Listed>> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let list: List = toml::from_str(&text).with_context(|| file.display().to_string())?;
    Ok(list.entries)
}

/// Finds every site, with the places in the source where they are known.
pub(crate) fn sites(graph: &Graph<'_>) -> BTreeMap<Site, Vec<String>> {
    let mut sites: BTreeMap<Site, Vec<String>> = BTreeMap::new();
    for (number, function) in graph.object.functions.iter().enumerate() {
        let flows: Vec<Flow> =
            function.instructions.iter().map(|instruction| flow(instruction, number)).collect();
        for (index, step) in flows.iter().enumerate() {
            let callee = match step {
                Flow::Trap if !is_after_panic(graph, number, &flows, index) => {
                    function.instructions[index].mnemonic.clone()
                }
                // One that diverges was entered by somebody who is listed.
                Flow::Call(callee) | Flow::Tail(callee, _)
                    if graph.is_diverging(callee) && !graph.diverges[number] =>
                {
                    callee_name(graph.object, callee)
                }
                _ => continue,
            };
            let place = location(graph.object, number, index);
            sites.entry((function.name(), callee)).or_default().push(place);
        }
    }
    sites
}

/// A trap that stands behind a diverging call, as a mark that nothing comes back, and that no
/// jump leads to.
fn is_after_panic(graph: &Graph<'_>, number: usize, flows: &[Flow], index: usize) -> bool {
    let offset = graph.object.functions[number].instructions[index].offset;
    let is_jumped_to = flows.iter().any(|flow| matches!(flow, Flow::Jump(to, _) if *to == offset));
    let before = index.checked_sub(1).map(|before| &flows[before]);
    !is_jumped_to && matches!(before, Some(Flow::Call(callee)) if graph.is_diverging(callee))
}

fn callee_name(object: &ObjectFile, callee: &Callee) -> String {
    match callee {
        Callee::Function(number) => object.functions[*number].name(),
        Callee::External(name) => name.clone(),
        Callee::Indirect => "an indirect call".to_owned(),
    }
}

/// Differences between what was found and what is listed; each one a paragraph.
pub(crate) fn compare(
    sites: &BTreeMap<Site, Vec<String>>,
    list: &[Listed],
    reasons: &BTreeMap<String, usize>,
) -> Vec<String> {
    let mut objections = Vec::new();
    for ((caller, callee), places) in sites {
        let listed = list.iter().find(|entry| entry.covers(caller, callee));
        match listed {
            Some(entry) if entry.caller == ANY_CALLER || entry.count == places.len() => {}
            Some(entry) => objections.push(format!(
                "{caller} calls {callee} {} times, the list says {}: {}",
                places.len(),
                entry.count,
                places.join(", ")
            )),
            None => objections.push(format!(
                "not in the list ({}):\n[[entry]]\ncaller = {caller:?}\ncallee = {callee:?}\n{}why = \"\"",
                places.join(", "),
                if places.len() > 1 { format!("count = {}\n", places.len()) } else { String::new() },
            )),
        }
    }
    for entry in list {
        if !sites.keys().any(|(caller, callee)| entry.covers(caller, callee)) {
            objections.push(format!("stale: {} does not call {}", entry.caller, entry.callee));
        }
        if entry.caller == ANY_CALLER {
            let uses = reasons.get(&entry.callee).copied().unwrap_or(0);
            if uses != entry.count {
                objections.push(format!(
                    "{} is called at {uses} places of the engine's source, the argument in the \
                     list is for {}",
                    entry.callee, entry.count
                ));
            }
        }
        if entry.why.trim().is_empty() {
            objections.push(format!("no argument: {} -> {}", entry.caller, entry.callee));
        }
    }
    objections
}

/// Counts the calls of each of the engine's reasons in its source.
///
/// # Errors
/// When the source can't be read.
pub(crate) fn reasons(engine: &Path) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    let mut folders = vec![engine.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                count_reasons(&text, &mut counts);
            }
        }
    }
    Ok(counts)
}

fn count_reasons(text: &str, counts: &mut BTreeMap<String, usize>) {
    for rest in text.split("broken::").skip(1) {
        if let Some((name, _)) = rest.split_once("()") {
            *counts.entry(format!("{REASONS}{name}")).or_default() += 1;
        }
    }
}

/// How many instructions before a call its location argument is looked for.
const LOOK_BACK: usize = 12;

/// The place in the source that a panic entry's caller hands over, if it can be found.
fn location(object: &ObjectFile, number: usize, index: usize) -> String {
    let instructions = &object.functions[number].instructions;
    let near = instructions[index.saturating_sub(LOOK_BACK)..index].iter().rev();
    // An earlier branch ends the stretch that surely runs before the call.
    let near = near.take_while(|instruction| flow(instruction, number) == Flow::Next);
    let found = near.filter_map(|instruction| match &instruction.reference {
        Some(Reference::Data(section, offset)) => location_at(object, *section, *offset),
        _ => None,
    });
    found.into_iter().next().unwrap_or_else(|| "place unknown".to_owned())
}

/// Reads a `core::panic::Location`: address and length of the file's name, line, column.
fn location_at(object: &ObjectFile, section: usize, offset: u64) -> Option<String> {
    let data = object.data.get(&section)?;
    let Reference::Data(text, start) = data.references.get(&offset)? else {
        return None;
    };
    let at = usize::try_from(offset).ok()?;
    let len = u64::from_le_bytes(data.bytes.get(at + 8..at + 16)?.try_into().ok()?);
    let line = u32::from_le_bytes(data.bytes.get(at + 16..at + 20)?.try_into().ok()?);
    let (start, len) = (usize::try_from(*start).ok()?, usize::try_from(len).ok()?);
    let bytes = object.data.get(text)?.bytes.get(start..start.checked_add(len)?)?;
    let name = std::str::from_utf8(bytes).ok()?.trim_end_matches('\0');
    name.ends_with(".rs").then(|| format!("{name}:{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites() -> BTreeMap<Site, Vec<String>> {
        BTreeMap::from([
            (("put".to_owned(), "panic".to_owned()), vec!["a.rs:1".to_owned()]),
            (("get".to_owned(), "ud2".to_owned()), vec!["x".to_owned(), "y".to_owned()]),
        ])
    }

    #[test]
    fn a_wildcard_covers_the_callers_of_a_reason_and_of_nothing_else() {
        let reason = "tmem_engine::broken::not_indexed";
        let sites = BTreeMap::from([(("put".to_owned(), reason.to_owned()), vec![String::new()])]);
        let covering =
            list(&format!("[[entry]]\ncaller = \"*\"\ncallee = {reason:?}\nwhy = \"no\""));
        let uses = |text: &str| {
            let mut counts = BTreeMap::new();
            count_reasons(text, &mut counts);
            counts
        };
        let one = uses("x => broken::not_indexed(),");
        assert_eq!(compare(&sites, &covering, &one), Vec::<String>::new());
        let two = uses("broken::not_indexed(); broken::not_indexed()");
        assert_eq!(compare(&sites, &covering, &two).len(), 1);
        let hiding = list("[[entry]]\ncaller = \"*\"\ncallee = \"panic\"\nwhy = \"no\"");
        let sites = BTreeMap::from([(("put".to_owned(), "panic".to_owned()), vec![String::new()])]);
        assert_eq!(compare(&sites, &hiding, &BTreeMap::new()).len(), 3);
    }

    fn list(text: &str) -> Vec<Listed> {
        let list: List = toml::from_str(text).expect("a list");
        list.entries
    }

    const COMPLETE: &str = "
        [[entry]]\ncaller = \"put\"\ncallee = \"panic\"\nwhy = \"checked above\"
        [[entry]]\ncaller = \"get\"\ncallee = \"ud2\"\ncount = 2\nwhy = \"no such state\"
    ";

    #[test]
    fn a_complete_list_has_no_objection() {
        assert_eq!(compare(&sites(), &list(COMPLETE), &BTreeMap::new()), Vec::<String>::new());
    }

    #[test]
    fn an_unlisted_entry_is_shown_as_it_would_be_written() {
        let objections = compare(&sites(), &[], &BTreeMap::new());
        assert_eq!(objections.len(), 2);
        assert!(
            objections[1].contains("caller = \"put\"\ncallee = \"panic\"\nwhy"),
            "{objections:?}"
        );
    }

    #[test]
    fn stale_entries_wrong_counts_and_missing_arguments_are_objections() {
        let more =
            format!("{COMPLETE}[[entry]]\ncaller = \"flush\"\ncallee = \"panic\"\nwhy = \" \"");
        let objections =
            compare(&sites(), &list(&more.replace("count = 2", "count = 3")), &BTreeMap::new());
        assert_eq!(objections.len(), 3, "{objections:?}");
    }
}

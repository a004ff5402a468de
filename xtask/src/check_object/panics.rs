//! Every entry into the panic machinery and every trap instruction, against the committed list.
//!
//! The list, `crates/xen-shim/panics.toml`, holds for each the argument why it can't run.

use super::graph::{Callee, Flow, Graph, flow};
use super::object_file::{ObjectFile, Reference};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// An entry of the committed list: one panic entry or trap, the callers that share an argument.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    /// The panic entry, demangled, or the trap's mnemonic.
    callee: String,
    /// Why none of the calls can happen.
    why: String,
    /// The functions that hold the calls, demangled; one with two such places stands here twice.
    callers: Vec<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default, rename = "entry")]
    entries: Vec<Listed>,
}

/// What stands at the top of the list.
const HEADER: &str = "\
# Every call into the panic machinery and every trap instruction in the object that Xen links, with
# the argument why it can't run. `cargo xtask check-object` compares; a place that is not listed
# fails, and so does a listed one that is gone. `cargo xtask check-object --write-list` brings
# callers up to date and leaves the new ones without an argument, which fails until one is written.

";

/// A caller and what it runs into.
type Site = (String, String);

/// Every site, with its places in the source as far as they are known.
pub(crate) type Sites = BTreeMap<Site, Vec<String>>;

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

/// Finds every site.
pub(crate) fn sites(graph: &Graph<'_>) -> Sites {
    let mut sites = Sites::new();
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
pub(crate) fn compare(sites: &Sites, list: &[Listed]) -> Vec<String> {
    let mut objections = Vec::new();
    for ((caller, callee), places) in sites {
        let listed = count_listed(list, caller, callee);
        if listed != places.len() {
            objections.push(format!(
                "{caller} runs into {callee} at {} places, {listed} are listed: {}",
                places.len(),
                places.join(", ")
            ));
        }
    }
    for entry in list {
        for caller in &entry.callers {
            if !sites.contains_key(&(caller.clone(), entry.callee.clone())) {
                objections.push(format!("stale: {caller} does not run into {}", entry.callee));
            }
        }
        if entry.why.trim().is_empty() {
            objections.push(format!("no argument: {}", entry.callee));
        }
    }
    objections
}

fn count_listed(list: &[Listed], caller: &str, callee: &str) -> usize {
    let entries = list.iter().filter(|entry| entry.callee == callee);
    entries.flat_map(|entry| &entry.callers).filter(|listed| *listed == caller).count()
}

/// The list brought up to date: stale callers gone, new ones in entries without an argument.
pub(crate) fn updated(sites: &Sites, list: &[Listed]) -> Vec<Listed> {
    let mut left: BTreeMap<Site, usize> =
        sites.iter().map(|(site, places)| (site.clone(), places.len())).collect();
    let mut entries = list.to_vec();
    for entry in &mut entries {
        entry.callers.retain(|caller| {
            let count = left.get_mut(&(caller.clone(), entry.callee.clone()));
            count.is_some_and(|count| {
                let is_there = *count > 0;
                *count = count.saturating_sub(1);
                is_there
            })
        });
    }
    entries.retain(|entry| !entry.callers.is_empty());
    let mut new: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ((caller, callee), count) in left {
        new.entry(callee).or_default().extend(std::iter::repeat_n(caller, count));
    }
    new.retain(|_, callers| !callers.is_empty());
    let new = new.into_iter();
    entries.extend(new.map(|(callee, callers)| Listed { callee, why: String::new(), callers }));
    entries
}

/// Writes the list.
///
/// # Errors
/// When the file can't be written.
pub(crate) fn write_list(file: &Path, entries: Vec<Listed>) -> Result<()> {
    let text = toml::to_string_pretty(&List { entries })?;
    std::fs::write(file, format!("{HEADER}{text}"))
        .with_context(|| format!("cannot write {}", file.display()))
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

    fn sites() -> Sites {
        Sites::from([
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
        assert_eq!(compare(&sites, &covering), Vec::<String>::new());
        let hiding = list("[[entry]]\ncaller = \"*\"\ncallee = \"panic\"\nwhy = \"no\"");
        let sites = BTreeMap::from([(("put".to_owned(), "panic".to_owned()), vec![String::new()])]);
        assert_eq!(compare(&sites, &hiding).len(), 2);
    }

    fn list(text: &str) -> Vec<Listed> {
        let list: List = toml::from_str(text).expect("a list");
        list.entries
    }

    const COMPLETE: &str = "
        [[entry]]\ncallee = \"panic\"\nwhy = \"checked above\"\ncallers = [\"put\"]
        [[entry]]\ncallee = \"ud2\"\nwhy = \"no such state\"\ncallers = [\"get\", \"get\"]
    ";

    #[test]
    fn a_complete_list_has_no_objection() {
        assert_eq!(compare(&sites(), &list(COMPLETE)), Vec::<String>::new());
    }

    #[test]
    fn an_unlisted_place_is_an_objection_also_beside_a_listed_one() {
        assert_eq!(compare(&sites(), &[]).len(), 2);
        let one_less = COMPLETE.replace("[\"get\", \"get\"]", "[\"get\"]");
        let objections = compare(&sites(), &list(&one_less));
        assert!(objections[0].contains("at 2 places, 1 are listed: x, y"), "{objections:?}");
    }

    #[test]
    fn stale_callers_and_missing_arguments_are_objections() {
        let text = COMPLETE.replace("[\"put\"]", "[\"put\", \"flush\"]");
        let objections = compare(&sites(), &list(&text.replace("checked above", " ")));
        assert_eq!(objections.len(), 2, "{objections:?}");
        assert!(objections[0].contains("stale: flush"), "{objections:?}");
    }

    #[test]
    fn an_updated_list_keeps_arguments_and_gives_none_to_what_is_new() {
        let old = "[[entry]]\ncallee = \"panic\"\nwhy = \"x\"\ncallers = [\"put\", \"gone\"]\n";
        let new = updated(&sites(), &list(old));
        let text: Vec<String> = new
            .iter()
            .map(|entry| format!("{} {:?} {:?}", entry.callee, entry.why, entry.callers))
            .collect();
        assert_eq!(text, ["panic \"x\" [\"put\"]", "ud2 \"\" [\"get\", \"get\"]"]);
        assert_eq!(compare(&sites(), &new), ["no argument: ud2"]);
    }
}

//! Who calls whom: which functions never return, and which code runs only before a panic.
//!
//! A function *diverges* when no path through it comes back: the panic entries, and whatever only
//! calls them. An instruction is *doomed* when every path from it diverges. What is doomed is
//! cut: each entry into it is compared with the committed list (see [`super::panics`]), so the
//! rest of the analysis is about code that runs.

use super::object_file::{Instruction, ObjectFile, Reference};
use std::collections::BTreeSet;

/// C functions that never return.
pub(crate) const EXTERNAL_DIVERGING: &[&str] = &["tmem_xen_panic"];
/// Xen's return thunk.
const RETURN_THUNK: &str = "__x86_return_thunk";
/// Beginning of the names of Xen's thunks for indirect branches.
const INDIRECT_THUNK: &str = "__x86_indirect_thunk_";
/// Instructions that raise an exception.
pub(crate) const TRAPS: &[&str] = &["ud2", "ud1", "ud0", "int3", "int", "into", "hlt"];

/// What an instruction does to the flow of control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Goes on with the next instruction.
    Next,
    /// Calls and comes back.
    Call(Callee),
    /// Leaves the function for another that returns in its place; `true` if it may also go on.
    Tail(Callee, bool),
    /// Jumps inside the function; `true` if it may also go on.
    Jump(u64, bool),
    /// Returns.
    Return,
    /// Raises an exception.
    Trap,
}

/// Whom a call reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Callee {
    /// A function of the object.
    Function(usize),
    /// A C function.
    External(String),
    /// One that is known at run time only.
    Indirect,
}

/// The flow of one instruction of function number `own`.
pub(crate) fn flow(instruction: &Instruction, own: usize) -> Flow {
    let mnemonic = instruction.mnemonic.as_str();
    if mnemonic.starts_with("ret") {
        return Flow::Return;
    }
    if TRAPS.contains(&mnemonic) {
        return Flow::Trap;
    }
    let is_call = mnemonic.starts_with("call");
    if !is_call && !mnemonic.starts_with('j') {
        return Flow::Next;
    }
    let may_go_on = mnemonic != "jmp";
    let callee = match (&instruction.reference, instruction.local_target) {
        (Some(Reference::External(name)), _) if name == RETURN_THUNK => return Flow::Return,
        (Some(Reference::External(name)), _) if name.starts_with(INDIRECT_THUNK) => {
            Callee::Indirect
        }
        (Some(Reference::External(name)), _) => Callee::External(name.clone()),
        (Some(Reference::Function(number, offset)), _) if *number == own && !is_call => {
            return Flow::Jump(*offset, may_go_on);
        }
        (Some(Reference::Function(number, _)), _) => Callee::Function(*number),
        (None, Some(_)) if is_call => Callee::Function(own),
        (None, Some(target)) => return Flow::Jump(target, may_go_on),
        (Some(Reference::Data(..)), _) | (None, None) => Callee::Indirect,
    };
    if is_call { Flow::Call(callee) } else { Flow::Tail(callee, may_go_on) }
}

/// The object's functions with what is known of each.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    /// The object.
    pub(crate) object: &'a ObjectFile,
    /// For each function: it never returns.
    pub(crate) diverges: Vec<bool>,
    /// For each function and instruction: every path from here diverges.
    pub(crate) doomed: Vec<Vec<bool>>,
}

impl<'a> Graph<'a> {
    /// Finds what never returns.
    pub(crate) fn new(object: &'a ObjectFile) -> Self {
        let count = object.functions.len();
        let mut graph = Self { object, diverges: vec![false; count], doomed: vec![vec![]; count] };
        // Every round can only find more, so it ends.
        loop {
            let doomed: Vec<Vec<bool>> =
                (0..count).map(|number| graph.doomed_instructions(number)).collect();
            let diverges: Vec<bool> =
                doomed.iter().map(|doomed| doomed.first() == Some(&true)).collect();
            let is_settled = diverges == graph.diverges;
            graph.diverges = diverges;
            graph.doomed = doomed;
            if is_settled {
                return graph;
            }
        }
    }

    /// Whether a callee never returns.
    pub(crate) fn is_diverging(&self, callee: &Callee) -> bool {
        match callee {
            Callee::Function(number) => self.diverges[*number],
            Callee::External(name) => EXTERNAL_DIVERGING.contains(&name.as_str()),
            Callee::Indirect => false,
        }
    }

    /// An instruction is not doomed if it reaches a return without a diverging call.
    fn doomed_instructions(&self, number: usize) -> Vec<bool> {
        let instructions = &self.object.functions[number].instructions;
        let flows: Vec<Flow> =
            instructions.iter().map(|instruction| flow(instruction, number)).collect();
        let index_of = |offset: u64| {
            instructions.binary_search_by_key(&offset, |instruction| instruction.offset).ok()
        };
        let mut returns = vec![false; flows.len()];
        let mut is_settled = false;
        while !is_settled {
            is_settled = true;
            for index in (0..flows.len()).rev() {
                let next = returns.get(index + 1).copied().unwrap_or(false);
                let at = |offset| index_of(offset).is_some_and(|target| returns[target]);
                let value = match &flows[index] {
                    Flow::Next => next,
                    Flow::Return => true,
                    Flow::Trap => false,
                    Flow::Call(callee) => !self.is_diverging(callee) && next,
                    Flow::Tail(callee, goes_on) => !self.is_diverging(callee) || *goes_on && next,
                    Flow::Jump(offset, goes_on) => at(*offset) || *goes_on && next,
                };
                if value && !returns[index] {
                    returns[index] = true;
                    is_settled = false;
                }
            }
        }
        returns.into_iter().map(|returns| !returns).collect()
    }

    /// The instructions of a function that run when nothing panics, with their flow.
    pub(crate) fn live(&self, number: usize) -> impl Iterator<Item = (&'a Instruction, Flow)> {
        let instructions = &self.object.functions[number].instructions;
        instructions
            .iter()
            .zip(&self.doomed[number])
            .filter(|(_, doomed)| !**doomed)
            .map(move |(instruction, _)| (instruction, flow(instruction, number)))
    }

    /// Every function whose address is taken anywhere in the object.
    pub(crate) fn address_taken(&self) -> BTreeSet<usize> {
        let mut taken = BTreeSet::new();
        for (number, function) in self.object.functions.iter().enumerate() {
            let plain = function.instructions.iter();
            let plain = plain.filter(|instruction| flow(instruction, number) == Flow::Next);
            taken.extend(plain.filter_map(|instruction| function_of(&instruction.reference)));
        }
        for data in self.object.data.values() {
            let references = data.references.values();
            taken.extend(references.filter_map(function_start));
        }
        taken
    }

    /// The functions whose address is taken by code that runs from `roots`, or by data that such
    /// code refers to.
    pub(crate) fn live_address_taken(&self, roots: &[usize]) -> BTreeSet<usize> {
        let mut taken = BTreeSet::new();
        let mut functions = BTreeSet::new();
        let mut sections = BTreeSet::new();
        let mut to_do: Vec<Reference> =
            roots.iter().map(|root| Reference::Function(*root, 0)).collect();
        while let Some(reference) = to_do.pop() {
            match reference {
                Reference::Function(number, _) if functions.insert(number) => {
                    for (instruction, flow) in self.live(number) {
                        let Some(reference) = &instruction.reference else {
                            continue;
                        };
                        if flow == Flow::Next {
                            taken.extend(function_start(reference));
                        }
                        to_do.push(reference.clone());
                    }
                }
                Reference::Data(section, _) if sections.insert(section) => {
                    let data = self.object.data.get(&section);
                    for reference in data.into_iter().flat_map(|data| data.references.values()) {
                        taken.extend(function_start(reference));
                        to_do.push(reference.clone());
                    }
                }
                _ => {}
            }
        }
        // A diverging one is a panic entry's business.
        taken.retain(|number| !self.diverges[*number]);
        taken
    }
}

fn function_of(reference: &Option<Reference>) -> Option<usize> {
    reference.as_ref().and_then(function_start)
}

/// The function that a reference to its first instruction names.
fn function_start(reference: &Reference) -> Option<usize> {
    match reference {
        Reference::Function(number, 0) => Some(*number),
        _ => None,
    }
}

//! How deep the stack gets below each exported function.
//!
//! Xen's stack is two pages for everything; our part stays below a bound of our own. Frames are
//! bounded from above, an indirect call counts as the worst function that can be meant, and what
//! happens after a panic is left out: the host stops there.

use super::graph::{Callee, Flow, Graph, flow};
use super::object_file::{Function, Instruction};
use std::collections::{BTreeMap, BTreeSet};

/// The deepest stack below each root: bytes and the path of functions.
///
/// # Errors
/// With the path, when functions call each other in a circle or a frame has no fixed size.
pub(crate) fn deepest(graph: &Graph<'_>, roots: &[usize]) -> Result<Vec<Depth>, String> {
    let mut walk = Walk {
        graph,
        taken: graph.live_address_taken(roots),
        known: BTreeMap::new(),
        path: Vec::new(),
    };
    roots.iter().map(|root| walk.depth(*root)).collect()
}

/// A depth of stack and the functions that make it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Depth {
    /// Bytes, return addresses included.
    pub(crate) bytes: u64,
    /// Numbers of the functions, from the root.
    pub(crate) path: Vec<usize>,
}

struct Walk<'a> {
    graph: &'a Graph<'a>,
    taken: BTreeSet<usize>,
    known: BTreeMap<usize, Depth>,
    path: Vec<usize>,
}

impl Walk<'_> {
    fn depth(&mut self, number: usize) -> Result<Depth, String> {
        if let Some(depth) = self.known.get(&number) {
            return Ok(depth.clone());
        }
        if self.path.contains(&number) {
            let names = self.path.iter().chain([&number]).map(|number| self.name(*number));
            return Err(format!("recursion: {}", names.collect::<Vec<_>>().join(" -> ")));
        }
        self.path.push(number);
        let function = &self.graph.object.functions[number];
        let frame = frame_bytes(function, number)
            .map_err(|text| format!("{}: a frame without fixed size: {text}", function.name()))?;
        let mut deepest = Depth { bytes: frame, path: vec![] };
        for (_, flow) in self.graph.live(number) {
            let (callee, below) = match flow {
                Flow::Call(callee) => (callee, frame),
                // The own frame is gone by then.
                Flow::Tail(callee, _) => (callee, 0),
                _ => continue,
            };
            let mut under = self.worst(&callee)?;
            under.bytes += below;
            if under.bytes > deepest.bytes {
                deepest = under;
            }
        }
        self.path.pop();
        deepest.path.insert(0, number);
        self.known.insert(number, deepest.clone());
        Ok(deepest)
    }

    fn worst(&mut self, callee: &Callee) -> Result<Depth, String> {
        let candidates: Vec<usize> = match callee {
            Callee::Function(number) if self.graph.diverges[*number] => vec![],
            Callee::Function(number) => vec![*number],
            // C's own need is counted by whoever looks at C.
            Callee::External(_) => return Ok(Depth { bytes: RETURN_ADDRESS_BYTES, path: vec![] }),
            Callee::Indirect => self.taken.iter().copied().collect(),
        };
        let mut worst = Depth::default();
        for number in candidates {
            let depth = self.depth(number)?;
            if depth.bytes > worst.bytes {
                worst = depth;
            }
        }
        Ok(worst)
    }

    fn name(&self, number: usize) -> String {
        self.graph.object.functions[number].name()
    }
}

/// What a call puts on the stack.
const RETURN_ADDRESS_BYTES: u64 = 8;

/// A frame that grows beyond this grows without end: something is pushed in a loop.
const FRAME_BYTES_MAX: u64 = 1 << 16;

/// An upper bound of a function's frame, its return address included: the most that is on the stack
/// on any way through it.
///
/// # Errors
/// With the instruction, when it reserves a number of bytes that is known at run time only, or in a
/// loop.
pub(crate) fn frame_bytes(function: &Function, number: usize) -> Result<u64, String> {
    let instructions = &function.instructions;
    let index_of = |offset: u64| {
        instructions.binary_search_by_key(&offset, |instruction| instruction.offset).ok()
    };
    let mut most = RETURN_ADDRESS_BYTES;
    // The most bytes with which each instruction was reached, and those from where to look on.
    let mut reached: Vec<Option<u64>> = vec![None; instructions.len()];
    let mut open = vec![(0, RETURN_ADDRESS_BYTES)];
    while let Some((index, before)) = open.pop() {
        let (Some(instruction), Some(known)) = (instructions.get(index), reached.get_mut(index))
        else {
            continue;
        };
        if known.is_some_and(|known| known >= before) {
            continue;
        }
        *known = Some(before);
        let after = stack_after(instruction, before)?;
        most = most.max(after);
        if most > FRAME_BYTES_MAX {
            return Err(instruction.text.clone());
        }
        match flow(instruction, number) {
            Flow::Next | Flow::Call(_) | Flow::Tail(_, true) => open.push((index + 1, after)),
            Flow::Jump(target, goes_on) => {
                open.extend(index_of(target).map(|target| (target, after)));
                open.extend(goes_on.then_some((index + 1, after)));
            }
            Flow::Tail(_, false) | Flow::Return | Flow::Trap => {}
        }
    }
    Ok(most)
}

/// The bytes on the stack after an instruction, at most. What is released by a way that is not
/// followed here (a return to a frame pointer) still counts.
fn stack_after(instruction: &Instruction, before: u64) -> Result<u64, String> {
    let text = &instruction.text;
    let mnemonic = instruction.mnemonic.as_str();
    let error = || text.clone();
    Ok(match mnemonic {
        _ if mnemonic.starts_with("push") => before + 8,
        _ if mnemonic.starts_with("pop") => before.saturating_sub(8),
        "sub" if text.ends_with(",%rsp") => before + constant(text).ok_or_else(error)?,
        "add" if text.ends_with(",%rsp") => {
            before.saturating_sub(constant(text).ok_or_else(error)?)
        }
        // Rounding down to a power of two: at most that much more.
        "and" if text.ends_with(",%rsp") => {
            before + constant(text).map(u64::wrapping_neg).ok_or_else(error)?
        }
        "lea" if text.ends_with("(%rsp),%rsp") => {
            before.saturating_sub(displacement(text).ok_or_else(error)?)
        }
        "mov" | "lea" if text.ends_with(",%rsp") => before,
        _ if text.ends_with(",%rsp") => return Err(error()),
        _ => before,
    })
}

/// The number in `lea 0x8(%rsp),%rsp`; `None` if it is negative.
fn displacement(text: &str) -> Option<u64> {
    let number = text.split_whitespace().nth(1)?.split('(').next()?;
    u64::from_str_radix(number.strip_prefix("0x")?, 16).ok()
}

/// The number in `sub $0xf0,%rsp`.
fn constant(text: &str) -> Option<u64> {
    let number = text.split('$').nth(1)?.split(',').next()?;
    u64::from_str_radix(number.strip_prefix("0x")?, 16).ok()
}

//! How deep the stack gets below each exported function.
//!
//! Xen's stack is two pages for everything; our part stays below a bound of our own. Frames are
//! bounded from above, an indirect call counts as the worst function that can be meant, and what
//! happens after a panic is left out: the host stops there.

use super::graph::{Callee, Flow, Graph};
use super::object_file::Function;
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
        let frame = frame_bytes(function)
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

/// An upper bound of a function's frame: its return address and all that it ever pushes or
/// reserves, as if on one path.
///
/// # Errors
/// With the instruction, when it reserves a number of bytes that is known at run time only.
pub(crate) fn frame_bytes(function: &Function) -> Result<u64, String> {
    let mut bytes = RETURN_ADDRESS_BYTES;
    for instruction in &function.instructions {
        let text = &instruction.text;
        if instruction.mnemonic.starts_with("push") {
            bytes += 8;
        } else if text.ends_with(",%rsp") {
            bytes += match instruction.mnemonic.as_str() {
                "sub" => constant(text).ok_or_else(|| text.clone())?,
                // Rounding down to a power of two: at most that much more.
                "and" => constant(text).map(u64::wrapping_neg).ok_or_else(|| text.clone())?,
                // Release, or return to a frame pointer.
                "add" | "mov" | "pop" => 0,
                "lea" if !text.contains("(%rsp)") || !text.contains('-') => 0,
                _ => return Err(text.clone()),
            };
        }
    }
    Ok(bytes)
}

/// The number in `sub $0xf0,%rsp`.
fn constant(text: &str) -> Option<u64> {
    let number = text.split('$').nth(1)?.split(',').next()?;
    u64::from_str_radix(number.strip_prefix("0x")?, 16).ok()
}

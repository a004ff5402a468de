//! **Checks** that on a full host of two nodes a domain that wants memory of one node only gets all of it
//! that is free or can be freed there, as in `full-low`; and that a request for a node that is not there
//! is refused without a page being evicted (P19).
//!
//! **Why:** who asks for a node would rather have nothing than the other one.
//!
//! **A broken host** hands out memory of the wrong node, never finds that of the right one, or evicts
//! for nothing.

use super::super::Case;
use super::places::{Place, drain};
use super::{Filled, FullHost, available_pages, build, free_pages};
use crate::plain::args::Boot;
use crate::rig::Rig;
use crate::toolstack::{Caller, Plan};
use crate::verdict::CaseResult;
use crate::xen::memory::{Where, highest_ram_frame, populate_blocks};
use crate::{fail, skip};

pub(in super::super) const CASE: Case = Case::full(
    &[Boot::MemoryNodes],
    "full-nodes",
    "on a full host memory of one node is to be had, all that could be freed",
    run,
);

/// The machine's memory, half and half.
const NODES: [Place; 2] = [
    Place {
        name: "of node 0",
        flags: Where::on_node(0),
        region: (0, 0),
        holds: |frame| frame < highest_ram_frame().div_ceil(2),
    },
    Place {
        name: "of node 1",
        flags: Where::on_node(1),
        region: (0, 1),
        holds: |frame| frame >= highest_ram_frame().div_ceil(2),
    },
];
/// A node that is not there.
const ABSENT: Where = Where::on_node(5);

fn run(rig: &mut Rig) -> CaseResult {
    let host = FullHost::fill(rig)?;
    let child = build(Plan::new(Caller::Pv64, 10))?;
    if child.release().nodes() != Ok(2) {
        skip!("wants a machine of two nodes, this one has {:?}", child.release().nodes());
    }
    for node in &NODES {
        for filled in [Filled::InOrder, Filled::Shuffled] {
            drain(rig, &host, node, filled)?;
        }
    }
    host.fill_again(rig)?;
    let before = (available_pages()?, free_pages()?);
    let got = populate_blocks(child.domid(), &mut [0x10_0000], 0, ABSENT);
    let after = (available_pages()?, free_pages()?);
    if got != 0 || after != before {
        fail!("a page of an absent node: {got}; available and free {before:?}, then {after:?}");
    }
    child.destroy()
}

//! **Checks** that domains of every kind put, get and flush: PVH in 32-bit and in 64-bit mode, and
//! 64-bit PV, each with the layout of the operation block that its mode asks for (P73), and that each
//! gets its own bytes back (R2, R3, R8, R9, R16, R20).
//!
//! **Why:** Xen decides for each call by the mode of the processor and the kind of the domain how long
//! the block is and what its frame number means. Behind what a caller's layout holds there are ones:
//! who reads more takes them for the upper half of a frame number.
//!
//! **A broken host** answers -14 to a 32-bit caller, reads a guest frame as a machine frame, or copies
//! from and to the first domain's frames.

use super::super::Case;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{BAD_ADDRESS, EMPTY, NOTHING, SUCCESS},
};
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::Op;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains, Boot::DomainsShadow],
    "every-caller",
    "PVH domains of both modes and 64-bit PV domains put, get and flush",
    run,
);

fn run(_rig: &mut Rig) -> CaseResult {
    Caller::USUAL.into_iter().try_for_each(converse)
}

/// Pages of each pool.
const PAGES: u32 = 60;

/// A domain of this kind, and all that it can do alone.
pub(super) fn converse(caller: Caller) -> CaseResult {
    let child = Child::build(Plan::new(caller, 100))?;
    for kind in Kind::BOTH {
        let pool = child.new_pool(kind)?;
        child.get_none("get on an empty pool", at(pool, 1, 1), EMPTY)?;
        let content = |index: u32| Content::of(caller as u64, u64::from(pool << 16 | index));
        for index in 0..PAGES {
            child.put(at(pool, u64::from(index % 7), index), content(index))?;
        }
        for index in (0..PAGES).rev() {
            child.get_hit(at(pool, u64::from(index % 7), index), content(index))?;
        }
        match kind {
            Kind::Ephemeral => child.get_none("a second get", at(pool, 0, 0), EMPTY)?,
            Kind::Persistent => child.get_hit(at(pool, 0, 0), content(0))?,
        }

        child.put(at(pool, 9, 1), content(1000))?;
        child.put(at(pool, 9, 2), content(1001))?;
        expect("flush of a page", child.flush_page(at(pool, 9, 1))?, SUCCESS)?;
        child.get_none("get of a flushed page", at(pool, 9, 1), NOTHING)?;
        child.get_hit(at(pool, 9, 2), content(1001))?;
        expect("flush of an object", child.flush_object(at(pool, 9, 0))?, SUCCESS)?;

        // A frame that the domain does not have: the widest number that its layout holds.
        let cmfn = if caller.is_wide() { u64::MAX } else { u64::from(u32::MAX) };
        let handle = at(pool, 10, 0);
        expect("put of no frame", child.op(&Op::PutPage { handle, cmfn })?, BAD_ADDRESS)?;
        expect("destroy", child.destroy_pool(pool)?, SUCCESS)?;
    }
    child.destroy()
}

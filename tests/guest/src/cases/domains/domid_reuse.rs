//! **Checks** that a domain which gets the id of a dead one starts without anything of it (R27): no
//! pools, no pages, its first pool has id 0, and its room is whole.
//!
//! **Why:** Xen hands ids out again. What is remembered by id and not cleared is the next tenant's.
//!
//! **A broken host** lets the new domain get the dead one's pages, or charges it for them.

use super::super::Case;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{EMPTY, NO_DEVICE, NOTHING},
};
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::POOLS_PER_DOMAIN_MAX;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "domid-reuse",
    "a domain with a dead one's id finds no pools and no pages",
    run,
);

/// The id that all of them have.
const DOMID: u16 = 77;
/// What their maximum leaves for persistent pages: less than two of them need.
const ROOM: u64 = 60;
/// Persistent pages of each.
const PAGES: u32 = 40;

fn run(_rig: &mut Rig) -> CaseResult {
    for round in 0..4 {
        for caller in Caller::USUAL {
            live(caller, round)?;
        }
    }
    Ok(())
}

fn live(caller: Caller, round: u64) -> CaseResult {
    let child = Child::build(Plan { domid: DOMID, ..Plan::new(caller, ROOM) })?;
    expect("the new domain's id", i64::from(child.domid()), i64::from(DOMID))?;
    for pool in 0..POOLS_PER_DOMAIN_MAX {
        child.get_none("get before there is a pool", at(pool, 1, 1), NO_DEVICE)?;
        expect("destroy before there is a pool", child.destroy_pool(pool)?, NOTHING)?;
    }
    for (want, kind) in (0..).zip([Kind::Persistent, Kind::Ephemeral]) {
        let pool = child.new_pool(kind)?;
        expect("id of the new pool", i64::from(pool), want)?;
        for index in 0..PAGES {
            child.get_none("get from a new pool", at(pool, 1, index), EMPTY)?;
        }
        for index in 0..PAGES {
            child.put(at(pool, 1, index), Content::of(round, u64::from(index)))?;
        }
        child.get_hit(at(pool, 1, 1), Content::of(round, 1))?;
    }
    child.destroy()
}

//! **Checks** a domain that joins one shared pool twice (R35, P8, P55): two ids for the same pages;
//! whichever it destroys first, the other goes on; another domain joins before or after; the domain
//! dies in each of these states.
//!
//! **Why:** two mounts of one file system do that. Who owns the pool, and how many share it, must be
//! counted by membership and not by domain.
//!
//! **A broken host** frees the pool with the first id, or loses its owner with the second.

use super::super::Case;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Rig, at,
    statuses::{EMPTY, NO_DEVICE, SUCCESS},
};
use crate::toolstack::{Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::{PoolFlags, Uuid};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "shared-twice",
    "a domain joins a shared pool twice and leaves it in either order, or dies",
    run,
);

const UUID: Uuid = Uuid([7, 7]);
const SHARED: u32 = PoolFlags::SHARED.to_word();

fn run(_rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    for first in 0..2 {
        for nr_left in 0..=2 {
            for joins_before in [true, false] {
                live(control, first, nr_left, joins_before)?;
            }
        }
    }
    Ok(())
}

/// A domain joins twice, destroys `nr_left` of the ids beginning with `first`, and dies. Another one
/// joins at the begin or just before the death.
fn live(control: Control, first: u32, nr_left: u32, joins_before: bool) -> CaseResult {
    let twice = member(control, Caller::Pv64)?;
    let other = member(control, Caller::Pvh64)?;
    expect("joining", twice.try_new_pool(SHARED, UUID)?, 0)?;
    expect("joining again", twice.try_new_pool(SHARED, UUID)?, 1)?;
    if joins_before {
        expect("the other's joining", other.try_new_pool(SHARED, UUID)?, 0)?;
    }
    twice.put(at(0, 1, 1), Content(1))?;
    twice.get_hit(at(1, 1, 1), Content(1))?;
    twice.put(at(1, 1, 2), Content(2))?;
    twice.get_hit(at(0, 1, 2), Content(2))?;

    for (left, pool) in (1..=nr_left).zip([first, 1 - first]) {
        expect("leaving by one id", twice.destroy_pool(pool)?, SUCCESS)?;
        twice.get_none("get by the id that was left", at(pool, 1, 1), NO_DEVICE)?;
        if left == 1 {
            let kept = 1 - first;
            twice.put(at(kept, 2, 1), Content(3))?;
            twice.get_hit(at(kept, 2, 1), Content(3))?;
        }
    }
    if !joins_before {
        expect("the other's joining", other.try_new_pool(SHARED, UUID)?, 0)?;
        if nr_left == 2 {
            other.get_none("get from a pool that nobody shared", at(0, 1, 1), EMPTY)?;
        }
    }
    other.put(at(0, 5, 5), Content(5))?;
    if nr_left < 2 {
        let kept = if nr_left == 0 { 1 } else { 1 - first };
        twice.get_hit(at(kept, 5, 5), Content(5))?;
        other.get_hit(at(0, 5, 5), Content(5))?;
    }
    twice.destroy()?;
    other.get_hit(at(0, 5, 5), Content(5))?;
    expect("the last one's leaving", other.destroy_pool(0)?, SUCCESS)?;
    expect("joining a pool of the same uuid", other.try_new_pool(SHARED, UUID)?, 0)?;
    other.get_none("get from it", at(0, 5, 5), EMPTY)?;
    other.destroy()
}

fn member(control: Control, caller: Caller) -> CaseResult<Child> {
    let child = Child::build(Plan::new(caller, 10))?;
    expect("SET_AUTH", control.authorise(child.domid(), UUID, true), 1)?;
    Ok(child)
}

//! **Checks** that a domain at its maximum (`dom0_mem=64M,max:64M`, nothing given back) has no room
//! for a persistent page: the put answers -12 and stores nothing (R48, R13).
//!
//! **Why:** persistent pages are the domain's own memory, kept elsewhere: a guest may not have more
//! of both together than its administrator granted.
//!
//! **A broken host** charges nobody, and one guest takes all of the machine's memory for good.

use super::Case;
use crate::give_up;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{EMPTY, NO_MEMORY}};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case = Case::new(
    "limit-no-room",
    "a domain at its maximum gets -12 for a persistent put, none for an ephemeral one",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    let room = rig.balloon.set_room(0);
    if room != 0 {
        give_up!("Xen gave back all but {room} frames");
    }
    let persistent = rig.new_pool(Kind::Persistent)?;
    for index in 0..100 {
        let page = at(persistent, 0, index);
        expect("persistent put without room", rig.try_put(page, Content(1)), NO_MEMORY)?;
        rig.get_none("get of a page that was refused", page, EMPTY)?;
    }
    // Ephemeral pages are the host's to take back, and are not charged.
    let ephemeral = rig.new_pool(Kind::Ephemeral)?;
    for index in 0..100 {
        rig.put(at(ephemeral, 0, index), Content::of(1, u64::from(index)))?;
    }
    for index in 0..100 {
        rig.get_hit(at(ephemeral, 0, index), Content::of(1, u64::from(index)))?;
    }
    // A frame for each of a few, and the bookkeeping: now some are accepted.
    rig.balloon.set_room(64);
    rig.put(at(persistent, 0, 0), Content(2))?;
    rig.get_hit(at(persistent, 0, 0), Content(2))
}

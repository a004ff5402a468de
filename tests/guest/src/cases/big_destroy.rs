//! **Checks** that pools of thousands of pages can be destroyed, that everything of them is gone when
//! the call is back, and that all their room is free again (R7, R22, R49, P29).
//!
//! **Why:** so much work is done in slices, between which Xen may take the call up anew. The guest
//! must not see any of that.
//!
//! **A broken host** answers early with pages left, answers 0 from a repeated slice, or loses frames.

use super::Case;
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{EMPTY, NO_DEVICE, SUCCESS}};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::Handle;

pub(super) const CASE: Case = Case::bulk(
    "big-destroy",
    "pools of thousands of pages are destroyed in one call, their room is free at once",
    run,
);

/// Persistent pages: most of the room.
const PERSISTENT: u32 = 7000;
/// Ephemeral pages.
const EPHEMERAL: u32 = 16_000;

fn run(rig: &mut Rig) -> CaseResult {
    let bystander = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    rig.put(bystander, Content(1))?;
    for round in 0..3 {
        for (kind, pages) in [(Kind::Persistent, PERSISTENT), (Kind::Ephemeral, EPHEMERAL)] {
            let pool = rig.new_pool(kind)?;
            rig.get_none("get on a new pool", handle(pool, 0, round), EMPTY)?;
            for number in 0..pages {
                let content = Content::of(u64::from(round), u64::from(number));
                let answer = rig.try_put(handle(pool, number, round), content);
                if answer != SUCCESS {
                    fail!("{kind:?}, round {round}: put {number} answered {answer}");
                }
            }
            expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
            let answer = rig.try_get(handle(pool, 0, round))?;
            expect("get on the destroyed pool", answer, NO_DEVICE)?;
        }
        rig.get_hit(bystander, Content(1))?;
    }
    Ok(())
}

/// Each round another shape: one object, objects of 100 pages, an object for each page.
fn handle(pool: u32, number: u32, round: u32) -> Handle {
    match round {
        0 => at(pool, 0, number),
        1 => at(pool, u64::from(number / 100), number % 100),
        _ => at(pool, u64::from(number), 0),
    }
}

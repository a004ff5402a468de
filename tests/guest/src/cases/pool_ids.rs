//! **Checks** that pools get the lowest free id from 0 to 15 and that the 17th pool is refused with
//! -1 (R23).
//!
//! **Why:** guests keep the id for a file system's or swap's whole life; a saved guest expects it
//! to mean the same pool later.
//!
//! **A broken host** hands out an id in use, one out of range, or the highest free one.

use super::Case;
use crate::rig::{Kind, Rig, at, statuses};
use crate::verdict::{CaseResult, expect};
use crate::plain::content::Content;
use hypercall_abi::Uuid;

pub(super) const CASE: Case = Case::new(
    "pool-ids",
    "sixteen pools by lowest free id, the 17th refused, ids used again",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    for id in 0..16 {
        let kind = if id % 2 == 0 { Kind::Ephemeral } else { Kind::Persistent };
        expect("NEW_POOL", i64::from(rig.new_pool(kind)?), i64::from(id))?;
        rig.put(at(id, 0, 0), Content::of(1, u64::from(id)))?;
    }
    for kind in Kind::BOTH {
        let answer = rig.try_new_pool(kind.flags(), Uuid::default());
        expect("the 17th pool", answer, statuses::NOT_PERMITTED)?;
    }
    for id in [5, 3] {
        expect("destroy", rig.destroy_pool(id), statuses::SUCCESS)?;
    }
    for id in [3, 5] {
        expect("NEW_POOL again", i64::from(rig.new_pool(Kind::Ephemeral)?), i64::from(id))?;
        rig.get_none("get on a pool made anew", at(id, 0, 0), statuses::EMPTY)?;
    }
    let answer = rig.try_new_pool(Kind::Ephemeral.flags(), Uuid::default());
    expect("the 17th pool, again", answer, statuses::NOT_PERMITTED)?;
    // The other fourteen did not notice.
    for id in (0..16).filter(|id| ![3, 5].contains(id)) {
        rig.get_hit(at(id, 0, 0), Content::of(1, u64::from(id)))?;
    }
    Ok(())
}

//! **Checks** that persistent pages survive a flood of ephemeral ones, all of them, byte for byte
//! (R11, R41).
//!
//! **Why:** swap has no second copy: the disk slot was never written.
//!
//! **A broken host** drops a persistent page under pressure, or uses its frame again.

use super::Case;
use super::script::{flood, more_than_fits};
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;

pub(super) const CASE: Case = Case::small(
    "evict-not-persistent",
    "persistent pages survive twice the host's memory in ephemeral ones",
    run,
);

/// Persistent pages.
const PAGES: u32 = 4000;

fn run(rig: &mut Rig) -> CaseResult {
    let swap = rig.new_pool(Kind::Persistent)?;
    for index in 0..PAGES {
        rig.put(at(swap, u64::from(index % 16), index), Content::of(2, u64::from(index)))?;
    }
    let cache = rig.new_pool(Kind::Ephemeral)?;
    for round in 0..2 {
        flood(rig, more_than_fits(), |number| at(cache, round, number))?;
    }
    for index in 0..PAGES {
        let page = at(swap, u64::from(index % 16), index);
        rig.get_hit(page, Content::of(2, u64::from(index)))?;
    }
    Ok(())
}

//! **Checks** that on a host full of ephemeral pages a persistent page still finds room: ephemeral
//! ones make way.
//!
//! **Why:** the domain gave memory back for it. A host that lets caches keep that memory sends the
//! guest's swap to disk.
//!
//! **A broken host** answers -12 although the domain has room.

use super::Case;
use super::script::{flood, more_than_fits};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::SUCCESS};
use crate::verdict::CaseResult;

pub(super) const CASE: Case = Case::small(
    "evict-for-persistent",
    "on a host full of ephemeral pages a persistent put still finds room",
    run,
);

/// Persistent pages: half of the room.
const PAGES: u32 = 4000;

fn run(rig: &mut Rig) -> CaseResult {
    let cache = rig.new_pool(Kind::Ephemeral)?;
    flood(rig, more_than_fits(), |number| at(cache, u64::from(number / 256), number % 256))?;
    let swap = rig.new_pool(Kind::Persistent)?;
    for index in 0..PAGES {
        let page = at(swap, u64::from(index % 16), index);
        let answer = rig.try_put(page, Content::of(2, u64::from(index)));
        if answer != SUCCESS {
            fail!("persistent put {index} of {PAGES} on a full host: answered {answer}");
        }
    }
    for index in 0..PAGES {
        let page = at(swap, u64::from(index % 16), index);
        rig.get_hit(page, Content::of(2, u64::from(index)))?;
    }
    Ok(())
}

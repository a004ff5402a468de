//! **Checks** that a hit in a private ephemeral pool takes the page away (R8), and that the handle
//! can be used again at once.
//!
//! **Why:** the page is in the guest's memory now; a second copy would be waste, and would be stale
//! as soon as the guest writes to its own.
//!
//! **A broken host** leaves the page in place: the second get hits.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{EMPTY, NOTHING}};
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::new("exclusive-get", "a hit in a private ephemeral pool takes the page away", run);

/// Pages; more than a node of any index tree holds.
const PAGES: u32 = 300;

fn run(rig: &mut Rig) -> CaseResult {
    let pool = rig.new_pool(Kind::Ephemeral)?;
    for round in 0..3 {
        for index in 0..PAGES {
            rig.put(at(pool, 8, index), content(round, index))?;
        }
        for index in 0..PAGES {
            let page = at(pool, 8, index);
            rig.get_hit(page, content(round, index))?;
            let want = if index + 1 == PAGES { EMPTY } else { NOTHING };
            rig.get_none("second get of an ephemeral page", page, want)?;
        }
    }
    Ok(())
}

fn content(round: u64, index: u32) -> Content {
    Content::of(round, u64::from(index))
}

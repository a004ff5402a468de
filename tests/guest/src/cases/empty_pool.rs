//! **Checks** the difference between a pool without pages, -1001, and a miss in one that has some,
//! 0 (R16); and that a pool is empty again after its last page went in any way.
//!
//! **Why:** a guest may stop asking a pool that is empty; the count must follow every removal.
//!
//! **A broken host** answers 0 for both, or miscounts after a duplicate put, a flush, a hit.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{EMPTY, NOTHING, SUCCESS}};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case =
    Case::new("empty-pool", "a get answers -1001 on an empty pool and 0 for an absent page", run);

fn run(rig: &mut Rig) -> CaseResult {
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        let (page, other_index, other_object) = (at(pool, 1, 0), at(pool, 1, 1), at(pool, 2, 0));
        rig.get_none("get on a new pool", page, EMPTY)?;

        rig.put(page, Content(1))?;
        rig.put(page, Content(2))?;
        rig.get_none("get of an absent index", other_index, NOTHING)?;
        rig.get_none("get of an absent object", other_object, NOTHING)?;

        expect("flush of an absent page", rig.flush_page(other_index), SUCCESS)?;
        rig.get_none("get of an absent index", other_index, NOTHING)?;
        expect("flush of the page", rig.flush_page(page), SUCCESS)?;
        rig.get_none("get after the last page was flushed", page, EMPTY)?;

        rig.put(page, Content(3))?;
        expect("flush of the object", rig.flush_object(page), SUCCESS)?;
        rig.get_none("get after the last object was flushed", page, EMPTY)?;

        if kind == Kind::Ephemeral {
            rig.put(page, Content(4))?;
            rig.get_hit(page, Content(4))?;
            rig.get_none("get after the last page was taken", page, EMPTY)?;
        }
    }
    Ok(())
}

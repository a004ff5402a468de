//! **Checks** that a get which missed goes on missing until a put to the handle succeeds (R6).
//!
//! **Why:** after a miss the guest reads the page from disk and may change it there; an old copy
//! that comes back later is silent corruption.
//!
//! **A broken host** misses for a passing reason (a lock, a shortage) and finds the page later.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::NOTHING};
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::new("get-get", "a get that missed goes on missing until the next put", run);

fn run(rig: &mut Rig) -> CaseResult {
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        rig.put(at(pool, 0, 0), Content(1))?;
        for index in 1..200 {
            let page = at(pool, u64::from(index % 5), index);
            for _ in 0..3 {
                rig.get_none("get of an absent page", page, NOTHING)?;
            }
            rig.put(page, Content::of(6, u64::from(index)))?;
            rig.get_hit(page, Content::of(6, u64::from(index)))?;
            if kind == Kind::Ephemeral {
                rig.get_none("get of a page that was taken", page, NOTHING)?;
                rig.get_none("get of a page that was taken", page, NOTHING)?;
            }
        }
    }
    Ok(())
}

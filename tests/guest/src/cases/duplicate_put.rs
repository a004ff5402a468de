//! **Checks** that the last of several puts to one handle is what a get delivers (R4).
//!
//! **Why:** a page that changed and is put again must not come back as it was.
//!
//! **A broken host** keeps the first, keeps both, or mixes them.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::NOTHING};
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::new("duplicate-put", "the last put to a handle is what a get delivers", run);

fn run(rig: &mut Rig) -> CaseResult {
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        rig.put(at(pool, 1, 0), Content(77))?;
        for round in 0..5 {
            for index in 0..100 {
                rig.put(at(pool, 0, index), Content::of(round, u64::from(index)))?;
            }
        }
        for index in 0..100 {
            let page = at(pool, 0, index);
            rig.get_hit(page, Content::of(4, u64::from(index)))?;
            if kind == Kind::Ephemeral {
                rig.get_none("second get after duplicate puts", page, NOTHING)?;
            }
        }
    }
    Ok(())
}

//! **Checks** that an object of thousands of pages can be flushed in one call, wholly, without its
//! neighbours (R7, R20, P29, P61).
//!
//! **Why:** a large file is one object. The work is done in slices, as in `big-destroy`.
//!
//! **A broken host** leaves pages readable, or answers something else than 1 from a later slice.

use super::Case;
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{NOTHING, SUCCESS}};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case =
    Case::bulk("big-flush-object", "an object of thousands of pages is flushed in one call", run);

fn run(rig: &mut Rig) -> CaseResult {
    for (kind, pages) in [(Kind::Persistent, 7000), (Kind::Ephemeral, 16_000)] {
        let pool = rig.new_pool(kind)?;
        for index in 0..50 {
            rig.put(at(pool, 1, index), Content::of(1, u64::from(index)))?;
        }
        for round in 0..2 {
            for index in 0..pages {
                let answer = rig.try_put(at(pool, 2, index), Content::of(2, u64::from(index)));
                if answer != SUCCESS {
                    fail!("{kind:?}, round {round}: put {index} answered {answer}");
                }
            }
            expect("flush of the object", rig.flush_object(at(pool, 2, 0)), SUCCESS)?;
            for index in 0..pages {
                let answer = rig.get_frame(at(pool, 2, index), rig.pages.target_mfn());
                if answer != NOTHING {
                    fail!("{kind:?}, round {round}: get {index} after flush answered {answer}");
                }
            }
        }
        for index in 0..50 {
            rig.get_hit(at(pool, 1, index), Content::of(1, u64::from(index)))?;
        }
        rig.destroy_pool(pool);
    }
    Ok(())
}

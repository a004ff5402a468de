//! **Checks** that FLUSH_OBJECT removes every page of the object and no other, and answers 1
//! whether or not there was one (R20, R7).
//!
//! **Why:** this is how a guest forgets a file or a sixteenth of a swap area.
//!
//! **A broken host** leaves a page behind, takes a neighbour's, or answers something else for an
//! absent object.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{EMPTY, NOTHING, SUCCESS}};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case = Case::new(
    "flush-object",
    "FLUSH_OBJECT answers 1 in any case, and takes all pages of the object only",
    run,
);

/// Indexes in each object.
const INDEXES: [u32; 9] = [0, 1, 2, 63, 64, 65, 4095, 1 << 20, u32::MAX];

fn run(rig: &mut Rig) -> CaseResult {
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        expect("flush on an empty pool", rig.flush_object(at(pool, 0, 0)), SUCCESS)?;
        for object in 0..20 {
            for index in INDEXES {
                rig.put(at(pool, object, index), Content::of(object, u64::from(index)))?;
            }
        }
        expect("flush of an absent object", rig.flush_object(at(pool, 20, 0)), SUCCESS)?;
        for object in (0..20).step_by(2) {
            expect("flush", rig.flush_object(at(pool, object, 7)), SUCCESS)?;
            expect("flush, again", rig.flush_object(at(pool, object, 7)), SUCCESS)?;
            for index in INDEXES {
                rig.get_none("get after flush", at(pool, object, index), NOTHING)?;
            }
        }
        for object in (1..20).step_by(2) {
            for index in INDEXES {
                rig.get_hit(at(pool, object, index), Content::of(object, u64::from(index)))?;
            }
            expect("flush", rig.flush_object(at(pool, object, 0)), SUCCESS)?;
        }
        rig.get_none("get after everything was flushed", at(pool, 1, 0), EMPTY)?;
    }
    Ok(())
}

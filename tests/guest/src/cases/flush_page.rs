//! **Checks** that FLUSH_PAGE removes the page, answers 1 whether or not there was one, and leaves
//! its neighbours (R20, R7).
//!
//! **Why:** the guest flushes what it is about to change on disk, without knowing what tmem holds.
//!
//! **A broken host** answers 0 or an error for an absent page, or lets the page be read afterwards.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{EMPTY, NOTHING, SUCCESS}};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case =
    Case::new("flush-page", "FLUSH_PAGE answers 1 in any case, and the page is gone", run);

fn run(rig: &mut Rig) -> CaseResult {
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        expect("flush on an empty pool", rig.flush_page(at(pool, 0, 0)), SUCCESS)?;
        for index in 0..200 {
            rig.put(at(pool, 0, index), Content::of(11, u64::from(index)))?;
        }
        expect("flush of an absent index", rig.flush_page(at(pool, 0, 200)), SUCCESS)?;
        expect("flush in an absent object", rig.flush_page(at(pool, 1, 0)), SUCCESS)?;
        for index in (0..200).step_by(3) {
            expect("flush", rig.flush_page(at(pool, 0, index)), SUCCESS)?;
            rig.get_none("get after flush", at(pool, 0, index), NOTHING)?;
            expect("flush, again", rig.flush_page(at(pool, 0, index)), SUCCESS)?;
        }
        for index in (0..200).filter(|index| index % 3 != 0) {
            rig.get_hit(at(pool, 0, index), Content::of(11, u64::from(index)))?;
            expect("flush", rig.flush_page(at(pool, 0, index)), SUCCESS)?;
        }
        rig.get_none("get after everything was flushed", at(pool, 0, 1), EMPTY)?;
        // The handles are as good as new.
        rig.put(at(pool, 0, 1), Content(12))?;
        rig.get_hit(at(pool, 0, 1), Content(12))?;
    }
    Ok(())
}

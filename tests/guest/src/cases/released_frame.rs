//! **Checks** that a frame which the guest gave back to Xen is refused, -14, in puts and gets (P49).
//!
//! **Why:** it may be anybody's by then: another guest's, Xen's, or tmem's own.
//!
//! **A broken host** remembers that the frame once was this guest's.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{BAD_ADDRESS, EMPTY}};
use crate::give_up;
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case =
    Case::new("released-frame", "a frame that was given back to Xen is refused with -14", run);

fn run(rig: &mut Rig) -> CaseResult {
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        let page = at(pool, 1, 1);
        for _ in 0..20 {
            let Some(mfn) = rig.balloon.give_back_one() else {
                give_up!("Xen did not take a frame back");
            };
            expect("put from a frame given back", rig.put_frame(page, mfn), BAD_ADDRESS)?;
            rig.get_none("get after that", page, EMPTY)?;
            rig.put(page, Content(5))?;
            expect("get into a frame given back", rig.get_frame(page, mfn), BAD_ADDRESS)?;
            rig.flush_page(page);
        }
    }
    Ok(())
}

//! **Checks** that a duplicate put which fails, here because of its frame, answers -14 and leaves
//! nothing readable under the handle (R5, R14).
//!
//! **Why:** the guest wanted the old copy replaced. If it came back later it would be stale data,
//! the one thing that swap and page caches can't tolerate.
//!
//! **A broken host** keeps the old page when it could not read the new one.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{BAD_ADDRESS, EMPTY, NOTHING}};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case = Case::new(
    "duplicate-put-bad-frame",
    "a duplicate put with a bad frame answers -14 and the old page is gone",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        let (page, bystander) = (at(pool, 3, 3), at(pool, 3, 4));
        for bad in rig.bad_frames() {
            rig.put(page, Content(1))?;
            let answer = rig.put_frame(page, bad.mfn(rig));
            expect("duplicate put with a bad frame", answer, BAD_ADDRESS)?;
            rig.get_none("get after that put, pool empty", page, EMPTY)?;

            rig.put(bystander, Content(2))?;
            rig.put(page, Content(3))?;
            let answer = rig.put_frame(page, bad.mfn(rig));
            expect("duplicate put with a bad frame", answer, BAD_ADDRESS)?;
            rig.get_none("get after that put", page, NOTHING)?;

            // The handle works again, and its neighbour never stopped.
            rig.put(page, Content(4))?;
            rig.get_hit(page, Content(4))?;
            rig.get_hit(bystander, Content(2))?;
            rig.flush_object(page);
        }
    }
    Ok(())
}

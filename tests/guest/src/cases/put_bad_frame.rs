//! **Checks** that a put of a new page from a frame that is not the guest's answers -14 and stores
//! nothing (R14, P49): frame 0, no RAM, beyond RAM, beyond every width, Xen's own and free frames.
//!
//! **Why:** the guest names machine frames by number. Whatever number it sends, it must get at its
//! own memory only, and no number may bring the host down.
//!
//! **A broken host** stores a page of Xen's or another domain's memory, which a get then reveals;
//! or crashes; or takes the low half of a wide number.

use super::Case;
use crate::fail;
use crate::rig::{Kind, Rig, at, statuses::{BAD_ADDRESS, EMPTY}};
use crate::verdict::CaseResult;

pub(super) const CASE: Case = Case::new(
    "put-bad-frame",
    "a put from a frame that is not the guest's answers -14 and stores nothing",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    let mut rng = rig.rng(0x49);
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        let page = at(pool, 3, 3);
        for bad in rig.bad_frames() {
            let answer = rig.put_frame(page, bad.mfn(rig));
            if answer != BAD_ADDRESS {
                fail!("put with frame {bad:?}: answered {answer}, not {BAD_ADDRESS}");
            }
            rig.get_none("get after a put that failed", page, EMPTY)?;
        }
        for _ in 0..500 {
            let Some(mfn) = rig.foreign_mfn(&mut rng) else { continue };
            let answer = rig.put_frame(page, mfn);
            if answer != BAD_ADDRESS {
                fail!("put with frame {mfn:#x} of the host's: answered {answer}");
            }
        }
        rig.get_none("get after puts that failed", page, EMPTY)?;
    }
    Ok(())
}

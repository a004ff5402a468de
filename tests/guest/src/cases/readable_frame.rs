//! **Checks** that frames which Xen lets every PV guest read, those of its table from machine frames to
//! guest frames, are refused with -14 in puts and gets (R14, R15, P49).
//!
//! **Why:** the guest can map them, so Xen knows them as shared with it; they are nobody's memory all
//! the same, and a write there would tell every guest lies about its frames.
//!
//! **A broken host** takes a frame that the guest can map for one that it owns.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{BAD_ADDRESS, EMPTY},
};
use crate::verdict::{CaseResult, expect};
use crate::xen::memory::machine_to_phys_frame;
use crate::give_up;

pub(super) const CASE: Case = Case::pv(
    "readable-frame",
    "frames of Xen's that every guest may read are refused with -14",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    let Some(first) = machine_to_phys_frame() else {
        give_up!("Xen does not say where its table of frames is");
    };
    for kind in Kind::BOTH {
        let page = at(rig.new_pool(kind)?, 1, 1);
        // The table of this machine fills 2 MiB less than half.
        for frame in [first, first + 1, first + 63] {
            expect("put from a table of Xen's", rig.put_frame(page, frame), BAD_ADDRESS)?;
            rig.get_none("get after that", page, EMPTY)?;
            rig.put(page, Content(frame))?;
            expect("get into a table of Xen's", rig.get_frame(page, frame), BAD_ADDRESS)?;
            rig.flush_page(page);
        }
    }
    Ok(())
}

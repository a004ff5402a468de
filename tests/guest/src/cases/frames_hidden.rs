//! **Checks** that no frame which tmem uses can be mapped by the guest: as many frames of the
//! machine can be mapped with thousands of pages stored as without (R52, P6).
//!
//! **Why:** the original kept persistent pages, and their bookkeeping, on the domain's own page list:
//! a PV guest that tried frame numbers could read and write them.
//!
//! **A broken host** lets the guest map frames that hold its stored pages.

use super::Case;
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;

/// In a boot of its own: a debug build of Xen writes a line for each frame that it refuses to map,
/// which are all there are.
pub(super) const CASE: Case = Case::of(
    &[Boot::Frames],
    "frames-hidden",
    "no frame that holds stored pages can be mapped by the guest",
    run,
);

/// Pages in each pool.
const PAGES: u32 = 3000;

fn run(rig: &mut Rig) -> CaseResult {
    let before = rig.mappable_frames()?;
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        for index in 0..PAGES {
            rig.put(at(pool, 1, index), Content::of(1, u64::from(index)))?;
        }
    }
    let after = rig.mappable_frames()?;
    if after > before {
        fail!("{} more frames can be mapped with pages stored than without", after - before);
    }
    Ok(())
}

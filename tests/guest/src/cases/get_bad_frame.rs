//! **Checks** that a get into a bad frame answers -14, on a hit, and loses nothing (R15, P1): a
//! persistent page stays; an ephemeral one stays or goes, and from then on every answer agrees.
//! A miss answers as a miss whatever the frame is.
//!
//! **Why:** the original took an ephemeral page out of its index before copying, never put it back,
//! and left it on its eviction list: memory of a freed object, used later.
//!
//! **A broken host** loses a persistent page, hands out a page that it reported gone, or crashes
//! when the object is flushed or the pool destroyed afterwards.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{BAD_ADDRESS, EMPTY, NOTHING, SUCCESS}};
use crate::verdict::{CaseResult, expect};
use crate::fail;

pub(super) const CASE: Case =
    Case::new("get-bad-frame", "a get into a bad frame answers -14 and loses nothing", run);

fn run(rig: &mut Rig) -> CaseResult {
    let mut rng = rig.rng(0x15);
    for kind in Kind::BOTH {
        for bad in rig.bad_frames() {
            one_frame(rig, kind, bad.mfn(rig))?;
        }
        for _ in 0..100 {
            let Some(mfn) = rig.foreign_mfn(&mut rng) else { continue };
            one_frame(rig, kind, mfn)?;
        }
    }
    Ok(())
}

fn one_frame(rig: &Rig, kind: Kind, mfn: u64) -> CaseResult {
    let pool = rig.new_pool(kind)?;
    let (page, bystander) = (at(pool, 1, 1), at(pool, 1, 2));
    expect("get on an empty pool into a bad frame", rig.get_frame(page, mfn), EMPTY)?;
    rig.put(bystander, Content(1))?;
    expect("get of an absent page into a bad frame", rig.get_frame(page, mfn), NOTHING)?;

    rig.put(page, Content(2))?;
    let answer = rig.get_frame(page, mfn);
    if answer != BAD_ADDRESS {
        fail!("get ({kind:?}) into frame {mfn:#x}: answered {answer}, not {BAD_ADDRESS}");
    }
    match kind {
        Kind::Persistent => {
            rig.get_hit(page, Content(2))?;
        }
        Kind::Ephemeral => {
            rig.get_maybe(page, Content(2))?;
            rig.get_none("get after that: taken or lost", page, NOTHING)?;
        }
    }
    // The handle works as before, and everything can be taken down.
    rig.put(page, Content(3))?;
    rig.get_hit(page, Content(3))?;
    expect("get into a bad frame", rig.get_frame(bystander, mfn), BAD_ADDRESS)?;
    expect("flush of the object", rig.flush_object(page), SUCCESS)?;
    rig.get_none("get after flush", bystander, EMPTY)?;
    expect("destroy", rig.destroy_pool(pool), SUCCESS)
}

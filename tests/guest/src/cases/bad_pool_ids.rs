//! **Checks** that each page operation on a pool id out of range, negative ones included, or on an
//! empty slot answers -19 (R25, P43, P44).
//!
//! **Why:** the id indexes a table; signed comparison once let -1 through.
//!
//! **A broken host** reads beyond its table, or takes an id modulo 16 for another pool's.

use super::Case;
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{BadFrame, Kind, Rig, at, statuses::{NO_DEVICE, SUCCESS}};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case = Case::new(
    "bad-pool-ids",
    "page operations on an empty slot or an id out of range answer -19",
    run,
);

/// Ids that name no pool; the last ones are negative to a host that takes them as signed.
const IDS: [u32; 13] = [
    1, 15, 16, 17, 31, 32, 255, 256, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_fff0, 0xffff_ffff,
];

fn run(rig: &mut Rig) -> CaseResult {
    // With no pool at all: this may be the domain's first call ever.
    for id in IDS.into_iter().chain([0]) {
        all_refused(rig, id)?;
    }
    // With pool 0 holding the very page that is asked for.
    let page = at(rig.new_pool(Kind::Persistent)?, 4, 4);
    rig.put(page, Content(1))?;
    for id in IDS {
        all_refused(rig, id)?;
    }
    rig.get_hit(page, Content(1))?;
    expect("destroy", rig.destroy_pool(page.pool_id), SUCCESS)?;
    all_refused(rig, page.pool_id)
}

fn all_refused(rig: &Rig, id: u32) -> CaseResult {
    let page = at(id, 4, 4);
    let answers = [
        ("put", rig.try_put(page, Content(2))),
        ("put with a bad frame", rig.put_frame(page, BadFrame::AllOnes.mfn(rig))),
        ("get", rig.try_get(page)?),
        ("get with a bad frame", rig.get_frame(page, BadFrame::AllOnes.mfn(rig))),
        ("flush of a page", rig.flush_page(page)),
        ("flush of an object", rig.flush_object(page)),
    ];
    for (what, answer) in answers {
        if answer != NO_DEVICE {
            fail!("{what} on pool {id:#x}, which is not there: answered {answer}");
        }
    }
    Ok(())
}

//! **Checks** that a guest which is interrupted in the middle of flushing a large object, and makes
//! other tmem calls there, never reads a flushed page, and can put into the object meanwhile (R7,
//! R20, P29).
//!
//! **Why:** as in `interrupted-destroy`. The interrupt may come from a disk whose handler puts pages
//! of the very file that is being truncated.
//!
//! **A broken host** frees thousands of pages in one go, delivers a page that a put replaced, or
//! answers something else than 1 from a later slice.

use super::Case;
use super::script::{in_the_middle, put_many};
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{EMPTY, NOTHING, SUCCESS}};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::Op;

pub(super) const CASE: Case = Case::new(
    "interrupted-flush",
    "calls made in the middle of an object's flush never see a flushed page",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    for (kind, pages) in [(Kind::Persistent, 7000), (Kind::Ephemeral, 16_000)] {
        in_the_middle("flush of an object", || interrupt(rig, kind, pages))?;
    }
    Ok(())
}

/// Whether an object's flush was interrupted in the middle; then all was as it should be.
fn interrupt(rig: &mut Rig, kind: Kind, pages: u32) -> CaseResult<bool> {
    let pool = rig.new_pool(kind)?;
    rig.put(at(pool, 1, 1), Content(1))?;
    put_many(rig, pool, pages)?;

    rig.pages.fill_source(Content(2));
    rig.pages.poison_target();
    let (source, target) = (rig.pages.source_mfn(), rig.pages.target_mfn());
    let (first, last, anew) = (at(pool, 0, 0), at(pool, 0, pages - 1), at(pool, 0, 5));
    let calls = [
        Op::GetPage { handle: first, cmfn: target },
        Op::GetPage { handle: last, cmfn: target },
        Op::PutPage { handle: anew, cmfn: source },
        Op::PutPage { handle: at(pool, 2, 2), cmfn: source },
    ];
    let flush = Op::FlushObject { pool_id: pool, object: first.object }.encode();
    let found = rig.events.interrupt(&flush, &calls.map(|op| op.encode()), None);

    if !found.in_the_middle {
        expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
        return Ok(false);
    }
    let [get_first, get_last, put_anew, put_other, ..] = found.answers;
    expect("get of a page that is being flushed", get_first, NOTHING)?;
    expect("get of a page that is being flushed", get_last, NOTHING)?;
    expect("put into the object meanwhile", put_anew, SUCCESS)?;
    expect("put into another object meanwhile", put_other, SUCCESS)?;
    expect("the flush itself", found.answer, SUCCESS)?;

    // That put was before the flush or after it; either is an order.
    rig.get_maybe(anew, Content(2))?;
    rig.flush_page(anew);
    for index in 0..pages {
        rig.get_none("get after the flush", at(pool, 0, index), NOTHING)?;
    }
    rig.get_hit(at(pool, 1, 1), Content(1))?;
    rig.get_hit(at(pool, 2, 2), Content(2))?;
    rig.flush_page(at(pool, 1, 1));
    rig.flush_page(at(pool, 2, 2));
    rig.get_none("get after everything was flushed", at(pool, 1, 1), EMPTY)?;
    expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
    Ok(true)
}

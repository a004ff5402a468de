//! **Checks** that a guest which is interrupted in the middle of destroying a large pool, and makes
//! other tmem calls there, finds everything in order (R7, R22, R25, P29): the pool is gone already,
//! its id is not handed out yet, other pools work, and the call answers 1 in the end.
//!
//! **Why:** Xen lets the guest take interrupts between the slices of a long call. What the guest then
//! sees of a half-destroyed pool is decided by that, not by luck.
//!
//! **A broken host** frees thousands of pages in one go and stops the machine for that long, lets
//! pages of the dying pool be read, hands its id out twice, or answers 0 from a later slice.

use super::Case;
use super::script::{in_the_middle, put_many};
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{EMPTY, NO_DEVICE, SUCCESS}};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::{NewPool, Op};

pub(super) const CASE: Case = Case::new(
    "interrupted-destroy",
    "calls made in the middle of a pool's destruction find it gone and all else in order",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    for (kind, pages) in [(Kind::Persistent, 7000), (Kind::Ephemeral, 16_000)] {
        in_the_middle("destruction of a pool", || interrupt(rig, kind, pages))?;
    }
    Ok(())
}

/// Whether a pool's destruction was interrupted in the middle; then all was as it should be.
fn interrupt(rig: &mut Rig, kind: Kind, pages: u32) -> CaseResult<bool> {
    let bystander = rig.new_pool(Kind::Persistent)?;
    rig.put(at(bystander, 1, 1), Content(1))?;
    let dying = rig.new_pool(kind)?;
    put_many(rig, dying, pages)?;

    rig.pages.fill_source(Content(2));
    rig.pages.poison_target();
    let (source, target) = (rig.pages.source_mfn(), rig.pages.target_mfn());
    let (flags, page) = (Kind::Persistent.flags(), at(dying, 0, pages - 1));
    let calls = [
        Op::GetPage { handle: page, cmfn: target },
        Op::PutPage { handle: page, cmfn: source },
        Op::FlushPage { handle: page },
        Op::FlushObject { pool_id: dying, object: page.object },
        Op::NewPool(NewPool { flags, ..NewPool::default() }),
        Op::PutPage { handle: at(bystander, 1, 2), cmfn: source },
        Op::GetPage { handle: at(bystander, 1, 1), cmfn: target },
    ];
    let destroy = Op::DestroyPool { pool_id: dying }.encode();
    let found = rig.events.interrupt(&destroy, &calls.map(|op| op.encode()), None);

    if !found.in_the_middle {
        for pool in 0..=dying + 1 {
            rig.destroy_pool(pool);
        }
        return Ok(false);
    }
    let [get, put, flush_page, flush_object, new_pool, other_put, other_get, _] = found.answers;
    expect("get on the dying pool", get, NO_DEVICE)?;
    expect("put to the dying pool", put, NO_DEVICE)?;
    expect("flush of a page of the dying pool", flush_page, NO_DEVICE)?;
    expect("flush of an object of the dying pool", flush_object, NO_DEVICE)?;
    expect("NEW_POOL meanwhile", new_pool, i64::from(dying) + 1)?;
    expect("put to another pool meanwhile", other_put, SUCCESS)?;
    expect("get from another pool meanwhile", other_get, SUCCESS)?;
    rig.check_target(at(bystander, 1, 1), Content(1))?;
    expect("the destroy itself", found.answer, SUCCESS)?;

    rig.get_hit(at(bystander, 1, 2), Content(2))?;
    expect("NEW_POOL afterwards", i64::from(rig.new_pool(kind)?), i64::from(dying))?;
    rig.get_none("get on the pool made anew", at(dying, 0, 0), EMPTY)?;
    for pool in 0..=dying + 1 {
        expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
    }
    Ok(true)
}

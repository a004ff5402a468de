//! **Checks** tmem operations inside a multicall, and one among them that Xen takes in slices: each
//! entry gets its own answer, in order, also when the guest is interrupted in the middle of a pool's
//! destruction and makes calls of its own there (R7, R22, P29, P73).
//!
//! **Why:** an interrupted call inside a multicall is not made again by the guest: Xen writes what is
//! left of it into the guest's list, in the layout of the guest's width, and goes on from there.
//!
//! **A broken host** loses an entry's answer, makes an entry twice, or frees thousands of pages
//! without a moment for anything else because the call came in a list.

use super::Case;
use super::script::{in_the_middle, put_many};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{BAD_ADDRESS, EMPTY, NO_DEVICE, NOT_IMPLEMENTED, NOTHING, SUCCESS},
};
use crate::verdict::{CaseResult, expect};
use crate::xen::multicall::multicall;
use crate::xen::tmem::Block;
use hypercall_abi::{NewPool, Op, command};

pub(super) const CASE: Case =
    Case::new("multicall", "operations in a multicall, one of them taken in slices", run);

/// Pages of the pool whose destruction is interrupted.
const PAGES: u32 = 3000;

fn run(rig: &mut Rig) -> CaseResult {
    mixed(rig)?;
    interrupted(rig)
}

/// Good calls and bad ones in one list.
fn mixed(rig: &Rig) -> CaseResult {
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        let (source, target) = (rig.pages.source_mfn(), rig.pages.target_mfn());
        let (one, other) = (at(pool, 1, 1), at(pool, 1, 2));
        let mut unknown = Op::FlushPage { handle: one }.encode();
        if let Some(first) = unknown.first_mut() {
            *first = command::XCHG.to_le_bytes()[0];
        }
        let calls = [
            Op::PutPage { handle: one, cmfn: source }.encode(),
            Op::PutPage { handle: other, cmfn: 0xfee00 }.encode(),
            unknown,
            Op::GetPage { handle: other, cmfn: target }.encode(),
            Op::DestroyPool { pool_id: pool + 1 }.encode(),
            Op::FlushPage { handle: at(pool + 1, 1, 1) }.encode(),
            Op::GetPage { handle: one, cmfn: target }.encode(),
        ];
        rig.pages.fill_source(Content(1));
        rig.pages.poison_target();
        let wanted =
            [SUCCESS, BAD_ADDRESS, NOT_IMPLEMENTED, NOTHING, NOTHING, NO_DEVICE, SUCCESS];
        check(&calls, &wanted)?;
        rig.check_target(one, Content(1))?;
        expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
    }
    Ok(())
}

/// A list that begins with the destruction of a large pool, and an interrupt in the middle of that.
fn interrupted(rig: &Rig) -> CaseResult {
    for kind in Kind::BOTH {
        in_the_middle("destruction of a pool in a list", || interrupt(rig, kind))?;
    }
    Ok(())
}

/// Whether the destruction was interrupted in the middle; then all was as it should be.
fn interrupt(rig: &Rig, kind: Kind) -> CaseResult<bool> {
    let dying = rig.new_pool(kind)?;
    let kept = rig.new_pool(Kind::Persistent)?;
    put_many(rig, dying, PAGES)?;
    let (source, target) = (rig.pages.source_mfn(), rig.pages.target_mfn());
    rig.pages.fill_source(Content(2));
    rig.pages.poison_target();

    let flags = Kind::Ephemeral.flags();
    let list = [
        Op::DestroyPool { pool_id: dying }.encode(),
        Op::PutPage { handle: at(kept, 1, 1), cmfn: source }.encode(),
        Op::NewPool(NewPool { flags, ..NewPool::default() }).encode(),
        Op::GetPage { handle: at(dying, 0, 0), cmfn: target }.encode(),
        Op::GetPage { handle: at(kept, 1, 1), cmfn: target }.encode(),
    ];
    let wanted = [SUCCESS, SUCCESS, i64::from(dying), EMPTY, SUCCESS];
    let in_between = [
        Op::GetPage { handle: at(dying, 0, PAGES - 1), cmfn: target }.encode(),
        Op::GetPage { handle: at(kept, 1, 1), cmfn: target }.encode(),
    ];
    let mut checked = Ok(());
    let call = || {
        checked = check(&list, &wanted);
        0
    };
    let found = rig.events.interrupt_call(call, &in_between, &|| ());
    if !found.in_the_middle {
        for pool in [dying, kept] {
            expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
        }
        return Ok(false);
    }
    let [of_dying, of_kept, ..] = found.answers;
    expect("get on the dying pool", of_dying, NO_DEVICE)?;
    // The put further down the list has not been made yet.
    expect("get of a page that is put later", of_kept, EMPTY)?;
    checked?;
    rig.check_target(at(kept, 1, 1), Content(2))?;
    expect("destroy", rig.destroy_pool(dying), SUCCESS)?;
    expect("destroy", rig.destroy_pool(kept), SUCCESS)?;
    Ok(true)
}

fn check(calls: &[Block], wanted: &[i64]) -> CaseResult {
    let (answer, results) = multicall(calls);
    expect("the multicall itself", answer, 0)?;
    for (number, (result, want)) in results.iter().zip(wanted).enumerate() {
        match result {
            None => fail!("entry {number} of the multicall got no answer"),
            Some(got) if got != want => fail!("entry {number}: answered {got}, not {want}"),
            Some(_) => {}
        }
    }
    Ok(())
}

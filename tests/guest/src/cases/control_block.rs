//! **Checks** the place where a control operation itself is (P42, P64, P23): at an address that can't be
//! read, or that runs over the end of memory, it answers -14 and nothing happens; where it ends with
//! memory it works. With another version of the toolstack's interface it answers -13, at first and when
//! it goes on after an interruption. Where Xen can't write down how far it came it answers -14, and what
//! was to be told is not lost.
//!
//! **Why:** the operation is read, and written, where its caller says, each time it goes on.
//!
//! **A broken host** reads or writes where it may not, or goes on with what it has not checked.

use super::Case;
use super::script::{in_the_middle, put_many};
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{FROZEN, SUCCESS}};
use crate::toolstack::{Control, SavedPage};
use crate::verdict::{CaseResult, expect};
use crate::{fail, give_up};
use hypercall_abi::control::{ClientId, ControlOp, SYSCTL_BYTES, SaveOp};

pub(super) const CASE: Case = Case::pv(
    "control-block",
    "a control operation that can't be read or written down answers -14, an old version -13",
    run,
);

/// The first domain, this one.
const OWN: u16 = 0;
const BAD_ADDRESS: i64 = -14;
const ACCESS: i64 = -13;

/// Addresses at which there is nothing to be read: unmapped, in the hole, in Xen's own range, at the end.
const NOWHERE: [u64; 9] = [
    0,
    8,
    0x0000_7000_0000_0000,
    0x0000_7fff_ffff_fff0,
    0x0000_8000_0000_0000,
    0xffff_82d0_4020_0000,
    0xffff_8300_0010_0000,
    u64::MAX - 100,
    u64::MAX,
];

const FREEZE: ControlOp = ControlOp::SetFrozen { who: ClientId::One(OWN), frozen: true };

fn run(rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    let pool = rig.new_pool(Kind::Persistent)?;
    put_many(rig, pool, 100)?;
    if !rig.pages.unmap_edge() {
        give_up!("Xen did not unmap the page behind the edge");
    }
    let result = unreadable(rig, control, pool);
    if !rig.pages.restore_edge() {
        give_up!("Xen did not map the page behind the edge again");
    }
    result?;
    other_versions(rig, control, pool)?;
    unwritable_at_last(rig, control, pool)?;
    let cache = rig.new_pool(Kind::Ephemeral)?;
    put_many(rig, cache, 2000)?;
    in_the_middle("AUDIT", || changed_version(rig, control))?;
    in_the_middle("AUDIT", || unwritable_between(rig, control))?;
    let (answer, _) = control.audit();
    expect("AUDIT", answer, 0)
}

/// Whether this domain is frozen, by what a put is answered.
fn expect_frozen(rig: &Rig, pool: u32, is_frozen: bool) -> CaseResult {
    let answer = rig.try_put(at(pool, 9, 9), Content(9));
    rig.flush_page(at(pool, 9, 9));
    expect("a new put", answer, if is_frozen { FROZEN } else { SUCCESS })
}

fn unreadable(rig: &Rig, control: Control, pool: u32) -> CaseResult {
    for address in NOWHERE.into_iter().chain([rig.pages.edge(0)]) {
        let answer = control.send_address(address);
        if answer != BAD_ADDRESS {
            fail!("an operation at {address:#x}: answered {answer}");
        }
    }
    let request = control.request(&FREEZE, 0);
    for behind in [1, 8, SYSCTL_BYTES / 2, SYSCTL_BYTES - 1] {
        let answer = control.send_address(rig.pages.write_at_edge(&request, behind));
        expect("an operation over the end of memory", answer, BAD_ADDRESS)?;
    }
    expect_frozen(rig, pool, false)?;
    let answer = control.send_address(rig.pages.write_at_edge(&request, 0));
    expect("an operation at the end of memory", answer, 0)?;
    expect_frozen(rig, pool, true)?;
    expect("THAW", control.set_frozen(ClientId::One(OWN), false), 0)
}

fn other_versions(rig: &Rig, control: Control, pool: u32) -> CaseResult {
    for off in [1, u32::MAX, 1 << 16, 1 << 31] {
        for op in [FREEZE, ControlOp::QueryFreeable, ControlOp::Flush { kib: 4, freed_pages: 0 }] {
            let place = rig.pages.write_at_edge(&control.request(&op, off), 0);
            expect("an operation of another version", control.send_address(place), ACCESS)?;
        }
    }
    expect_frozen(rig, pool, false)
}

/// SAVE_GET_NEXT_PAGE must say where to go on.
fn unwritable_at_last(rig: &Rig, control: Control, pool: u32) -> CaseResult {
    expect("SAVE_BEGIN", control.begin_save(OWN, false), 0)?;
    let who = ClientId::One(OWN);
    let (len, buffer) = (8192, rig.pages.edge(8192));
    let next = ControlOp::Save(SaveOp::NextPage { who, pool_id: pool, cursor: 0, len, buffer });
    let freeze = control.request(&FREEZE, 0);
    let next = control.request(&next, 0);
    // Nothing is written down of this one.
    for (request, wanted) in [(freeze, 0), (next, BAD_ADDRESS), (next, BAD_ADDRESS)] {
        let answer = read_only(rig, &request, |place| control.send_address(place))?;
        expect("an operation that can't be written", answer, wanted)?;
    }
    let (mut cursor, mut page, mut pages) = (0, SavedPage::EMPTY, 0);
    while control.next_page(OWN, pool, &mut cursor, &mut page) == 1 {
        pages += 1;
    }
    expect("pages saved", pages, 100)?;
    expect("SAVE_END", control.end_save(OWN), 0)?;
    expect("THAW", control.set_frozen(who, false), 0)
}

/// Calls with the address of `request` in a page that can't be written.
fn read_only(
    rig: &Rig,
    request: &[u8; SYSCTL_BYTES],
    call: impl FnOnce(u64) -> i64,
) -> CaseResult<i64> {
    let Some(place) = rig.pages.write_behind_edge(request) else {
        give_up!("Xen did not take back the right to write a page");
    };
    let answer = call(place);
    if !rig.pages.restore_edge() {
        give_up!("Xen did not map the page behind the edge again");
    }
    Ok(answer)
}

const AUDIT: ControlOp = ControlOp::Audit { len: 0, buffer: 0 };

/// Whether an audit was interrupted, and was of another version when it was to go on.
fn changed_version(rig: &Rig, control: Control) -> CaseResult<bool> {
    let place = rig.pages.write_at_edge(&control.request(&AUDIT, 0), 0);
    let change = || {
        let _same_place = rig.pages.write_at_edge(&control.request(&AUDIT, 1), 0);
    };
    let found = rig.events.interrupt_call(|| control.send_address(place), &[], &change);
    if found.in_the_middle {
        expect("an operation whose version changes", found.answer, ACCESS)?;
    }
    Ok(found.in_the_middle)
}

/// Whether an event was to interrupt an audit that can't be written down.
fn unwritable_between(rig: &Rig, control: Control) -> CaseResult<bool> {
    let request = control.request(&AUDIT, 0);
    let answer = read_only(rig, &request, |place| {
        rig.events.interrupt_call(|| control.send_address(place), &[], &|| ()).answer
    })?;
    // 0: the event came before the operation began.
    match answer {
        0 => Ok(false),
        answer => expect("an audit that can't go on", answer, BAD_ADDRESS).map(|()| true),
    }
}

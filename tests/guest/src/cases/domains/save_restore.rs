//! **Checks** that the first domain carries a child's persistent pages into another domain: the child
//! stopped, destroyed, and a new one in its place with every page and the right bytes (R62, R63, R65,
//! P11, P12, P75); the same while the child goes on, gets, puts and flushes, after which the two hold
//! the same (R64, P82); a bad buffer loses nothing (P42), a cancelled save leaves the child as it was
//! (R66, P13).
//!
//! **Why:** a guest's swapped pages are in the hypervisor. The original lost them without a word.
//!
//! **A broken host** skips pages, mixes their bytes, gives back what was flushed meanwhile, or keeps
//! the child frozen.

use super::super::Case;
use super::swap::{self, PAGES, Seen, get_all, put_all};
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{EMPTY, FROZEN, NO_DEVICE, NO_SPACE, NOTHING, SUCCESS},
};
use crate::toolstack::{Caller, Child, Control, Plan, SavedPage, Shelf};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::Handle;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "save-restore",
    "a child's persistent pages live on in another domain, saved at rest or while it runs",
    run,
);

/// Xen's answers: no more, the domain is none, the buffer is bad, it is a client already, no number.
const NO_MORE: i64 = -1;
const NO_CLIENT: i64 = -2;
const BAD_BUFFER: i64 = -14;
const EXISTS: i64 = -17;

/// The child's persistent pool.
const SWAP: u32 = 1;
/// Persistent pages for which a child has room, metadata included.
const ROOM: u64 = 300;

/// Page `number` of the child's swap, and what it holds.
fn name(number: u32) -> Handle {
    swap::name(SWAP, number)
}

fn content(number: u32) -> Content {
    swap::content(SWAP, number)
}

fn run(_rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    for caller in Caller::USUAL {
        at_rest(control, caller)?;
        live(control, caller)?;
    }
    Ok(())
}

/// A child with an ephemeral pool 0 and a persistent pool 1 that holds the pages.
fn furnished(caller: Caller) -> CaseResult<Child> {
    let child = Child::build(Plan::new(caller, ROOM))?;
    make_pools(&child)?;
    child.put(at(0, 1, 1), Content(1))?;
    put_all(&child, SWAP, PAGES)?;
    Ok(child)
}

fn make_pools(child: &Child) -> CaseResult {
    expect("the ephemeral pool", i64::from(child.new_pool(Kind::Ephemeral)?), 0)?;
    expect("the persistent pool", i64::from(child.new_pool(Kind::Persistent)?), 1)
}

/// A new domain to be restored.
fn successor(control: Control, caller: Caller) -> CaseResult<Child> {
    let child = Child::build(Plan::new(caller, ROOM))?;
    expect("RESTORE_BEGIN", control.begin_restore(child.domid()), 0)?;
    expect("RESTORE_BEGIN again", control.begin_restore(child.domid()), EXISTS)?;
    make_pools(&child)?;
    Ok(child)
}

fn at_rest(control: Control, caller: Caller) -> CaseResult {
    let child = furnished(caller)?;
    let domid = child.domid();
    expect("SAVE_END without a save", control.end_save(domid), NO_CLIENT)?;
    // Cancelled, and begun again.
    expect("SAVE_BEGIN", control.begin_save(domid, false), 0)?;
    expect("a put of a saved domain", child.try_put(at(1, 77, 7), Content(7))?, FROZEN)?;
    expect("SAVE_END", control.end_save(domid), 0)?;
    child.put(at(1, 77, 7), Content(7))?;
    expect("flush", child.flush_page(at(1, 77, 7))?, SUCCESS)?;
    expect("SAVE_BEGIN", control.begin_save(domid, false), 0)?;

    let (shelf, mut page) = (Shelf::get(), SavedPage::EMPTY);
    let (mut cursor, mut seen, mut nr_saved) = (0, Seen::default(), 0);
    loop {
        refuse_bad_buffer(control, domid, cursor)?;
        match control.next_page(domid, 1, &mut cursor, &mut page) {
            1 => {}
            answer => break expect("the end of the pages", answer, NO_MORE)?,
        }
        seen.take(SWAP, &page)?;
        shelf.keep(nr_saved, &page)?;
        nr_saved += 1;
    }
    expect("pages saved", seen.count().into(), PAGES.into())?;
    expect("pages of the ephemeral pool", control.next_page(domid, 0, &mut 0, &mut page), NO_MORE)?;
    child.destroy()?;
    expect("SAVE_END of a dead domain", control.end_save(domid), NO_CLIENT)?;

    let child = successor(control, caller)?;
    for number in 0..nr_saved {
        let page = shelf.page(number)?;
        expect("RESTORE_PUT_PAGE", control.restore_page(child.domid(), &page), 1)?;
    }
    // A duplicate is the buffer's page as well.
    expect("RESTORE_PUT_PAGE", control.restore_page(child.domid(), &shelf.page(0)?), 1)?;
    get_all(&child, SWAP, PAGES)?;
    child.get_none("get of an ephemeral page", at(0, 1, 1), EMPTY)?;
    child.put(at(0, 1, 1), Content(2))?;
    child.destroy()
}

/// The page whose buffer is bad comes again: as many as there are come with good buffers.
fn refuse_bad_buffer(control: Control, domid: u16, cursor: u64) -> CaseResult {
    match control.next_page_to_nowhere(domid, 1, cursor) {
        BAD_BUFFER | NO_MORE => Ok(()),
        answer => fail!("SAVE_GET_NEXT_PAGE into a bad buffer: {answer}"),
    }
}

/// What the child does to page `number` between two steps, and what it then is.
fn disturb(child: &Child, number: u32) -> CaseResult {
    match number % 5 {
        0 => expect("flush of a page", child.flush_page(name(number))?, FROZEN),
        1 => {
            let answer = child.try_put(name(number), Content(5))?;
            // Page 2's object may be gone as a whole.
            expect("a duplicate put", answer, if is_gone(number) { FROZEN } else { NO_SPACE })?;
            expect("a new put", child.try_put(name(number), Content(5))?, FROZEN)
        }
        2 if number == 2 => expect("flush of an object", child.flush_object(name(2))?, FROZEN),
        _ if is_gone(number) => child.get_none("get of a flushed page", name(number), NOTHING),
        _ => child.get_hit(name(number), content(number)),
    }
}

/// Whether the page went with an object before its turn came.
fn is_gone(number: u32) -> bool {
    number > 2 && number % 4 == 2
}

/// Whether the page is there when all is over.
fn is_left(number: u32) -> bool {
    number % 5 > 1 && number % 4 != 2
}

fn live(control: Control, caller: Caller) -> CaseResult {
    let child = furnished(caller)?;
    let domid = child.domid();
    let target = successor(control, caller)?;
    expect("SAVE_BEGIN", control.begin_save(domid, true), 0)?;
    let (mut page, mut cursor, mut nr_disturbed) = (SavedPage::EMPTY, 0, 0);
    let mut seen = Seen::default();
    loop {
        match control.next_page(domid, 1, &mut cursor, &mut page) {
            1 => {}
            answer => break expect("the end of the pages", answer, NO_MORE)?,
        }
        seen.take(SWAP, &page)?;
        expect("RESTORE_PUT_PAGE", control.restore_page(target.domid(), &page), 1)?;
        // Two for each page that is saved, so that some go before their turn and some after.
        for number in (nr_disturbed..PAGES).take(2) {
            disturb(&child, number)?;
            nr_disturbed = number + 1;
        }
    }
    (nr_disturbed..PAGES).try_for_each(|number| disturb(&child, number))?;
    let mut cursor = 0;
    loop {
        match control.next_removed(domid, &mut cursor) {
            Ok(removed) => {
                expect("RESTORE_FLUSH_PAGE", control.restore_removal(target.domid(), removed), 1)?;
            }
            Err(answer) => break expect("the end of the removals", answer, 0)?,
        }
    }
    for child in [&child, &target] {
        for number in 0..PAGES {
            if is_left(number) {
                child.get_hit(name(number), content(number))?;
            } else {
                child.get_none("get of what was removed", name(number), NOTHING)?;
            }
        }
    }
    // A pool goes.
    expect("destroy", child.destroy_pool(1)?, SUCCESS)?;
    let removed = control.next_removed(domid, &mut cursor);
    match removed {
        Ok(removed) => {
            expect("RESTORE_FLUSH_PAGE", control.restore_removal(target.domid(), removed), 1)?;
        }
        Err(answer) => fail!("a pool's end was not recorded: {answer}"),
    }
    target.get_none("get from a destroyed pool", name(3), NO_DEVICE)?;
    expect("SAVE_END", control.end_save(domid), 0)?;
    make_persistent(&child)?;
    child.destroy()?;
    target.destroy()
}

/// The source goes on as it was (R66).
fn make_persistent(child: &Child) -> CaseResult {
    expect("a new pool", i64::from(child.new_pool(Kind::Persistent)?), 1)?;
    child.put(at(1, 1, 1), Content(3))?;
    child.get_hit(at(1, 1, 1), Content(3))
}

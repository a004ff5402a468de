//! What several cases do with a pool: filling one to its limit, and filling the host.

use crate::fail;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{BAD_ADDRESS, NO_MEMORY, SUCCESS},
};
use crate::verdict::{CaseResult, expect};
use crate::xen::memory::highest_ram_frame;
use hypercall_abi::Handle;

/// Puts pages into object 0 of a persistent pool from index `from` on, until one is refused;
/// returns the index of that one. Page `index` holds `Content::of(0, index)`.
///
/// # Errors
/// Failure, if the refusal is anything but -12, or never comes.
pub(super) fn fill(rig: &Rig, pool: u32, from: u32) -> CaseResult<u32> {
    for index in from..from + 20_000 {
        match rig.try_put(at(pool, 0, index), Content::of(0, u64::from(index))) {
            SUCCESS => {}
            NO_MEMORY => return Ok(index),
            other => fail!("put {index} into a pool near its limit: answered {other}"),
        }
    }
    fail!("20000 pages were stored and none refused")
}

/// Of a frame that `what` names, which the guest may read but not write, a put is accepted and a get
/// into it refused with -14, with nothing lost; in both kinds of pool (R15).
///
/// # Errors
/// Failure, if not.
pub(super) fn only_source(rig: &Rig, what: &str, frame: u64) -> CaseResult {
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        let page = at(pool, 1, 1);
        expect(what, rig.put_frame(page, frame), SUCCESS)?;
        expect("get of it", rig.try_get(page)?, SUCCESS)?;
        rig.put(page, Content(1))?;
        expect(what, rig.get_frame(page, frame), BAD_ADDRESS)?;
        if kind == Kind::Persistent {
            rig.get_hit(page, Content(1))?;
        } else {
            rig.get_maybe(page, Content(1))?;
        }
        expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
    }
    Ok(())
}

/// More pages than the host has frames for, whatever else it keeps there.
pub(super) fn more_than_fits() -> u32 {
    u32::try_from(highest_ram_frame()).unwrap_or(u32::MAX)
}

/// Puts `pages` ephemeral pages, each of which must be accepted: the host makes room. Page `number`
/// is `handle(number)` and holds `Content::of(1, number)`.
///
/// # Errors
/// Failure, if a put is refused.
pub(super) fn flood(rig: &Rig, pages: u32, handle: impl Fn(u32) -> Handle) -> CaseResult {
    for number in 0..pages {
        let answer = rig.try_put(handle(number), Content::of(1, u64::from(number)));
        if answer != SUCCESS {
            fail!("ephemeral put {number} of {pages}: answered {answer}");
        }
    }
    Ok(())
}

/// Gets the pages of [`flood`] in the order in which they were put: the oldest must be gone and the
/// youngest there, with one border between them (R42). Returns the first number that was there.
///
/// # Errors
/// Failure, if a page is missing behind that border, if nothing was evicted, or if fewer pages are
/// left than the guest alone gave frames back for.
pub(super) fn oldest_gone(
    rig: &Rig,
    pages: u32,
    handle: impl Fn(u32) -> Handle,
) -> CaseResult<u32> {
    let mut border = pages;
    for number in 0..pages {
        let there = rig.get_maybe(handle(number), Content::of(1, u64::from(number)))?;
        if there && border == pages {
            border = number;
        } else if !there && border != pages {
            fail!("page {number} of {pages} is gone, but the older page {border} was there");
        }
    }
    let left = pages - border;
    if border == 0 {
        fail!("{pages} ephemeral pages and none evicted: more than the machine has");
    }
    if (left as usize) < crate::rig::ROOM / 4 * 3 {
        fail!("only {left} of {pages} ephemeral pages are left");
    }
    Ok(border)
}

/// How often an event may come at another moment than the one wanted.
const ATTEMPTS: u32 = 5;

/// Makes an `attempt` at a long call that an event is to interrupt in the middle, until it says that
/// this was so. An event that waits is delivered whenever Xen returns to the guest, so an interrupt
/// of the machine's own, between the event's being raised and the call, brings it too early; what
/// the attempt then saw says nothing, and it leaves no pool behind.
///
/// # Errors
/// Those of an attempt; failure, if none was interrupted in the middle: a host that does `what` at
/// one stretch.
pub(super) fn in_the_middle(
    what: &str,
    mut attempt: impl FnMut() -> CaseResult<bool>,
) -> CaseResult {
    for _ in 0..ATTEMPTS {
        if attempt()? {
            return Ok(());
        }
    }
    fail!("{what}: in {ATTEMPTS} attempts no moment at which Xen could do anything else");
}

/// Puts `pages` pages into object 0 of a pool that has room for them; page `index` holds
/// `Content::of(3, index)`.
///
/// # Errors
/// Failure, if a put is refused.
pub(super) fn put_many(rig: &Rig, pool: u32, pages: u32) -> CaseResult {
    for index in 0..pages {
        let answer = rig.try_put(at(pool, 0, index), Content::of(3, u64::from(index)));
        if answer != SUCCESS {
            fail!("put {index} of {pages} into pool {pool}: answered {answer}");
        }
    }
    Ok(())
}

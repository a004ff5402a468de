//! **Checks** a domain whose pools the toolstack makes anew (R58, R63, R65, P12, P72): GET_POOLS tells each
//! pool with its id, kind, uuid and pages, ids with gaps among them; SET_POOLS with these records, once
//! the pages are left out, makes the same for a new domain, RESTORE_PUT_PAGE fills them, and then
//! GET_POOLS of both says the same. The new domain finds every page by the old id, with every byte, its
//! caches empty, nothing at the ids between, and goes on; its next pool gets the lowest free id.
//!
//! **Why:** a guest goes on with the pool ids that it was told. The original's restore gave out ids in
//! the order of asking.
//!
//! **A broken host** closes gaps, mixes kinds or pages up, or leaves a new domain without room.

use super::super::Case;
use super::swap::{Seen, get_all, name, put_all};
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{EMPTY, NO_DEVICE, NOTHING, SUCCESS},
};
use crate::toolstack::{Caller, Child, Control, Plan, Records, SavedPage, Shelf};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::control::PoolInfo;
use hypercall_abi::{POOLS_PER_DOMAIN_MAX, Uuid};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "restore-pools",
    "pools are made anew by SET_POOLS with their kinds and ids, and filled",
    run,
);

/// The persistent pools and their pages; one is empty.
const SWAPS: [(u32, u32); 4] = [(1, 30), (6, 21), (9, 0), (15, 12)];
/// The ephemeral pools; each holds a page, which is not carried.
const CACHES: [u32; 2] = [4, 7];
/// The lowest id without a pool.
const LOWEST: u32 = 0;
/// Frames that a domain's maximum leaves for persistent pages and their metadata.
const ROOM: u64 = 300;

/// Xen's answers: no more, or it may not be; a length or a record that can't be.
const NO_MORE: i64 = -1;
const NOT_PERMITTED: i64 = -1;
const INVALID: i64 = -22;

fn run(_rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    for caller in Caller::USUAL {
        carry(control, caller)?;
    }
    Ok(())
}

/// The records of all pools that there are to be: `n_pages` as a child has put them, or none.
fn records(with_pages: bool) -> Records {
    let mut all = [PoolInfo::default(); SWAPS.len() + CACHES.len()];
    let swaps = SWAPS.map(|(id, pages)| (id, Kind::Persistent, pages));
    let caches = CACHES.map(|id| (id, Kind::Ephemeral, 1));
    for (place, (id, kind, pages)) in all.iter_mut().zip(swaps.into_iter().chain(caches)) {
        let n_pages = if with_pages { pages.into() } else { 0 };
        *place = PoolInfo { flags: kind.flags(), id, n_pages, uuid: Uuid::default() };
    }
    all.sort_unstable_by_key(|record| record.id);
    Records::of(&all)
}

/// A child with all sixteen pools, and then with those that are wanted alone.
fn furnished(caller: Caller) -> CaseResult<Child> {
    let child = Child::build(Plan::new(caller, ROOM))?;
    for id in 0..POOLS_PER_DOMAIN_MAX {
        let kind = if CACHES.contains(&id) { Kind::Ephemeral } else { Kind::Persistent };
        expect("a pool's id", child.new_pool(kind)?.into(), id.into())?;
    }
    for id in 0..POOLS_PER_DOMAIN_MAX {
        if is_gap(id) {
            expect("destroy", child.destroy_pool(id)?, SUCCESS)?;
        }
    }
    SWAPS.into_iter().try_for_each(|(id, pages)| put_all(&child, id, pages))?;
    CACHES.into_iter().try_for_each(|id| child.put(at(id, 1, 1), Content(id.into())))?;
    Ok(child)
}

fn is_gap(id: u32) -> bool {
    !CACHES.contains(&id) && !SWAPS.iter().any(|&(swap, _)| swap == id)
}

fn carry(control: Control, caller: Caller) -> CaseResult {
    let child = furnished(caller)?;
    let source = child.domid();
    expect("SAVE_BEGIN", control.begin_save(source, false), 0)?;
    expect_pools(control, source, &records(true))?;
    let nr_saved = save(control, source)?;
    expect("SAVE_END", control.end_save(source), 0)?;
    child.destroy()?;

    let target = Child::build(Plan::new(caller, ROOM))?;
    let domid = target.domid();
    expect("RESTORE_BEGIN", control.begin_restore(domid), 0)?;
    expect_pools(control, domid, &Records::of(&[]))?;
    expect("SET_POOLS with pages", control.set_pools(domid, &records(true)), INVALID)?;
    let all = records(false);
    let nr_pools = i64::try_from(all.as_slice().len()).unwrap_or(-1);
    // The first record has pages, so it was not made.
    expect("SET_POOLS", control.set_pools(domid, &all), nr_pools)?;
    expect("SET_POOLS again", control.set_pools(domid, &all), NOT_PERMITTED)?;
    expect_pools(control, domid, &all)?;
    let shelf = Shelf::get();
    for number in 0..nr_saved {
        let page = shelf.page(number)?;
        expect("RESTORE_PUT_PAGE", control.restore_page(domid, &page), 1)?;
    }
    go_on(&target)?;
    expect_pools(control, domid, &records(true))?;
    let (answer, _) = control.audit();
    expect("AUDIT", answer, 0)?;
    target.destroy()
}

/// All pages of all persistent pools onto the shelf; how many.
fn save(control: Control, domid: u16) -> CaseResult<usize> {
    let (shelf, mut page, mut nr_saved) = (Shelf::get(), SavedPage::EMPTY, 0);
    for (id, pages) in SWAPS {
        let (mut cursor, mut seen) = (0, Seen::default());
        loop {
            match control.next_page(domid, id, &mut cursor, &mut page) {
                1 => seen.take(id, &page)?,
                answer => break expect("the end of the pages", answer, NO_MORE)?,
            };
            shelf.keep(nr_saved, &page)?;
            nr_saved += 1;
        }
        expect("pages saved", seen.count().into(), pages.into())?;
    }
    for id in (0..=POOLS_PER_DOMAIN_MAX).filter(|&id| is_gap(id)).chain(CACHES) {
        let answer = control.next_page(domid, id, &mut 0, &mut page);
        expect("a page of no persistent pool", answer, NO_MORE)?;
    }
    Ok(nr_saved)
}

fn expect_pools(control: Control, domid: u16, want: &Records) -> CaseResult {
    let got = match control.pools(domid) {
        Ok(got) => got,
        Err(answer) => fail!("GET_POOLS: {answer}"),
    };
    let (got, want) = (got.as_slice(), want.as_slice());
    if let Some(place) = (0..got.len().max(want.len())).find(|&at| got.get(at) != want.get(at)) {
        fail!("GET_POOLS, record {place}: {:?}, not {:?}", got.get(place), want.get(place));
    }
    Ok(())
}

/// The guest finds what it had, and goes on.
fn go_on(child: &Child) -> CaseResult {
    SWAPS.into_iter().try_for_each(|(id, pages)| get_all(child, id, pages))?;
    for (id, pages) in SWAPS {
        // A name of another pool's is none of this one's.
        let none = if pages == 0 { EMPTY } else { NOTHING };
        child.get_none("get of a page that there was not", name(id, pages), none)?;
    }
    for id in CACHES {
        child.get_none("get from a cache", at(id, 1, 1), EMPTY)?;
        child.put(at(id, 1, 1), Content(id.into()))?;
        child.get_hit(at(id, 1, 1), Content(id.into()))?;
        child.get_none("a get of what was taken", at(id, 1, 1), EMPTY)?;
        child.put(at(id, 1, 1), Content(id.into()))?;
    }
    for id in (0..=POOLS_PER_DOMAIN_MAX).filter(|&id| is_gap(id)) {
        child.get_none("get at an id between", at(id, 1, 1), NO_DEVICE)?;
    }
    for (id, _) in SWAPS {
        child.put(at(id, 77, 7), Content(7))?;
        child.get_hit(at(id, 77, 7), Content(7))?;
        child.get_hit(at(id, 77, 7), Content(7))?;
        expect("flush", child.flush_page(at(id, 77, 7))?, SUCCESS)?;
    }
    expect("the next pool's id", child.new_pool(Kind::Persistent)?.into(), LOWEST.into())?;
    child.get_none("get from it", at(LOWEST, 1, 1), EMPTY)?;
    expect("destroy", child.destroy_pool(LOWEST)?, SUCCESS)
}

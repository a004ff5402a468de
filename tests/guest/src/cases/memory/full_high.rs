//! **Checks** that on a host with memory above 4 GiB tmem leaves what is below alone, so that domains can
//! be made when it has filled the rest; that a request for low memory when there is none left is refused
//! without a page being evicted, since none that tmem holds would do; and that one for memory anywhere
//! is met by eviction then. A Xen with assertions has no memory above 4 GiB in its direct map here
//! (`highmem-start`) and maps whatever it copies in a few places of the processor's: so pages come and go
//! there by mappings alone (P63), and one that was kept would stop Xen within a few calls (P62).
//!
//! **Why:** Xen 4.17 needs a frame below 4 GiB for each new domain, and a search for one among the pages
//! would have no bound.
//!
//! **A broken host** fills low memory first, or throws out all pages for a frame that none of them has.

use super::super::Case;
use super::super::script::flood;
use super::{available_pages, build, free_pages};
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::CaseResult;
use crate::xen::memory::{Where, highest_ram_frame, populate_blocks};
use crate::{fail, give_up, say, skip};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::MemoryHigh],
    "full-high",
    "with memory above 4 GiB tmem leaves what is below to others, and evicts nothing for it",
    run,
);

/// Bits of a low address, and the first frame that has more.
const LOW_BITS: u32 = 32;
const FIRST_HIGH: u64 = 1 << (LOW_BITS - 12);
/// High frames that are left for tmem, and pages that are put there: twice as many.
const ARENA: u64 = 24_000;
const PAGES: u32 = 48_000;
/// Frames that tmem leaves free of those, at most: 64 MiB, and what its processors keep.
const RESERVE_MAX: u64 = 16_384 + 200;
/// Frames that records and new domains may take below.
const FEW: u64 = 2_000;
/// Frames that are evicted for what a new domain needs elsewhere, or that it still has while it dies: from
/// 4.22 on it can be made without low memory.
const OTHERS: u64 = 320;
/// Persistent pages.
const PERSISTENT: u32 = 200;

fn run(rig: &mut Rig) -> CaseResult {
    if highest_ram_frame() < FIRST_HIGH {
        skip!("wants a machine with memory above 4 GiB");
    }
    let persistent = rig.new_pool(Kind::Persistent)?;
    for index in 0..PERSISTENT {
        rig.put(at(persistent, 0, index), Content::of(2, index.into()))?;
    }
    let ephemeral = rig.new_pool(Kind::Ephemeral)?;
    let page = |number: u32| at(ephemeral, u64::from(number / 64), number % 64);

    let mut ballast = Ballast::new()?;
    let low = low_pages(&ballast.child)?;
    ballast.take(Where::ANYWHERE, |child| Ok(high_pages(child)?.saturating_sub(ARENA)))?;
    flood(rig, PAGES, page)?;
    let (high, low_left) = (high_pages(&ballast.child)?, low_pages(&ballast.child)?);
    say!("low: {low} free frames, then {low_left}; high: {high}");
    if high > RESERVE_MAX || low_left + FEW < low {
        fail!("{high} high frames are left; of {low} low ones {low_left}");
    }
    build(Plan::new(Caller::Pv64, 0))?.destroy()?;

    // Nothing is left below.
    ballast.take(Where::below(LOW_BITS), low_pages)?;
    let before = (available_pages()?, free_pages()?);
    let got = ballast.populate(1, 0, Where::below(LOW_BITS));
    let made = Child::build(Plan::new(Caller::Pv64, 0)).is_ok();
    let after = (available_pages()?, free_pages()?);
    say!("made a domain without low memory: {made}; before {before:?}, after {after:?}");
    if got != 0 || after.0 + OTHERS < before.0 || after.1 > before.1 + OTHERS {
        fail!("a low page: {got}; available and free {before:?}, then {after:?}");
    }

    // Above, all that is free or freeable.
    let promised = available_pages()?;
    let given = ballast.fill(promised, Where::ANYWHERE)?;
    if given < promised {
        fail!("of {promised} frames a domain got {given}");
    }
    for index in 0..PERSISTENT {
        rig.get_hit(at(persistent, 0, index), Content::of(2, index.into()))?;
    }
    ballast.child.destroy()?;
    build(Plan::new(Caller::Pvh64, 0))?.destroy()?;
    flood(rig, PAGES, page)
}

fn low_pages(child: &Child) -> CaseResult<u64> {
    match child.release().free_pages_at(LOW_BITS, u32::MAX) {
        Ok(pages) => Ok(pages),
        Err(answer) => give_up!("Xen does not say how many low frames are free: {answer}"),
    }
}

fn high_pages(child: &Child) -> CaseResult<u64> {
    Ok(free_pages()?.saturating_sub(low_pages(child)?))
}

/// A domain that takes memory so that others have none.
struct Ballast {
    child: Child,
    next: u64,
}

/// Blocks of 2 MiB are taken as long as they do.
const BIG: u32 = 9;
/// Pages or blocks that are asked for at once.
const BATCH: usize = 64;

impl Ballast {
    fn new() -> CaseResult<Self> {
        Ok(Self { child: build(Plan::new(Caller::Pv64, u64::from(u32::MAX)))?, next: 0x10_0000 })
    }

    /// Asks for blocks; how many it got.
    fn populate(&mut self, count: usize, order: u32, place: Where) -> u64 {
        let mut list: [u64; BATCH] =
            core::array::from_fn(|number| self.next + ((number as u64) << order));
        let list = list.get_mut(..count).unwrap_or_default();
        let got = populate_blocks(self.child.domid(), list, order, place) as u64;
        self.next += got << order;
        got
    }

    /// Takes so many pages as `wanted` says, until it says 0.
    fn take(&mut self, place: Where, wanted: impl Fn(&Child) -> CaseResult<u64>) -> CaseResult {
        let mut order = BIG;
        loop {
            let wanted = wanted(&self.child)?;
            if wanted == 0 {
                return Ok(());
            }
            if wanted >> order == 0 {
                order = 0;
            }
            let count = usize::try_from(wanted >> order).unwrap_or(BATCH).min(BATCH);
            if self.populate(count, order, place) != count as u64 {
                if order == 0 {
                    give_up!("{wanted} pages are free, but Xen does not give {count} of them");
                }
                order = 0;
            }
        }
    }

    /// Takes up to `pages` pages, one by one; how many it got.
    fn fill(&mut self, pages: u64, place: Where) -> CaseResult<u64> {
        let mut got = 0;
        while got < pages {
            let count = usize::try_from(pages - got).unwrap_or(BATCH).min(BATCH);
            let given = self.populate(count, 0, place);
            got += given;
            if given != count as u64 {
                break;
            }
        }
        Ok(got)
    }
}

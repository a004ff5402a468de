//! What a client's persistent pools hold, and calls that are checked against it.
//!
//! A put may be refused (while the domain is being saved, or on a full host): then nothing of the page
//! is there, neither old nor new (R5, R64). All else is exact.

use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses};
use crate::verdict::{CaseResult, expect};
use core::ops::RangeInclusive;
use hypercall_abi::Handle;

/// The persistent pools.
pub(super) const POOLS: RangeInclusive<u32> = 1..=2;
/// Pages in all: the first half in the first pool.
pub(super) const PAGES: usize = 1200;

/// Pages of an object.
const OBJECT_PAGES: usize = 40;

/// Content of each page, and what was refused.
pub(super) struct Held {
    contents: [Option<Content>; PAGES],
    refused: u32,
}

fn name(page: usize) -> Handle {
    let pool_id = if page < PAGES / 2 { *POOLS.start() } else { *POOLS.end() };
    let index = u32::try_from(page % OBJECT_PAGES).unwrap_or_default();
    // Some far apart, so that objects have several blocks.
    let index = if index % 8 == 7 { index << 20 } else { index };
    at(pool_id, (page / OBJECT_PAGES) as u64, index)
}

impl Held {
    /// Nothing.
    pub(super) const fn new() -> Self {
        Self { contents: [None; PAGES], refused: 0 }
    }

    /// Puts that were refused so far.
    pub(super) const fn refused(&self) -> u32 {
        self.refused
    }

    fn set(&mut self, page: usize, content: Option<Content>) {
        if let Some(place) = self.contents.get_mut(page) {
            *place = content;
        }
    }

    fn content(&self, page: usize) -> Option<Content> {
        self.contents.get(page).copied().flatten()
    }

    /// Puts a page for which there is room.
    pub(super) fn put_first(&mut self, rig: &Rig, page: usize) -> CaseResult {
        let content = Content::of(0xc1, page as u64);
        rig.put(name(page), content)?;
        self.set(page, Some(content));
        Ok(())
    }

    /// Puts a page, which may be refused.
    pub(super) fn put(&mut self, rig: &Rig, page: usize, content: Content) -> CaseResult {
        let is_there = self.content(page).is_some();
        match rig.try_put(name(page), content) {
            statuses::SUCCESS => self.set(page, Some(content)),
            statuses::NO_SPACE if is_there => self.refuse(page),
            statuses::FROZEN | statuses::NO_MEMORY if !is_there => self.refuse(page),
            // At rest, a frozen client's duplicate put is as any other.
            answer => fail!("put of page {page} (there: {is_there}): answered {answer}"),
        }
        Ok(())
    }

    fn refuse(&mut self, page: usize) {
        self.set(page, None);
        self.refused += 1;
    }

    /// Gets a page, or misses it, as it should be.
    pub(super) fn get(&self, rig: &Rig, page: usize) -> CaseResult {
        match self.content(page) {
            Some(content) => match rig.try_get(name(page))? {
                statuses::SUCCESS => rig.check_target(name(page), content),
                answer => fail!("page {page} is lost: a get answered {answer}"),
            },
            None => match rig.try_get(name(page))? {
                statuses::NOTHING | statuses::EMPTY => Ok(()),
                answer => fail!("page {page} is there again: a get answered {answer}"),
            },
        }
    }

    /// Gets all pages; how many are held.
    pub(super) fn check(&self, rig: &Rig) -> CaseResult<usize> {
        (0..PAGES).try_for_each(|page| self.get(rig, page))?;
        Ok(self.contents.iter().flatten().count())
    }

    /// Flushes a page, whether it is there or not.
    pub(super) fn flush_page(&mut self, rig: &Rig, page: usize) -> CaseResult {
        flushed("flush of a page", rig.flush_page(name(page)))?;
        self.set(page, None);
        Ok(())
    }

    /// Flushes a page's object.
    pub(super) fn flush_object(&mut self, rig: &Rig, page: usize) -> CaseResult {
        flushed("flush of an object", rig.flush_object(name(page)))?;
        let first = page - page % OBJECT_PAGES;
        (first..first + OBJECT_PAGES).for_each(|page| self.set(page, None));
        Ok(())
    }

    /// Destroys a page's pool and makes it anew.
    pub(super) fn renew_pool(&mut self, rig: &Rig, page: usize) -> CaseResult {
        let pool_id = name(page).pool_id;
        expect("destroy", rig.destroy_pool(pool_id), statuses::SUCCESS)?;
        expect("a new pool", i64::from(rig.new_pool(Kind::Persistent)?), pool_id.into())?;
        let half = if page < PAGES / 2 { 0..PAGES / 2 } else { PAGES / 2..PAGES };
        half.for_each(|page| self.set(page, None));
        Ok(())
    }
}

/// A flush answers 1, and -1000 under freeze and while the domain is being saved (R21).
fn flushed(what: &str, answer: i64) -> CaseResult {
    match answer {
        statuses::SUCCESS | statuses::FROZEN => Ok(()),
        other => fail!("{what}: answered {other}"),
    }
}

//! The shard's part of the audit in slices: each under one short hold of the lock.
//!
//! What a record says of its neighbours holds at any moment, and is compared at once. Sums hold only
//! over a whole shard; they are compared if nothing changed between its first and its last slice,
//! which the event counters tell.

use super::{Aging, State};
use crate::audit::AuditError;
use crate::block::Block;
use crate::hash::HashKey;
use crate::page_set::PageSet;
use crate::slab::{Scanned, SlotId};

/// Records that one slice looks at.
const SLICE_RECORDS: usize = 32;

/// In a place among the frames of metadata: what they are frames of, and below that a chunk's or a
/// table's number.
const PART_SHIFT: u32 = 24;
const PART_MASK: u32 = (1 << PART_SHIFT) - 1;

/// Which records are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Walk {
    /// Those of age.
    Ages,
    /// Blocks and heads.
    Blocks,
}

/// What a slice counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) objects: u64,
    /// Pages of live blocks.
    pub(crate) live_pages: u64,
    /// Pages of dead ones.
    pub(crate) dead_pages: u64,
    ages: u64,
    heads: u64,
    dead: u64,
    /// Pages that heads say they have, without those that their blocks have: in sum 0.
    headed_pages: u64,
}

impl Counted {
    /// All counts in one word, so that the sum over the slices is one too. Counts that differ give
    /// the same word only if their differences times these odd numbers come to 0, which no fault
    /// brings about but by intent.
    pub(crate) const fn word(&self) -> u64 {
        self.live_pages
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(self.dead_pages.wrapping_mul(0xbf58_476d_1ce4_e5b9))
            .wrapping_add(self.ages.wrapping_mul(0x94d0_49bb_1331_11eb))
            .wrapping_add(self.heads.wrapping_mul(0xd6e8_feb8_6659_fd93))
            .wrapping_add(self.dead.wrapping_mul(0xa076_1d64_78bd_642f))
            .wrapping_add(self.headed_pages.wrapping_mul(0xe703_7ed1_a0b4_28db))
    }
}

impl State {
    /// Changes whenever pages come, go or die.
    pub(crate) fn change_count(&self) -> u64 {
        let stats = &self.stats;
        let events = [stats.puts_stored, stats.puts_replaced, stats.hits, stats.evicted];
        // A page that is made the youngest after its get has a record elsewhere.
        let end = self.ages.end();
        let states = [self.nr_live, self.nr_dead_pages, self.nr_dead, self.nr_heads, end];
        let mix = |word: u64, next: u64| {
            (word ^ next).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        };
        states.map(u64::from).into_iter().chain(events).fold(0, mix)
    }

    /// What the shard says of itself, to be compared with what was counted.
    pub(crate) fn told(&self, aging: Aging) -> Counted {
        let pages = u64::from(self.nr_live) + u64::from(self.nr_dead_pages);
        Counted {
            live_pages: self.nr_live.into(),
            dead_pages: self.nr_dead_pages.into(),
            ages: if aging == Aging::Aged { pages } else { 0 },
            heads: self.nr_heads.into(),
            dead: self.nr_dead.into(),
            ..Counted::default()
        }
    }

    /// Frames of metadata of a part of the shard, from `from` on, which is 0 at first. Where to go on;
    /// `None` at the end.
    pub(crate) fn count_blocks(&self, from: u32) -> (u32, Option<u32>) {
        let (part, at) = (from >> PART_SHIFT, (from & PART_MASK) as usize);
        let (count, next) = match part {
            0 => self.ages.count_blocks(at),
            1 => self.blocks.count_blocks(at),
            2 => self.maps.count_blocks(at),
            _ => self.index.count_blocks(at),
        };
        let next = match next {
            #[expect(clippy::cast_possible_truncation, reason = "chunks are counted in 16 bits")]
            Some(next) => Some(part << PART_SHIFT | next as u32),
            None => (part < 3).then_some((part + 1) << PART_SHIFT),
        };
        (count, next)
    }

    /// Looks at a few records from `from` on. Returns where to go on; `None` at the end.
    ///
    /// # Errors
    /// The first disagreement.
    pub(crate) fn audit_slice(
        &mut self,
        key: &HashKey,
        walk: Walk,
        from: SlotId,
        counted: &mut Counted,
    ) -> Result<Option<SlotId>, AuditError> {
        let (mut at, mut left) = (from, SLICE_RECORDS);
        loop {
            let scanned = match walk {
                Walk::Ages => self.ages.next_used(at, &mut left),
                Walk::Blocks => self.blocks.next_used(at, &mut left),
            };
            let id = match scanned {
                Scanned::Found(id) => id,
                Scanned::Unfinished(next) => return Ok(Some(next)),
                Scanned::End => return Ok(None),
            };
            match walk {
                Walk::Ages => self.audit_age(id, counted)?,
                Walk::Blocks => self.audit_block(key, id, counted)?,
            }
            at = SlotId(id.0 + 1);
        }
    }

    /// That a record of age names its page, which names it, and that it is in its place in the log.
    fn audit_age(&mut self, id: SlotId, counted: &mut Counted) -> Result<(), AuditError> {
        counted.ages += 1;
        let (block, place) = self.ages.page(id);
        let block = self.blocks.try_get_mut(block).ok_or(AuditError::PageNotInBlock)?;
        let entry = block.pages().and_then(|pages| pages.get(place, &self.maps));
        if entry.is_none_or(|entry| entry.record() != id) {
            return Err(AuditError::PageNotInBlock);
        }
        if self.ages.is_in_place(id) { Ok(()) } else { Err(AuditError::AgeLog) }
    }

    /// That a block can be found by its name, has the pages that it says, and is in its head's list.
    fn audit_block(
        &mut self,
        key: &HashKey,
        id: SlotId,
        counted: &mut Counted,
    ) -> Result<(), AuditError> {
        let map = self.blocks.get(id).pages().map_or(SlotId::NONE, PageSet::map);
        if let Some(hash) = self.hash_of(key, id) {
            let lead =
                self.index.probe(hash.0).into_iter().flatten().find(|lead| lead.block() == id);
            if lead.is_none_or(|lead| lead.map() != map.some()) {
                return Err(AuditError::BlockNotIndexed);
            }
        }
        if map.some().is_some_and(|map| self.maps.try_get_mut(map).is_none()) {
            return Err(AuditError::PageCount);
        }
        let mut nr_pages = 0;
        if let Some(pages) = self.blocks.get(id).pages() {
            nr_pages = u64::from(pages.len());
            if nr_pages == 0 || pages.recount(&self.maps) != pages.len() {
                return Err(AuditError::PageCount);
            }
        }
        match *self.blocks.get(id) {
            Block::First { .. } => {
                counted.objects += 1;
                counted.live_pages += nr_pages;
            }
            Block::Head { first, .. } => {
                counted.objects += 1;
                counted.heads += 1;
                let headed = self.headed_pages(id).map_or(0, core::cell::Cell::get);
                counted.headed_pages = counted.headed_pages.wrapping_add(u64::from(headed));
                self.audit_link(id, SlotId::NONE, first)?;
            }
            Block::Further { head, links, .. } => {
                self.audit_link(head, id, links.next)?;
                if links.prev.some().is_none() && self.first_of(head) != Some(id) {
                    return Err(AuditError::BlockList);
                }
                match self.blocks.try_get_mut(head) {
                    Some(Block::Head { .. }) => {
                        counted.live_pages += nr_pages;
                        counted.headed_pages = counted.headed_pages.wrapping_sub(nr_pages);
                    }
                    Some(Block::DeadHead { .. }) => counted.dead_pages += nr_pages,
                    _ => return Err(AuditError::BlockList),
                }
            }
            Block::Dead { .. } => {
                counted.dead += 1;
                counted.dead_pages += nr_pages;
            }
            Block::DeadHead { first, .. } => {
                counted.dead += 1;
                counted.heads += 1;
                self.audit_link(id, SlotId::NONE, first)?;
            }
            Block::Vacant => return Err(AuditError::VacantBlock),
        }
        Ok(())
    }

    /// That `next` in a head's list is of this head and names `before`; a list ends with none.
    fn audit_link(&mut self, head: SlotId, before: SlotId, next: SlotId) -> Result<(), AuditError> {
        // A head has at least one block.
        let is_right = match next.some() {
            None => before != SlotId::NONE,
            Some(next) => matches!(
                self.blocks.try_get_mut(next),
                Some(Block::Further { head: owner, links, .. })
                    if *owner == head && links.prev == before
            ),
        };
        if is_right { Ok(()) } else { Err(AuditError::BlockList) }
    }

    fn first_of(&mut self, head: SlotId) -> Option<SlotId> {
        match *self.blocks.try_get_mut(head)? {
            Block::Head { first, .. } | Block::DeadHead { first, .. } => Some(first),
            _ => None,
        }
    }
}

/// Faults, for the tests of the audit.
#[cfg(test)]
impl State {
    /// Has the shard say that it has more pages, or fewer.
    pub(crate) fn harm_live(&mut self, by: i32) -> bool {
        let has_pages = self.nr_live > 0;
        self.nr_live = self.nr_live.wrapping_add_signed(by);
        has_pages
    }

    /// Disorders the log of ages.
    pub(crate) fn harm_ages(&mut self) -> bool {
        self.ages.harm()
    }

    /// Changes the first block that `change` takes.
    pub(crate) fn harm_block(&mut self, mut change: impl FnMut(&mut Block) -> bool) -> bool {
        let (mut at, mut unbounded) = (SlotId(0), usize::MAX);
        while let Scanned::Found(id) = self.blocks.next_used(at, &mut unbounded) {
            if change(self.blocks.get_mut(id)) {
                return true;
            }
            at = SlotId(id.0 + 1);
        }
        false
    }
}

//! Removal, under the shard's lock: of a page, with the block that it leaves empty, and of the
//! oldest page.

use super::{Aging, State};
use crate::block::{Block, Links};
use crate::garbage::Garbage;
use crate::hash::HashKey;
use crate::page::Standing;
use crate::slab::SlotId;

/// How far from the oldest end eviction looks for a page that nobody is reading.
const EVICTION_SEARCH_MAX: usize = 16;

/// What became of a page that is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// It is gone.
    Gone,
    /// It is being read and there is no place for its frame elsewhere: nobody finds it any more,
    /// and its last reader removes it.
    Doomed,
}

impl State {
    /// Takes the page at `place` of `block` out and hands its frame to the garbage, or leaves the
    /// frame to the calls that are reading it.
    #[inline]
    pub(crate) fn remove<const F: usize>(
        &mut self,
        key: &HashKey,
        (block, place): (SlotId, u8),
        aging: Aging,
        garbage: &mut Garbage<F>,
    ) -> Removed {
        let record = self.blocks.get_mut(block);
        let Some(pages) = record.pages_mut() else { return Removed::Gone };
        let Some(entry) = pages.get_mut(place, &mut self.maps) else { return Removed::Gone };
        let nr_pins = entry.nr_pins(aging);
        if nr_pins > 0 && !self.orphans.has_room() {
            entry.stand(Standing::Doomed);
            return Removed::Doomed;
        }
        let Some(mut entry) = pages.remove(place, &mut self.maps, garbage) else {
            return Removed::Gone;
        };
        let is_empty = pages.len() == 0;
        if let Some(frame) = entry.take_frame() {
            let unread =
                if nr_pins > 0 { self.orphans.push(frame, nr_pins).err() } else { Some(frame) };
            if let Some(frame) = unread {
                garbage.push_frame(frame);
            }
        }
        match *record {
            Block::First { .. } => self.nr_live -= 1,
            Block::Further { head, .. } => {
                if let Block::Head { nr_pages, .. } = self.blocks.get_mut(head) {
                    *nr_pages -= 1;
                    self.nr_live -= 1;
                }
            }
            _ => {}
        }
        self.nr_pages -= 1;
        self.stats.removed += 1;
        if aging == Aging::Aged {
            self.age_unlink(entry.record());
            self.ages.remove(entry.record(), garbage);
        }
        if is_empty {
            self.free_block(key, block, garbage);
        }
        Removed::Gone
    }

    /// Frees an empty block's record.
    #[inline(never)]
    fn free_block<const F: usize>(
        &mut self,
        key: &HashKey,
        block: SlotId,
        garbage: &mut Garbage<F>,
    ) {
        if let Some(hash) = self.hash_of(key, block) {
            self.index.remove(hash.0, block, garbage);
        }
        match self.blocks.remove(block, garbage) {
            Block::Further { head, links, .. } => self.leave_head(key, head, links, 0, garbage),
            Block::Dead { links, .. } => self.unlink_dead(links),
            _ => {}
        }
    }

    /// Takes the block with these links, and its pages, out of its head's list; a head that it
    /// leaves empty goes along.
    pub(super) fn leave_head<const F: usize>(
        &mut self,
        key: &HashKey,
        head: SlotId,
        Links { prev, next }: Links,
        nr_leaving: u32,
        garbage: &mut Garbage<F>,
    ) {
        if let Some(next) = next.some()
            && let Block::Further { links, .. } = self.blocks.get_mut(next)
        {
            links.prev = prev;
        }
        if let Some(prev) = prev.some()
            && let Block::Further { links, .. } = self.blocks.get_mut(prev)
        {
            links.next = next;
        }
        let record = self.blocks.get_mut(head);
        let is_empty = match record {
            Block::Head { first, nr_pages, .. } => {
                *nr_pages -= nr_leaving;
                self.nr_live -= nr_leaving;
                if prev == SlotId::NONE {
                    *first = next;
                }
                *first == SlotId::NONE
            }
            Block::DeadHead { first, .. } => {
                if prev == SlotId::NONE {
                    *first = next;
                }
                *first == SlotId::NONE
            }
            _ => false,
        };
        if !is_empty {
            return;
        }
        if let Some(hash) = self.hash_of(key, head) {
            self.index.remove(hash.0, head, garbage);
        }
        self.nr_heads -= 1;
        if let Block::DeadHead { links, .. } = self.blocks.remove(head, garbage) {
            self.unlink_dead(links);
        }
    }

    /// Evicts the oldest page that nobody is reading; its frame is then in the garbage.
    ///
    /// Returns the page's name if asked for; `None` inside if it was unreachable anyway.
    pub(crate) fn evict<const F: usize>(
        &mut self,
        key: &HashKey,
        with_name: bool,
        garbage: &mut Garbage<F>,
    ) -> Option<Option<([u64; 3], u32)>> {
        let mut at = self.oldest;
        for _ in 0..EVICTION_SEARCH_MAX {
            let id = at.some()?;
            let aged = self.ages.get(id);
            let (block, place) = (aged.block, aged.place);
            let pages = self.blocks.get(block).pages();
            let entry = pages.and_then(|pages| pages.get(place, &self.maps))?;
            if entry.nr_pins(Aging::Aged) == 0 {
                let name = if with_name { self.name_of(block, place) } else { None };
                self.remove(key, (block, place), Aging::Aged, garbage);
                self.stats.evicted += 1;
                return Some(name);
            }
            at = aged.younger;
        }
        None
    }

    /// Hands one more block of an emptied shard to the garbage. `true` when none is left.
    pub(crate) fn dismantle<const F: usize>(&mut self, garbage: &mut Garbage<F>) -> bool {
        self.index.dismantle(garbage)
            && self.blocks.dismantle(garbage)
            && self.maps.dismantle(garbage)
            && self.ages.dismantle(garbage)
    }
}

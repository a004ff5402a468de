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

impl State {
    /// Unhooks a page and frees it, or leaves it to the calls that are reading it.
    #[inline]
    pub(crate) fn remove<const F: usize>(
        &mut self,
        key: &HashKey,
        id: SlotId,
        aging: Aging,
        garbage: &mut Garbage<F>,
    ) {
        if aging == Aging::Aged {
            self.age_unlink(id);
        }
        self.stats.removed += 1;
        let page = self.pages.get_mut(id);
        let (block, place) = (page.block, page.place);
        if page.nr_pins > 0 {
            page.standing = Standing::Orphan;
            self.nr_orphans += 1;
        } else {
            self.free(id, garbage);
        }
        self.leave_block(key, block, place, garbage);
    }

    /// Frees the record and hands its frame to the garbage.
    pub(super) fn free<const F: usize>(&mut self, id: SlotId, garbage: &mut Garbage<F>) {
        let page = self.pages.remove(id, garbage);
        if let Some(frame) = page.frame {
            garbage.push_frame(frame);
        }
    }

    /// Takes the page at `place` out of its block; a block that it leaves empty goes along.
    #[inline]
    fn leave_block<const F: usize>(
        &mut self,
        key: &HashKey,
        block: SlotId,
        place: u8,
        garbage: &mut Garbage<F>,
    ) {
        let record = self.blocks.get_mut(block);
        let Some(pages) = record.pages_mut() else { return };
        pages.remove(place, &mut self.maps, garbage);
        let is_empty = pages.len() == 0;
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
        if is_empty {
            self.free_block(key, block, garbage);
        }
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
    /// Returns the page's name, or `None` inside if it was unreachable anyway.
    pub(crate) fn evict<const F: usize>(
        &mut self,
        key: &HashKey,
        with_name: bool,
        garbage: &mut Garbage<F>,
    ) -> Option<Option<([u64; 3], u32)>> {
        let mut at = self.oldest;
        for _ in 0..EVICTION_SEARCH_MAX {
            let id = at.some()?;
            let page = self.pages.get(id);
            if page.nr_pins == 0 {
                let name = if with_name { self.name_of(id) } else { None };
                self.remove(key, id, Aging::Aged, garbage);
                self.stats.evicted += 1;
                return Some(name);
            }
            at = page.younger;
        }
        None
    }

    /// Hands one more block of an emptied shard to the garbage. `true` when none is left.
    pub(crate) fn dismantle<const F: usize>(&mut self, garbage: &mut Garbage<F>) -> bool {
        self.index.dismantle(garbage)
            && self.blocks.dismantle(garbage)
            && self.maps.dismantle(garbage)
            && (self.nr_orphans > 0 || self.pages.dismantle(garbage))
    }
}

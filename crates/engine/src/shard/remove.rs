//! Removal, under the shard's lock: of a page, with the block that it leaves empty, and of the
//! oldest page.

use super::find::look_up;
use super::{Aging, FullName, PageName, State};
use crate::block::{Block, Links};
use crate::broken;
use crate::frame::Frame;
use crate::garbage::Garbage;
use crate::hash::HashKey;
use crate::index::Lead;
use crate::member::Members;
use crate::page::Standing;
use crate::slab::SlotId;

/// How far from the oldest end eviction looks for a page that nobody is reading.
const EVICTION_SEARCH_MAX: usize = 16;

/// What became of a page that is to go.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a frame that is dropped is lost"]
pub(crate) enum Removed {
    /// It is gone, and nobody reads its frame.
    Free(Frame),
    /// It is gone; the calls that are reading its frame will free it.
    Read,
    /// It is being read and there is no place for its frame elsewhere: nobody finds it any more,
    /// and its last reader removes it.
    Doomed,
}

impl Removed {
    /// The frame that is to be freed now.
    pub(crate) fn frame(self) -> Option<Frame> {
        match self {
            Self::Free(frame) => Some(frame),
            Self::Read | Self::Doomed => None,
        }
    }
}

/// What an eviction came to.
#[derive(Debug)]
#[must_use = "a frame that is dropped is lost"]
pub(crate) enum Evicted {
    /// A page is gone: its frame and its name.
    Page(Frame, Option<FullName>),
    /// The oldest page, if there is one, is younger than was thought.
    Younger,
    /// No page, or none that nobody is reading among the oldest.
    Nothing,
}

/// What a block comes to when one of its pages is taken out.
#[derive(Clone, Copy)]
struct Counted {
    /// Whether few are left.
    is_sparse: bool,
    /// Whether none is left.
    is_empty: bool,
    /// The block's head or none; `None`: the block is dead.
    head: Option<SlotId>,
}

/// Counts a page of the block as taken out.
#[inline(always)]
fn count_taken(block: &Block) -> Counted {
    let Some(pages) = block.pages() else { broken::no_such_page() };
    let is_sparse = pages.taken();
    let head = match *block {
        Block::First { .. } => Some(SlotId::NONE),
        Block::Further { head, .. } => Some(head),
        _ => None,
    };
    Counted { is_sparse, is_empty: pages.len() == 0, head }
}

impl State {
    /// Takes out the reachable page of this name, a claimed or doomed one too. As
    /// [`remove`](Self::remove).
    #[inline(always)]
    pub(crate) fn remove_named(
        &mut self,
        key: &HashKey,
        name: &PageName,
        members: Option<&Members<'_>>,
        aging: Aging,
    ) -> Option<Removed> {
        let foresight = (aging == Aging::Ageless).then_some(&self.foresight);
        let (lead, block) = look_up(&self.index, &self.blocks, &self.nr_dead, foresight, name)
            .filter(|(lead, _)| self.is_kept(lead.block(), members))?;
        let Some(map) = lead.map() else { return self.remove(key, lead, name.place, aging) };
        let entry = self.maps.get_mut(map).page_mut(name.place)?;
        if entry.nr_pins(aging) > 0 {
            return self.remove_read(key, lead, name.place, aging);
        }
        let counted = count_taken(block);
        let mut entry = core::mem::take(entry);
        self.unlist(key, lead, entry.record(), aging, counted);
        entry.take_frame().map(Removed::Free)
    }

    /// Takes out the page at `place` of the block that `lead` leads to and hands its frame over, or
    /// leaves the frame to the calls that are reading it. `None`: there is no such page.
    #[inline(always)]
    pub(crate) fn remove(
        &mut self,
        key: &HashKey,
        lead: Lead,
        place: u8,
        aging: Aging,
    ) -> Option<Removed> {
        let entry = self.page_mut(lead, place)?;
        if entry.nr_pins(aging) > 0 {
            return self.remove_read(key, lead, place, aging);
        }
        let mut entry = core::mem::take(entry);
        self.taken(key, lead, entry.record(), aging);
        entry.take_frame().map(Removed::Free)
    }

    /// The same for a page that is being read.
    #[cold]
    #[inline(never)]
    fn remove_read(
        &mut self,
        key: &HashKey,
        lead: Lead,
        place: u8,
        aging: Aging,
    ) -> Option<Removed> {
        let has_room = self.orphans.has_room();
        let entry = self.page_mut(lead, place)?;
        if !has_room {
            entry.stand(Standing::Doomed);
            return Some(Removed::Doomed);
        }
        let mut entry = core::mem::take(entry);
        let nr_pins = entry.nr_pins(aging);
        self.taken(key, lead, entry.record(), aging);
        let frame = entry.take_frame()?;
        Some(self.orphans.push(frame, nr_pins).map_or_else(Removed::Free, |()| Removed::Read))
    }

    /// Notes that a page, whose record of age is `record`, was taken out of its entry.
    #[inline(always)]
    pub(super) fn taken(&mut self, key: &HashKey, lead: Lead, record: SlotId, aging: Aging) {
        let counted = count_taken(self.blocks.get(lead.block()));
        self.unlist(key, lead, record, aging, counted);
    }

    /// Takes a page, which is counted in its block no more, off all that is counted and listed
    /// elsewhere.
    #[inline(always)]
    fn unlist(
        &mut self,
        key: &HashKey,
        lead: Lead,
        record: SlotId,
        aging: Aging,
        Counted { is_sparse, is_empty, head }: Counted,
    ) {
        if aging == Aging::Aged {
            self.forget_age(record);
        }
        let Some(head) = head else { return self.taken_from_dead(key, lead, is_sparse, is_empty) };
        if let Some(head) = head.some() {
            let Some(headed) = self.headed_pages(head) else {
                // Of a head that was flushed.
                return self.taken_from_dead(key, lead, is_sparse, is_empty);
            };
            headed.set(headed.get() - 1);
        }
        self.nr_live -= 1;
        // The last pages of the block that may keep its map have nothing to see to but the last of all.
        if is_sparse && (self.thinned != lead.block() || is_empty) {
            self.tidy(key, lead);
        }
    }

    #[cold]
    #[inline(never)]
    fn taken_from_dead(&mut self, key: &HashKey, lead: Lead, is_sparse: bool, is_empty: bool) {
        self.nr_dead_pages -= 1;
        if is_sparse && (self.thinned != lead.block() || is_empty) {
            self.tidy(key, lead);
        }
    }

    /// Sees to a block that has few pages left: frees it if it has none, and gives up a map that
    /// is not worth its room, but not while no other block has one. For most often the last pages go
    /// one after the other, and the map with them.
    #[inline(never)]
    fn tidy(&mut self, key: &HashKey, lead: Lead) {
        let block = lead.block();
        let Some(pages) = self.blocks.get(block).pages() else { return };
        if pages.len() == 0 {
            self.free_block(key, lead);
        } else if lead.map().is_some() && self.thinned != block {
            let former = core::mem::replace(&mut self.thinned, block);
            if let Some(former) = former.some() {
                self.give_up_map(key, former);
            }
        }
    }

    /// Brings the pages of a block home from its map, if they are few.
    #[inline(never)]
    fn give_up_map(&mut self, key: &HashKey, block: SlotId) {
        let Some(pages) = self.blocks.get_mut(block).pages_mut() else { return };
        if pages.is_sparse()
            && let Some(has_excess) = pages.shrink(&mut self.maps)
        {
            self.has_news |= has_excess;
            if let Some(hash) = self.hash_of(key, block) {
                self.index.set_map(hash.0, block, SlotId::NONE);
            }
        }
    }

    /// Whether more has changed than pages: then all is to be published, and
    /// [`collect`](Self::collect) to be called, before the lock is released.
    #[inline(always)]
    pub(crate) const fn has_news(&self) -> bool {
        self.has_news
    }

    /// Hands what removals have left empty to the garbage; after each removal, for there is room
    /// for what one leaves.
    pub(crate) fn collect<const F: usize>(&mut self, garbage: &mut Garbage<F>) {
        if core::mem::take(&mut self.has_news) {
            self.index.collect(garbage);
            self.blocks.collect(garbage);
            self.maps.collect(garbage);
            self.ages.collect(garbage);
        }
    }

    /// Frees an empty block's record, and its map.
    fn free_block(&mut self, key: &HashKey, lead: Lead) {
        let block = lead.block();
        if self.thinned == block {
            self.thinned = SlotId::NONE;
        }
        if let Some(map) = lead.map() {
            self.has_news |= self.maps.remove_empty(map);
        }
        if let Some(hash) = self.hash_of(key, block) {
            self.has_news |= self.index.remove(hash.0, block);
        }
        let record = self.blocks.get_mut(block);
        let left = match *record {
            Block::Further { head, links, .. } => Some((Some(head), links)),
            Block::Dead { links, .. } => Some((None, links)),
            _ => None,
        };
        *record = Block::Vacant;
        self.has_news |= self.blocks.remove_empty(block);
        match left {
            Some((Some(head), links)) => self.leave_head(key, head, links),
            Some((None, links)) => self.unlink_dead(links),
            None => {}
        }
    }

    /// Takes the block with these links out of its head's list; a head that it leaves empty goes
    /// along.
    pub(super) fn leave_head(&mut self, key: &HashKey, head: SlotId, Links { prev, next }: Links) {
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
            Block::Head { first, .. } | Block::DeadHead { first, .. } => {
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
            self.has_news |= self.index.remove(hash.0, head);
        }
        self.forget_recent_head();
        self.nr_heads -= 1;
        self.has_news = true;
        let (record, has_excess) = self.blocks.remove(head);
        self.has_news |= has_excess;
        if let Block::DeadHead { links, .. } = record {
            self.unlink_dead(links);
        }
    }

    /// Evicts the oldest page that nobody is reading, unless all pages are younger than `bound`: its
    /// frame, and its name if that is asked for and the page could still be found.
    pub(crate) fn evict(&mut self, key: &HashKey, bound: u64, with_name: bool) -> Evicted {
        let mut at = self.ages.raise_bound();
        if self.ages.bound() > bound {
            return Evicted::Younger;
        }
        for _ in 0..EVICTION_SEARCH_MAX {
            let Some(id) = at else { break };
            let (block, place) = self.ages.page(id);
            let lead = self.lead_to(block);
            let page = self.page_mut(lead, place);
            if page.is_some_and(|page| page.nr_pins(Aging::Aged) == 0) {
                let name = if with_name { self.name_of(block, place) } else { None };
                let removed = self.remove(key, lead, place, Aging::Aged);
                let Some(frame) = removed.and_then(Removed::frame) else { break };
                self.stats.evicted += 1;
                self.ages.raise_bound();
                return Evicted::Page(frame, name);
            }
            at = self.ages.younger(id);
        }
        Evicted::Nothing
    }

    /// Hands one more block of an emptied shard to the garbage. `true` when none is left.
    pub(crate) fn dismantle<const F: usize>(&mut self, garbage: &mut Garbage<F>) -> bool {
        self.index.dismantle(garbage)
            && self.blocks.dismantle(garbage)
            && self.maps.dismantle(garbage)
            && self.ages.dismantle(garbage)
    }
}

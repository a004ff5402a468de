//! Blocks and objects that were flushed: at once unreachable, freed page by page later.

use super::remove::Removed;
use super::{Aging, PageName, State};
use crate::block::{Block, Links};
use crate::broken;
use crate::garbage::Garbage;
use crate::hash::HashKey;
use crate::member::Members;
use crate::slab::{Scanned, SlotId};

/// Chunks of blocks that one slice looks at in search of one that is used: a guest may have made
/// thousands and flushed the blocks of all but the last.
const CHUNKS_PER_SLICE_MAX: usize = 256;

impl State {
    /// Makes a live block and its pages unreachable, in constant time.
    pub(super) fn kill_block(&mut self, key: &HashKey, block: SlotId) {
        let Some(hash) = self.hash_of(key, block) else { return };
        self.has_news |= self.index.remove(hash.0, block);
        let links = self.push_dead(block);
        let record = self.blocks.get_mut(block);
        match core::mem::take(record) {
            Block::First { pages, .. } => {
                self.nr_live -= pages.len();
                self.nr_dead_pages += pages.len();
                *record = Block::Dead { links, gap: [0; 2], pages };
            }
            Block::Further { pages, head, links: siblings, .. } => {
                let nr_pages = pages.len();
                *record = Block::Dead { links, gap: [0; 2], pages };
                if let Some(headed) = self.headed_pages(head) {
                    headed.set(headed.get() - nr_pages);
                    self.nr_live -= nr_pages;
                    self.nr_dead_pages += nr_pages;
                }
                self.leave_head(key, head, siblings);
            }
            other => *record = other,
        }
    }

    /// Makes the blocks that a live head lists unreachable, in constant time.
    pub(super) fn kill_head(&mut self, key: &HashKey, head: SlotId) {
        self.forget_recent_head();
        let Block::Head { oid, first, ref nr_pages } = *self.blocks.get(head) else { return };
        let nr_pages = nr_pages.get();
        self.nr_live -= nr_pages;
        self.nr_dead_pages += nr_pages;
        self.has_news |= self.index.remove(key.head(oid).0, head);
        let links = self.push_dead(head);
        *self.blocks.get_mut(head) = Block::DeadHead { links, first, oid };
    }

    /// Puts `block` at the front of the list of dead ones and tells its links.
    fn push_dead(&mut self, block: SlotId) -> Links {
        let next = self.dead;
        if let Some(next) = next.some()
            && let Some(links) = self.blocks.get_mut(next).dead_links_mut()
        {
            links.prev = block;
        }
        self.dead = block;
        self.nr_dead += 1;
        self.has_news = true;
        Links { next, ..Links::ALONE }
    }

    /// Takes the one with these links out of the list of dead ones.
    pub(super) fn unlink_dead(&mut self, Links { prev, next }: Links) {
        if let Some(next) = next.some()
            && let Some(links) = self.blocks.get_mut(next).dead_links_mut()
        {
            links.prev = prev;
        }
        match prev.some() {
            Some(prev) => {
                if let Some(links) = self.blocks.get_mut(prev).dead_links_mut() {
                    links.next = next;
                }
            }
            None => self.dead = next,
        }
        self.nr_dead -= 1;
        self.has_news = true;
    }

    /// Makes what this shard has of the object unreachable. Whether it had anything.
    pub(crate) fn kill_named(&mut self, key: &HashKey, name: &PageName) -> bool {
        let block = self.find_block(name);
        if let Some(lead) = block {
            self.kill_block(key, lead.block());
        }
        let head = self.find_head(key, name);
        if let Some(head) = head {
            self.kill_head(key, head);
        }
        block.is_some() || head.is_some()
    }

    /// Any page of a dead block or a dead head's block.
    fn dead_page(&self) -> Option<(SlotId, u8)> {
        let dead = self.dead.some()?;
        let block = match self.blocks.get(dead) {
            Block::DeadHead { first, .. } => *first,
            _ => dead,
        };
        let place = self.blocks.get(block).pages()?.any(&self.maps)?;
        Some((block, place))
    }

    /// Frees pages of dead blocks, at most `budget`; counts down what it visits.
    pub(crate) fn drain_dead<const F: usize>(
        &mut self,
        key: &HashKey,
        aging: Aging,
        budget: &mut usize,
        garbage: &mut Garbage<F>,
    ) {
        while *budget > 0
            && !garbage.is_full()
            && let Some(page) = self.dead_page()
        {
            *budget -= 1;
            let (block, place) = page;
            match self.remove(key, self.lead_to(block), place, aging) {
                Some(Removed::Free(frame)) => garbage.push_frame(frame),
                Some(Removed::Read) => {}
                // Its readers are about to be done: the next slice finds it gone, or a place free.
                Some(Removed::Doomed) => return,
                None => broken::no_such_page(),
            }
            self.collect(garbage);
        }
    }

    /// Frees pages of whatever blocks there are, at most `budget`, dead ones first.
    pub(crate) fn drain<const F: usize>(
        &mut self,
        key: &HashKey,
        aging: Aging,
        budget: &mut usize,
        garbage: &mut Garbage<F>,
    ) {
        let mut chunks = CHUNKS_PER_SLICE_MAX;
        loop {
            self.drain_dead(key, aging, budget, garbage);
            if *budget == 0 || garbage.is_full() || self.has_dead() {
                return;
            }
            let Scanned::Found(block) = self.blocks.next_used(SlotId(0), &mut chunks) else {
                return;
            };
            match *self.blocks.get(block) {
                Block::Head { .. } => self.kill_head(key, block),
                Block::Further { head, .. } => self.kill_head(key, head),
                _ => self.kill_block(key, block),
            }
            self.collect(garbage);
        }
    }

    /// Makes blocks unreachable whose last user has left, from slot `from` on; counts `budget`
    /// down for each that it visits. Returns where to go on, or `None` at the end.
    pub(crate) fn sweep<const F: usize>(
        &mut self,
        key: &HashKey,
        members: &Members<'_>,
        from: SlotId,
        budget: &mut usize,
        garbage: &mut Garbage<F>,
    ) -> Option<SlotId> {
        let (mut at, mut chunks) = (from, CHUNKS_PER_SLICE_MAX);
        loop {
            let block = match self.blocks.next_used(at, &mut chunks) {
                Scanned::Found(block) => block,
                Scanned::Unfinished(at) => return Some(at),
                Scanned::End => return None,
            };
            if *budget == 0 || garbage.is_full() {
                return Some(block);
            }
            *budget -= 1;
            if self.blocks.get(block).last_user().is_some_and(|user| !members.is_alive(user)) {
                self.kill_block(key, block);
                self.collect(garbage);
            }
            at = SlotId(block.0 + 1);
        }
    }
}

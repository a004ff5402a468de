//! Look-up, under the shard's lock: from a page's name to its block and its record.

use super::State;
use super::foresight::Foresight;
use crate::block::{Block, Blocks};
use crate::hash::{BlockHash, HashKey};
use crate::index::{Index, Lead};
use crate::member::Members;
use crate::page::{Entry, Standing};
use crate::page_set::{PLACE_BITS, PageSet, place_of};
use crate::slab::SlotId;
use core::cell::Cell;

/// The live head whose pages were counted last, twice in a row: large objects are written page by
/// page, so its pages are counted again and again.
#[derive(Debug)]
pub(super) struct RecentHead {
    id: Cell<SlotId>,
    /// Pages in all of its blocks.
    nr_pages: Cell<u32>,
}

impl RecentHead {
    pub(super) const fn none() -> Self {
        Self { id: Cell::new(SlotId::NONE), nr_pages: Cell::new(0) }
    }
}

/// Of so many calls that meet another head than the recent one, one makes it the recent one.
const ADOPTION: u64 = 8;

/// An object's id and a page's index in it.
pub(crate) type FullName = ([u64; 3], u32);

/// A page's name, taken apart and hashed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageName {
    pub(crate) oid: [u64; 3],
    /// The block's number in the object.
    pub(crate) number: u32,
    /// The page's place in the block.
    pub(crate) place: u8,
    pub(crate) block_hash: BlockHash,
}

impl PageName {
    #[inline(always)]
    pub(crate) const fn new(key: &HashKey, oid: [u64; 3], index: u32) -> Self {
        let block_hash = key.block(oid, index >> PLACE_BITS);
        Self::hashed(oid, index, block_hash)
    }

    /// The same where the block's hash is known.
    #[inline(always)]
    pub(super) const fn hashed(oid: [u64; 3], index: u32, block_hash: BlockHash) -> Self {
        Self { oid, number: index >> PLACE_BITS, place: place_of(index), block_hash }
    }

    /// The page's index in the object.
    #[inline(always)]
    pub(crate) fn index(&self) -> u32 {
        index_of(self.number, self.place)
    }
}

/// Whether two ids are the same, without a detour over memory.
#[inline(always)]
const fn is_same([a0, a1, a2]: [u64; 3], [b0, b1, b2]: [u64; 3]) -> bool {
    (a0 ^ b0) | (a1 ^ b1) | (a2 ^ b2) == 0
}

/// The index of the page at `place` of block `number`.
pub(super) fn index_of(number: u32, place: u8) -> u32 {
    number << PLACE_BITS | u32::from(place)
}

/// The hash under which a block or a head is in the index; `None` for one that is not.
pub(super) fn hash_of(blocks: &Blocks, key: &HashKey, id: SlotId) -> Option<BlockHash> {
    match *blocks.get(id) {
        Block::First { oid, .. } => Some(key.block(oid, 0)),
        Block::Head { oid, .. } => Some(key.head(oid)),
        Block::Further { head, number, .. } => match *blocks.get(head) {
            Block::Head { oid, .. } | Block::DeadHead { oid, .. } => Some(key.block(oid, number)),
            _ => None,
        },
        Block::Vacant | Block::Dead { .. } | Block::DeadHead { .. } => None,
    }
}

/// The way to the block of this name, and the block. `nr_dead`: blocks and heads that were flushed,
/// which is looked at last.
///
/// Of fields and not of all of the shard, so that the block stays at hand while its pages change.
#[inline(always)]
pub(super) fn look_up<'a>(
    index: &Index,
    blocks: &'a Blocks,
    nr_dead: &u32,
    foresight: Option<&Foresight>,
    name: &PageName,
) -> Option<(Lead, &'a Block)> {
    if let Some(foresight) = foresight
        && foresight.is_trusted()
    {
        let (block, map) = foresight.guess(name);
        if let Some(found @ Block::Further { number, pages, .. }) = blocks.try_get(block)
            && *number == name.number
            && is_labelled(pages, nr_dead, name.oid)
            && pages.map() == map
        {
            // What was guessed and not what was read: a CPU need not wait for the block then.
            return Some((Lead::new(block, map), found));
        }
        foresight.distrust();
    }
    let hash = name.block_hash.0;
    // The first entry that looks right nearly always is: tags of one table differ in 13 to 24 bits.
    let lead = index.probe(hash)?.next()?;
    let block = blocks.get(lead.block());
    if is_named(blocks, block, nr_dead, name.number, name.oid) {
        // What lies in its first block is found without guessing.
        if let Some(foresight) = foresight
            && name.number != 0
        {
            foresight.learn(name.number, lead);
        }
        return Some((lead, block));
    }
    let [o0, o1, o2] = name.oid;
    let lead = look_up_among_many(index, blocks, nr_dead, hash, name.number, o0, o1, o2)?;
    Some((lead, blocks.get(lead.block())))
}

/// The same where several entries look right. The id comes word by word, for in registers it costs
/// those who do not come here nothing.
#[cold]
#[inline(never)]
#[expect(clippy::too_many_arguments, reason = "word by word they cost the common way nothing")]
fn look_up_among_many(
    index: &Index,
    blocks: &Blocks,
    nr_dead: &u32,
    hash: u64,
    number: u32,
    o0: u64,
    o1: u64,
    o2: u64,
) -> Option<Lead> {
    let is_it =
        |lead: &Lead| is_named(blocks, blocks.get(lead.block()), nr_dead, number, [o0, o1, o2]);
    index.probe(hash)?.find(is_it)
}

/// Whether the block is number `wanted` of object `oid`.
#[inline(always)]
fn is_named(
    blocks: &Blocks,
    block: &Block,
    nr_dead: &u32,
    wanted: u32,
    wanted_oid: [u64; 3],
) -> bool {
    match block {
        Block::First { oid, .. } => wanted == 0 && is_same(*oid, wanted_oid),
        Block::Further { head, number, pages, .. } => {
            let [o0, o1, o2] = wanted_oid;
            *number == wanted
                && (is_labelled(pages, nr_dead, wanted_oid)
                    || is_head_of(blocks, *head, o0, o1, o2))
        }
        _ => false,
    }
}

/// Whether a further block says of itself that it is of this object. One of a head that was flushed
/// is not, so where there may be such a head is to be asked.
#[inline(always)]
fn is_labelled(pages: &PageSet, nr_dead: &u32, wanted: [u64; 3]) -> bool {
    *nr_dead == 0 && pages.label().is_some_and(|label| is_same(label, wanted))
}

/// The id comes word by word, as in [`look_up_among_many`].
#[inline(never)]
fn is_head_of(blocks: &Blocks, head: SlotId, o0: u64, o1: u64, o2: u64) -> bool {
    matches!(blocks.get(head), Block::Head { oid, .. } if is_same(*oid, [o0, o1, o2]))
}

impl State {
    /// The block of this name, even if its last user has left.
    #[inline(always)]
    pub(super) fn find_block(&self, name: &PageName) -> Option<Lead> {
        look_up(&self.index, &self.blocks, &self.nr_dead, None, name).map(|(lead, _)| lead)
    }

    /// The same, by a guess if there is one.
    #[inline(always)]
    pub(super) fn guess_block(&self, name: &PageName) -> Option<Lead> {
        let Self { index, blocks, nr_dead, foresight, .. } = self;
        look_up(index, blocks, nr_dead, Some(foresight), name).map(|(lead, _)| lead)
    }

    /// Has the recent head count its pages itself again.
    pub(super) fn forget_recent_head(&self) {
        let recent = self.recent_head.id.replace(SlotId::NONE);
        if let Some(recent) = recent.some()
            && let Block::Head { nr_pages, .. } = self.blocks.get(recent)
        {
            nr_pages.set(self.recent_head.nr_pages.get());
        }
    }

    /// The count of a live head's pages, wherever it stands.
    #[inline(always)]
    pub(super) fn headed_pages(&self, head: SlotId) -> Option<&Cell<u32>> {
        if self.recent_head.id.get() == head {
            return Some(&self.recent_head.nr_pages);
        }
        self.other_headed_pages(head)
    }

    #[inline(never)]
    fn other_headed_pages(&self, head: SlotId) -> Option<&Cell<u32>> {
        let Block::Head { nr_pages, .. } = self.blocks.get(head) else { return None };
        // One that is met between others is rarely worth the change; one that is met all the time
        // gets it soon.
        if !self.stats.nr_changes().is_multiple_of(ADOPTION) {
            return Some(nr_pages);
        }
        let recent = &self.recent_head;
        self.forget_recent_head();
        recent.id.set(head);
        recent.nr_pages.set(nr_pages.get());
        Some(&recent.nr_pages)
    }

    /// The head of the object, if it is a large one.
    pub(super) fn find_head(&self, key: &HashKey, name: &PageName) -> Option<SlotId> {
        if self.nr_heads == 0 {
            return None;
        }
        let [o0, o1, o2] = name.oid;
        let mut leads = self.index.probe(key.head(name.oid).0)?;
        let is_it = |lead: &Lead| is_head_of(&self.blocks, lead.block(), o0, o1, o2);
        leads.find(is_it).map(Lead::block)
    }

    /// Whether the block's last user is still in the pool.
    #[inline(always)]
    pub(super) fn is_kept(&self, block: SlotId, members: Option<&Members<'_>>) -> bool {
        members.is_none_or(|members| {
            !members.has_somebody_left()
                || self.blocks.get(block).last_user().is_some_and(|user| members.is_alive(user))
        })
    }

    /// Whether a put under this name would replace a page.
    pub(crate) fn holds(&mut self, name: &PageName, members: Option<&Members<'_>>) -> bool {
        let lead = self.find_block(name).filter(|lead| self.is_kept(lead.block(), members));
        let page = lead.and_then(|lead| self.page_mut(lead, name.place));
        page.is_some_and(|page| page.standing() != Standing::Doomed)
    }

    /// The way to a block that is known already.
    pub(super) fn lead_to(&self, block: SlotId) -> Lead {
        let map = self.blocks.get(block).pages().map_or(SlotId::NONE, PageSet::map);
        Lead::new(block, map)
    }

    /// The page of this name in the block that `lead` leads to, to be changed; it stays a page.
    #[inline(always)]
    pub(super) fn page_mut(&mut self, lead: Lead, place: u8) -> Option<&mut Entry> {
        match lead.map() {
            Some(map) => self.maps.get_mut(map).page_mut(place),
            // A block without a map, as the index says.
            None => self.blocks.get_mut(lead.block()).pages_mut()?.inline_mut(place),
        }
    }

    /// What `look` says of the entry that `lead` leads to, if it still leads anywhere: of this page,
    /// of another, or of none.
    #[inline(always)]
    pub(super) fn with_entry(
        &mut self,
        lead: Lead,
        place: u8,
        look: impl FnOnce(&mut Entry) -> bool,
    ) -> bool {
        match lead.map() {
            Some(map) => match self.maps.try_get_mut(map) {
                Some(map) => look(map.entry_mut(place)),
                None => false,
            },
            None => {
                let pages = self.blocks.try_get_mut(lead.block()).and_then(Block::pages_mut);
                match pages.and_then(|pages| pages.inline_mut(place)) {
                    Some(entry) => look(entry),
                    None => false,
                }
            }
        }
    }

    /// The hash under which a block or a head is in the index.
    pub(super) fn hash_of(&self, key: &HashKey, id: SlotId) -> Option<BlockHash> {
        hash_of(&self.blocks, key, id)
    }

    /// The id and the index of the page at `place` of `block`, if it can be found.
    pub(super) fn name_of(&self, block: SlotId, place: u8) -> Option<FullName> {
        match *self.blocks.get(block) {
            Block::First { oid, .. } => Some((oid, index_of(0, place))),
            Block::Further { head, number, .. } => match *self.blocks.get(head) {
                Block::Head { oid, .. } => Some((oid, index_of(number, place))),
                _ => None,
            },
            _ => None,
        }
    }
}

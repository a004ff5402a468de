//! Put, under the shard's lock: swap a frame, or add a page.

use super::find::look_up;
use super::{Aging, PageName, State};
use crate::block::{Block, Links, Membership};
use crate::broken;
use crate::frame::Frame;
use crate::hash::{BlockHash, HashKey};
use crate::index::Lead;
use crate::member::Members;
use crate::page::{Entry, Standing};
use crate::page_set::PageSet;
use crate::slab::{SlabNeed, SlotId};
use crate::stock::{Need, Stock};
use core::cell::Cell;

/// What a put under the lock came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PutStep {
    /// A new page.
    Stored,
    /// The frame took the place of this one.
    Replaced(Frame),
    /// As `Replaced`, but the old frame is being read and is freed by its last reader.
    ReplacedInUse,
    /// The frame was not taken.
    Unput(Unput, Frame),
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unput {
    /// Nothing happened: the pool is gone.
    NoPool,
    /// Nothing happened: bring this block and come again.
    Need(Need),
    /// There was no page, and none may be added.
    Absent,
    /// The page that was there is being read, and none may be added: it was removed.
    Removed,
}

/// One put, as it is from beginning to end. Rare ways out of the common one take it word by word, so
/// that there it stays in registers: who passes a reference has it in memory all along.
#[derive(Clone, Copy)]
pub(crate) struct Put<'a> {
    pub(crate) key: &'a HashKey,
    pub(crate) name: PageName,
    /// Of a shared pool.
    pub(crate) members: Option<&'a Members<'a>>,
    pub(crate) aging: Aging,
    /// Whether new content makes a page young.
    pub(crate) refreshes: bool,
    /// Whether a new page may be added; a swap is always possible.
    pub(crate) may_add: bool,
}

/// Counts a page that is put into its block's map. The block's head, if it has one.
#[inline(always)]
fn count_in_block(block: &Block) -> SlotId {
    match block {
        Block::Further { head, pages, .. } => {
            pages.added();
            *head
        }
        Block::First { pages, .. } => {
            pages.added();
            SlotId::NONE
        }
        _ => broken::no_such_page(),
    }
}

/// Who uses a new block. In a private pool nobody asks.
#[inline(always)]
fn user_of(members: Option<&Members<'_>>) -> Membership {
    members.map_or_else(Membership::default, Members::own)
}

impl State {
    /// Stores `frame` under `name`: swaps it for the frame that is there, or adds a page. `stamp`
    /// gives the age of a page that is created.
    #[inline(always)]
    pub(crate) fn put(
        &mut self,
        put: &Put<'_>,
        frame: Frame,
        stamp: impl FnOnce() -> u64,
        stock: Option<&mut Stock>,
    ) -> PutStep {
        let Put { key, name, members, aging, refreshes, may_add } = *put;
        let foresight = (aging == Aging::Ageless).then_some(&self.foresight);
        let found = look_up(&self.index, &self.blocks, &self.nr_dead, foresight, &name);
        let lead = found.map(|(lead, _)| lead);
        if let Some((way, block)) = found.filter(|(lead, _)| self.is_kept(lead.block(), members)) {
            let is_ready = may_add && (aging == Aging::Ageless || self.ages.is_ready());
            let entry = match way.map() {
                Some(map) => {
                    let entry = self.maps.get_mut(map).entry_mut(name.place);
                    // In a map there is room.
                    if !entry.is_page() && is_ready {
                        let head = count_in_block(block);
                        match aging {
                            Aging::Ageless => *entry = Entry::ageless(frame),
                            Aging::Aged => {
                                let record = self.ages.add(way.block(), name.place, stamp());
                                *entry = Entry::aged(frame, record);
                            }
                        }
                        self.set_last_user(way.block(), members);
                        self.count_added(head);
                        return PutStep::Stored;
                    }
                    Some(entry).filter(|entry| entry.is_page())
                }
                None => {
                    let block = self.blocks.get_mut(way.block());
                    let head = block.head();
                    let mut pages = block.pages_mut();
                    let at = pages.as_ref().and_then(|pages| pages.inline_at(name.place));
                    match &mut pages {
                        Some(pages) if at.is_none() && is_ready && pages.is_ready(&self.maps) => {
                            let entry = match aging {
                                Aging::Ageless => Entry::ageless(frame),
                                Aging::Aged => {
                                    let record = self.ages.add(way.block(), name.place, stamp());
                                    Entry::aged(frame, record)
                                }
                            };
                            if pages.has_inline_room() {
                                pages.insert_inline(name.place, entry);
                            } else {
                                let [o0, o1, o2] = name.oid;
                                let map = pages.move_to_map(&mut self.maps, o0, o1, o2);
                                *self.maps.get_mut(map).entry_mut(name.place) = entry;
                                self.index.set_map(name.block_hash.0, way.block(), map);
                            }
                            self.set_last_user(way.block(), members);
                            self.count_added(head);
                            return PutStep::Stored;
                        }
                        _ => pages.zip(at).and_then(|(pages, at)| pages.inline_entry(at)),
                    }
                }
            };
            if let Some(entry) = entry {
                if !entry.is_idle(aging) || refreshes {
                    let place = name.place;
                    return self.replace(
                        key, place, members, aging, refreshes, may_add, way, frame, stamp, stock,
                    );
                }
                let Some(old) = entry.swap_frame(Some(frame)) else { broken::no_such_page() };
                self.set_last_user(way.block(), members);
                self.stats.puts_replaced += 1;
                return PutStep::Replaced(old);
            }
        }
        let ([o0, o1, o2], index) = (name.oid, name.index());
        let hash = name.block_hash;
        self.put_sparse(
            key, o0, o1, o2, index, hash, members, aging, may_add, lead, frame, stamp, stock,
        )
    }

    /// Counts a page that was added to a block of `head`, if that is one.
    #[inline(always)]
    fn count_added(&mut self, head: SlotId) {
        if let Some(head) = head.some()
            && let Some(headed) = self.headed_pages(head)
        {
            headed.set(headed.get() + 1);
        }
        self.nr_live += 1;
        self.stats.puts_stored += 1;
    }

    /// Adds a page to a block that is not there, or has no map, or lacks metadata.
    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "word by word they cost the common way nothing")]
    fn put_sparse(
        &mut self,
        key: &HashKey,
        o0: u64,
        o1: u64,
        o2: u64,
        index: u32,
        hash: BlockHash,
        members: Option<&Members<'_>>,
        aging: Aging,
        may_add: bool,
        mut lead: Option<Lead>,
        frame: Frame,
        stamp: impl FnOnce() -> u64,
        stock: Option<&mut Stock>,
    ) -> PutStep {
        let name = PageName::hashed([o0, o1, o2], index, hash);
        // The page is not there, so nothing is refreshed.
        let put = Put { key, name, members, aging, refreshes: false, may_add };
        if let Some(block) = lead.map(Lead::block)
            && !self.is_kept(block, put.members)
        {
            // Its last user has left: what it held stays unreachable (R36).
            self.kill_block(put.key, block);
            lead = None;
        }
        if !put.may_add {
            return PutStep::Unput(Unput::Absent, frame);
        }
        if lead.is_none()
            && name.number == 0
            && (aging == Aging::Ageless || self.ages.is_ready())
            && self.blocks.is_ready()
            && let Some(table) = self.index.table_with_room(hash.0)
        {
            // Most often what the first block of an object wants is there already.
            self.add_first(
                user_of(members),
                [o0, o1, o2],
                name.place,
                hash,
                aging,
                table,
                frame,
                stamp,
            );
            return PutStep::Stored;
        }
        let has_record = aging == Aging::Ageless || self.ages.is_ready();
        let has_place = |lead: &Lead| {
            let pages = || self.blocks.get(lead.block()).pages();
            lead.map().is_some() || pages().is_some_and(|pages| pages.is_ready(&self.maps))
        };
        let ready = if has_record { lead.filter(has_place) } else { None };
        let lead = match (ready, stock) {
            (Some(lead), _) => lead,
            (None, stock) => {
                let prepared = match stock {
                    // What is lacking is seen from here in most cases.
                    None if !has_record => Err(Need::Ages(SlabNeed::Chunk)),
                    None if lead.is_some() => Err(Need::Maps(SlabNeed::Chunk)),
                    None if !self.blocks.is_ready() => Err(Need::Blocks(SlabNeed::Chunk)),
                    // Where the caller has brought nothing, what there is may do.
                    None => self.prepare(&put, lead, &mut Stock::default()),
                    Some(stock) => self.prepare(&put, lead, stock),
                };
                match prepared {
                    Ok(lead) => lead,
                    Err(need) => return PutStep::Unput(Unput::Need(need), frame),
                }
            }
        };
        self.add(name.oid, name.place, hash, members, aging, lead, frame, stamp);
        PutStep::Stored
    }

    /// Adds an object's first block with its first page, under `hash` in table `table` of the index.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "part of its only caller")]
    fn add_first(
        &mut self,
        user: Membership,
        oid: [u64; 3],
        place: u8,
        hash: BlockHash,
        aging: Aging,
        table: usize,
        frame: Frame,
        stamp: impl FnOnce() -> u64,
    ) {
        let Membership { client: last_client, epoch: last_epoch } = user;
        let block = self.blocks.insert_empty();
        let entry = match aging {
            Aging::Ageless => Entry::ageless(frame),
            Aging::Aged => {
                let record = self.ages.add(block, place, stamp());
                Entry::aged(frame, record)
            }
        };
        let pages = PageSet::of(place, entry);
        *self.blocks.get_mut(block) = Block::First { last_client, last_epoch, oid, pages };
        self.index.insert_in(table, hash.0, block);
        self.count_added(SlotId::NONE);
    }

    /// Puts the frame in the place of one that is being read, or of a page that becomes the
    /// youngest by it.
    #[cold]
    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "word by word they cost the common way nothing")]
    fn replace(
        &mut self,
        key: &HashKey,
        place: u8,
        members: Option<&Members<'_>>,
        aging: Aging,
        refreshes: bool,
        may_add: bool,
        lead: Lead,
        frame: Frame,
        stamp: impl FnOnce() -> u64,
        stock: Option<&mut Stock>,
    ) -> PutStep {
        let block = lead.block();
        let Some(entry) = self.page_mut(lead, place) else {
            return PutStep::Unput(Unput::Absent, frame);
        };
        // A page that an exclusive get has claimed is as good as gone: the put creates one.
        let creates = entry.standing() != Standing::Hooked;
        let is_aged_anew = aging == Aging::Aged && (creates || refreshes);
        // A put that may add nothing does without metadata; then the page stays as old as it is.
        if is_aged_anew && may_add && !self.ages.is_ready() {
            let prepared = match stock {
                None => Err(SlabNeed::Chunk),
                Some(stock) => self.prepare_age(&mut stock.ages),
            };
            if let Err(need) = prepared {
                return PutStep::Unput(Unput::Need(Need::Ages(need)), frame);
            }
        }
        let has_room = self.orphans.has_room();
        let Some(entry) = self.page_mut(lead, place) else {
            return PutStep::Unput(Unput::Absent, frame);
        };
        let nr_pins = entry.nr_pins(aging);
        // Somebody is reading the old frame without a lock, so it needs a place of its own, and it
        // keeps its charge until it is freed.
        if nr_pins > 0 && !(may_add && has_room) {
            // Read as it is, so no frame comes of it.
            let _ = self.remove(key, lead, place, aging);
            return PutStep::Unput(Unput::Removed, frame);
        }
        let record = entry.record();
        let old = entry.swap_frame(Some(frame));
        entry.clear_pins(aging);
        let unread = match old {
            Some(old) if nr_pins > 0 => self.orphans.push(old, nr_pins).err(),
            old => old,
        };
        if is_aged_anew && self.ages.is_ready() {
            self.refresh(lead, place, record, stamp());
        }
        self.set_last_user(block, members);
        self.stats.puts_replaced += 1;
        unread.map_or(PutStep::ReplacedInUse, PutStep::Replaced)
    }

    /// Sees to it that one page can be added to the block, or to a new one. The way to it.
    #[cold]
    #[inline(never)]
    fn prepare(
        &mut self,
        put: &Put<'_>,
        lead: Option<Lead>,
        stock: &mut Stock,
    ) -> Result<Lead, Need> {
        if put.aging == Aging::Aged {
            self.prepare_age(&mut stock.ages).map_err(Need::Ages)?;
        }
        let Some(lead) = lead else { return self.new_block(put, stock).map(Lead::to) };
        if let Some(pages) = self.blocks.get(lead.block()).pages() {
            pages.prepare(&mut self.maps, &mut stock.maps).map_err(Need::Maps)?;
        }
        Ok(lead)
    }

    /// Adds a page that is not there. All is prepared.
    #[inline(always)]
    #[expect(clippy::too_many_arguments, reason = "part of its only caller")]
    fn add(
        &mut self,
        oid: [u64; 3],
        place: u8,
        hash: BlockHash,
        members: Option<&Members<'_>>,
        aging: Aging,
        lead: Lead,
        frame: Frame,
        stamp: impl FnOnce() -> u64,
    ) {
        let block = lead.block();
        let entry = match aging {
            Aging::Ageless => Entry::ageless(frame),
            Aging::Aged => {
                let record = self.ages.add(block, place, stamp());
                Entry::aged(frame, record)
            }
        };
        self.set_last_user(block, members);
        let record = self.blocks.get_mut(block);
        let head = record.head();
        let Some(pages) = record.pages_mut() else { broken::no_such_page() };
        if pages.has_inline_room() {
            pages.insert_inline(place, entry);
        } else {
            let map = match pages.map().some() {
                Some(map) => {
                    pages.added();
                    map
                }
                None => {
                    let [o0, o1, o2] = oid;
                    let map = pages.move_to_map(&mut self.maps, o0, o1, o2);
                    self.index.set_map(hash.0, block, map);
                    map
                }
            };
            *self.maps.get_mut(map).entry_mut(place) = entry;
        }
        self.count_added(head);
    }

    /// Makes an empty block, and a head if it is the first of an object's further blocks here.
    #[inline(never)]
    fn new_block(&mut self, put: &Put<'_>, stock: &mut Stock) -> Result<SlotId, Need> {
        let Put { key, name, members, .. } = *put;
        let name = &name;
        let head = if name.number == 0 { None } else { self.find_head(key, name) };
        let needs_head = name.number != 0 && head.is_none();
        if needs_head {
            self.blocks.prepare_two(&mut stock.blocks).map_err(Need::Blocks)?;
        } else {
            self.blocks.prepare(&mut stock.blocks).map_err(Need::Blocks)?;
        }
        let head_hash = key.head(name.oid).0;
        // Both entries may fall into one table.
        let entries = 1 + u16::from(needs_head);
        self.index.prepare(name.block_hash.0, entries, stock)?;
        if needs_head {
            self.index.prepare(head_hash, entries, stock)?;
        }
        // From here on nothing can fail.
        let (oid, number, pages) = (name.oid, name.number, PageSet::default());
        let Membership { client: last_client, epoch: last_epoch } = user_of(members);
        let block = if number == 0 {
            self.blocks.insert(Block::First { oid, pages, last_client, last_epoch })
        } else {
            let head = head.unwrap_or_else(|| {
                let record = Block::Head { oid, first: SlotId::NONE, nr_pages: Cell::new(0) };
                let head = self.blocks.insert(record);
                self.index.insert(head_hash, head);
                self.nr_heads += 1;
                self.has_news = true;
                head
            });
            let links = Links::ALONE;
            let record =
                Block::Further { last_client, last_epoch, head, number, links, gap: 0, pages };
            let block = self.blocks.insert(record);
            self.list_block(head, block);
            block
        };
        self.index.insert(name.block_hash.0, block);
        Ok(block)
    }

    /// Puts a block at the front of its head's list.
    fn list_block(&mut self, head: SlotId, block: SlotId) {
        let Block::Head { first, .. } = self.blocks.get_mut(head) else { return };
        let next = core::mem::replace(first, block);
        if let Block::Further { links, .. } = self.blocks.get_mut(block) {
            links.next = next;
        }
        if let Some(next) = next.some()
            && let Block::Further { links, .. } = self.blocks.get_mut(next)
        {
            links.prev = block;
        }
    }

    #[inline(always)]
    fn set_last_user(&mut self, block: SlotId, members: Option<&Members<'_>>) {
        if let Some(members) = members {
            self.blocks.get_mut(block).set_last_user(members.own());
        }
    }
}

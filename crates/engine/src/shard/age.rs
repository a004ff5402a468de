//! The age list: a shard's ephemeral pages from oldest to youngest, in the order of their stamps.

use crate::age_record::{Aged, Ages, PER_CHUNK};
use crate::slab::{Slab, SlotId};

/// The list, with all records of age.
#[derive(Debug)]
pub(super) struct AgeList {
    /// Of ephemeral pages only.
    pub(super) records: Ages,
    /// Stamp of the oldest page; `u64::MAX` when there is none.
    pub(super) oldest_stamp: u64,
    pub(super) oldest: SlotId,
    pub(super) youngest: SlotId,
}

impl AgeList {
    /// No page's stamp.
    const NO_STAMP: u64 = u64::MAX;

    pub(super) fn new() -> Self {
        Self {
            records: Slab::new(),
            oldest_stamp: Self::NO_STAMP,
            oldest: SlotId::NONE,
            youngest: SlotId::NONE,
        }
    }

    /// Makes a record for the page at `place` of `block`, which becomes the youngest. There is a
    /// slot for it.
    #[inline(always)]
    pub(super) fn add(&mut self, block: SlotId, place: u8, stamp: u64) -> SlotId {
        let older = self.youngest;
        let id = self.records.insert_empty();
        let aged = Aged::youngest_of(block, place, older, stamp);
        match older.some() {
            // Most often they are neighbours in memory too.
            Some(older) if Ages::are_together(older, id) => {
                let chunk = self.records.chunk_mut(id);
                chunk[id.0 as usize % PER_CHUNK] = aged;
                chunk[older.0 as usize % PER_CHUNK].set_younger(id);
                self.youngest = id;
            }
            _ => {
                *self.records.get_mut(id) = aged;
                self.link_youngest(older, id, stamp);
            }
        }
        id
    }

    /// Makes a page, which is not in the list, the youngest.
    #[inline(always)]
    pub(super) fn append(&mut self, id: SlotId, stamp: u64) {
        let older = self.youngest;
        self.records.get_mut(id).make_youngest(older, stamp);
        self.link_youngest(older, id, stamp);
    }

    fn link_youngest(&mut self, older: SlotId, id: SlotId, stamp: u64) {
        match older.some() {
            Some(older) => self.records.get_mut(older).set_younger(id),
            None => (self.oldest, self.oldest_stamp) = (id, stamp),
        }
        self.youngest = id;
    }

    /// Takes a page out of the list.
    #[inline(always)]
    pub(super) fn unlink(&mut self, id: SlotId) {
        let at = |id: SlotId| id.0 as usize % PER_CHUNK;
        let chunk = self.records.chunk_mut(id);
        let (older, younger) = (chunk[at(id)].older(), chunk[at(id)].younger());
        let has_older = older != SlotId::NONE;
        // Most often they are neighbours in memory too. (No record's chunk is that of none.)
        if !Ages::are_together(younger, id) || has_older && !Ages::are_together(older, id) {
            return self.unlink_far(older, younger);
        }
        let next = &mut chunk[at(younger)];
        next.set_older(older);
        if has_older {
            chunk[at(older)].set_younger(younger);
        } else {
            (self.oldest, self.oldest_stamp) = (younger, next.stamp());
        }
    }

    /// The same for neighbours that may be in other chunks, or that are none.
    #[inline(never)]
    fn unlink_far(&mut self, older: SlotId, younger: SlotId) {
        let younger_stamp = match younger.some() {
            Some(younger) => {
                let aged = self.records.get_mut(younger);
                aged.set_older(older);
                aged.stamp()
            }
            None => {
                self.youngest = older;
                Self::NO_STAMP
            }
        };
        match older.some() {
            Some(older) => self.records.get_mut(older).set_younger(younger),
            None => (self.oldest, self.oldest_stamp) = (younger, younger_stamp),
        }
    }
}

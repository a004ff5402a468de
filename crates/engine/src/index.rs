//! A shard's index: from hashes to slot numbers, in small hashbrown tables that each fit a frame.
//!
//! Growing splits one full table in two; nothing ever rehashes as a whole. A directory of 2^11
//! entries, one frame, says which table serves which hash prefix (extendible hashing). An entry
//! names a block or a head, and beside it the block's map of pages, so that the block's name, which
//! is to be compared, and the page's entry, which is wanted, are fetched side by side and not one
//! after the other.

use crate::broken;
use crate::garbage::Garbage;
use crate::paged::Paged;
use crate::slab::SlotId;
use crate::stock::{Need, Stock};
use alloc::boxed::Box;
use hashbrown::HashTable;

/// A table; never grown beyond [`TABLE_CAPACITY`].
pub(crate) type Table = HashTable<Packed>;
/// Which table serves which prefix.
pub(crate) type Directory = Box<[u16; DIRECTORY_LEN]>;

/// log2 of the directory's entries.
const DIRECTORY_BITS: u32 = 11;
const DIRECTORY_LEN: usize = 1 << DIRECTORY_BITS;
/// Entries of a table with 512 buckets of 6 bytes and a control byte each: 3.6 KB, one frame.
const TABLE_CAPACITY: usize = 448;
/// Entries at which a table is split: full enough for memory, empty enough for short probes.
const SPLIT_LEN: usize = 416;

/// What an entry leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lead {
    /// The block or the head.
    pub(crate) block: SlotId,
    /// The block's map, if it has one.
    pub(crate) map: SlotId,
}

impl Lead {
    /// To a head, or to a block without a map.
    pub(crate) const fn to(block: SlotId) -> Self {
        Self { block, map: SlotId::NONE }
    }
}

/// A [`Lead`] in six bytes: slot numbers have 23 bits, and all-ones is no slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed([u16; 3]);

const NUMBER_MASK: u64 = 0x00ff_ffff;

impl Packed {
    #[expect(clippy::cast_possible_truncation, reason = "takes the number apart")]
    const fn new(lead: Lead) -> Self {
        let (block, map) = (lead.block.0 as u64, lead.map.0 as u64);
        let bits = block & NUMBER_MASK | (map & NUMBER_MASK) << 24;
        Self([bits as u16, (bits >> 16) as u16, (bits >> 32) as u16])
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "numbers have 24 bits")]
    const fn lead(self) -> Lead {
        let [low, middle, high] = self.0;
        let bits = low as u64 | (middle as u64) << 16 | (high as u64) << 32;
        let map = (bits >> 24) as u32;
        let map = if map == NUMBER_MASK as u32 { SlotId::NONE } else { SlotId(map) };
        Lead { block: SlotId((bits & NUMBER_MASK) as u32), map }
    }

    #[inline]
    fn block(self) -> SlotId {
        self.lead().block
    }
}

/// A table with the number of prefix bits that its entries agree in.
#[derive(Debug, Default)]
pub(crate) struct TableCell {
    table: Table,
    depth: u32,
}

/// The index.
#[derive(Debug)]
pub(crate) struct Index {
    tables: Paged<TableCell, 1>,
    nr_tables: u16,
    directory: Option<Directory>,
    /// The bits of a prefix in which any two tables differ. All entries of the directory are kept
    /// right, but only those that these bits reach are read: a few bytes in a small pool.
    prefix_mask: u16,
    /// Tables that the last removal left empty, for [`Index::collect`]; 0: none.
    emptied: [u16; 2],
}

/// An empty table with room for [`TABLE_CAPACITY`] entries, or `None` when there is no memory.
pub(crate) fn new_table() -> Option<Table> {
    let mut table = Table::new();
    // No entry is rehashed in an empty table.
    table.try_reserve(TABLE_CAPACITY, |_| 0).ok()?;
    Some(table)
}

/// The mask of prefix bit `depth` and those below it.
const fn bit_mask(depth: u32) -> u16 {
    (2_u16 << depth) - 1
}

/// The directory entry that serves `hash`. hashbrown uses the low bits and the top seven.
const fn prefix(hash: u64) -> usize {
    (hash >> 40) as usize % DIRECTORY_LEN
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            tables: Paged::new(),
            nr_tables: 1,
            directory: None,
            prefix_mask: 0,
            emptied: [0; 2],
        }
    }

    fn table_of(&self, hash: u64) -> usize {
        match &self.directory {
            Some(directory) => {
                directory[(prefix(hash) & usize::from(self.prefix_mask)) % DIRECTORY_LEN] as usize
            }
            None => 0,
        }
    }

    fn cell_mut(&mut self, at: usize) -> &mut TableCell {
        match self.tables.get_mut(at) {
            Some(cell) => cell,
            None => broken::no_such_table(),
        }
    }

    /// The entry under `hash` whose block `matches`.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut matches: impl FnMut(SlotId) -> bool) -> Option<Lead> {
        let cell = self.tables.get(self.table_of(hash))?;
        // Not `find`, which calls its closure through a pointer.
        let entry = cell.table.iter_hash(hash).find(|entry| matches(entry.block()))?;
        Some(entry.lead())
    }

    /// Sees to it that `entries` insertions under `hash` find room.
    ///
    /// `hash_of` tells the hash of an entry that is already there.
    ///
    /// # Errors
    /// The block that `stock` lacks.
    pub(crate) fn prepare(
        &mut self,
        hash: u64,
        entries: usize,
        stock: &mut Stock,
        hash_of: impl Fn(SlotId) -> u64,
    ) -> Result<(), Need> {
        // Each round halves the table; prefixes are finite, so the rounds are.
        for _ in 0..=DIRECTORY_BITS {
            let at = self.table_of(hash);
            let cell = self.cell_mut(at);
            let len = cell.table.len();
            if len + entries <= cell.table.capacity().min(SPLIT_LEN) {
                return Ok(());
            }
            if len + entries <= SPLIT_LEN {
                // Not allocated yet, or worn by removals: move to a fresh table.
                let fresh = stock.table.take().ok_or(Need::Table)?;
                let worn = core::mem::replace(&mut cell.table, fresh);
                for &entry in &worn {
                    cell.table.insert_unique(hash_of(entry.block()), entry, |_| 0);
                }
                // The worn table serves as the stock's next one, emptied.
                stock.table = recycle(worn);
                continue;
            }
            self.split(at, stock, &hash_of)?;
        }
        Err(Need::Full)
    }

    /// Splits table `at` by one more prefix bit.
    fn split(
        &mut self,
        at: usize,
        stock: &mut Stock,
        hash_of: &impl Fn(SlotId) -> u64,
    ) -> Result<(), Need> {
        let depth = self.cell_mut(at).depth;
        if depth >= DIRECTORY_BITS {
            return Err(Need::Full);
        }
        let new = self.nr_tables;
        if self.directory.is_none() {
            self.directory = Some(stock.directory.take().ok_or(Need::Directory)?);
        }
        self.tables.ensure(new as usize, &mut stock.tables).map_err(Need::Tables)?;
        let fresh = stock.table.take().ok_or(Need::Table)?;

        let bit = 1 << depth;
        let old = self.cell_mut(at);
        old.depth = depth + 1;
        let mut upper = fresh;
        let is_upper = |entry: &mut Packed| prefix(hash_of(entry.block())) & bit != 0;
        for entry in old.table.extract_if(is_upper) {
            // With room the table is not rehashed, so the hasher is not called.
            upper.insert_unique(hash_of(entry.block()), entry, |_| 0);
        }
        *self.cell_mut(new as usize) = TableCell { table: upper, depth: depth + 1 };
        self.nr_tables += 1;
        self.prefix_mask |= bit_mask(depth);
        if let Some(directory) = &mut self.directory {
            for (prefix, table) in directory.iter_mut().enumerate() {
                if *table as usize == at && prefix & bit != 0 {
                    *table = new;
                }
            }
        }
        Ok(())
    }

    /// Enters `block` under `hash`. [`prepare`](Self::prepare) went before, under the same lock.
    pub(crate) fn insert(&mut self, hash: u64, block: SlotId) {
        let at = self.table_of(hash);
        let table = &mut self.cell_mut(at).table;
        if table.len() >= table.capacity() {
            broken::unprepared_table();
        }
        table.insert_unique(hash, Packed::new(Lead::to(block)), |_| 0);
    }

    /// Notes what map `block`, which is under `hash`, has now.
    #[inline(never)]
    pub(crate) fn set_map(&mut self, hash: u64, block: SlotId, map: SlotId) {
        let at = self.table_of(hash);
        match self.cell_mut(at).table.find_mut(hash, |entry| entry.block() == block) {
            Some(entry) => *entry = Packed::new(Lead { block, map }),
            None => broken::not_indexed(),
        }
    }

    /// Removes `block`, which is under `hash`. Whether that leaves a table to
    /// [`collect`](Self::collect).
    pub(crate) fn remove(&mut self, hash: u64, block: SlotId) -> bool {
        let at = self.table_of(hash);
        let cell = self.cell_mut(at);
        match cell.table.find_entry(hash, |entry| entry.block() == block) {
            Ok(found) => drop(found.remove()),
            Err(_) => broken::not_indexed(),
        }
        let is_emptied = at != 0 && cell.table.is_empty();
        if is_emptied && let Some(place) = self.emptied.iter_mut().find(|place| **place == 0) {
            #[expect(clippy::cast_possible_truncation, reason = "the directory names tables so")]
            let at = at as u16;
            *place = at;
        }
        is_emptied
    }

    /// Hands the tables that the last removals left empty to the garbage. To be called under the
    /// same lock.
    pub(crate) fn collect<const F: usize>(&mut self, garbage: &mut Garbage<F>) {
        for at in core::mem::take(&mut self.emptied) {
            if at != 0 {
                garbage.push_table(core::mem::take(&mut self.cell_mut(at.into()).table));
            }
        }
    }

    /// Entries in all tables, for the audit; and blocks of metadata.
    pub(crate) fn recount(&self) -> (usize, u32) {
        let mut counts = (0, u32::from(self.directory.is_some()) + self.tables.nr_blocks());
        for at in 0..self.nr_tables {
            if let Some(cell) = self.tables.get(at as usize) {
                counts.0 += cell.table.len();
                counts.1 += u32::from(cell.table.capacity() > 0);
            }
        }
        counts
    }

    /// Hands one block of an empty index to the garbage. `true` when none is left.
    pub(crate) fn dismantle<const F: usize>(&mut self, garbage: &mut Garbage<F>) -> bool {
        // A table is handed over when its last entry goes, but one that was prepared for an entry
        // that never came is still there. The last number that is left is that of the first table.
        while let Some(last) = self.nr_tables.checked_sub(1) {
            let cell = core::mem::take(self.cell_mut(last.into()));
            self.nr_tables = last.max(1);
            if cell.table.capacity() > 0 {
                garbage.push_table(cell.table);
                return false;
            }
            if last == 0 {
                break;
            }
        }
        if let Some(directory) = self.directory.take() {
            self.prefix_mask = 0;
            garbage.push_box(directory);
            return false;
        }
        match self.tables.dismantle() {
            Some(block) => {
                garbage.push_box(block);
                false
            }
            None => true,
        }
    }
}

/// `table` emptied, if it has the memory of a full-sized one.
fn recycle(mut table: Table) -> Option<Table> {
    table.clear();
    (table.capacity() >= TABLE_CAPACITY).then_some(table)
}

#[cfg(test)]
mod probes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_survives_its_packing() {
        let numbers = [0, 1, 0xffff, 0x1_0000, (1 << 23) - 1];
        for block in numbers.map(SlotId) {
            for map in numbers.map(SlotId).into_iter().chain([SlotId::NONE]) {
                let lead = Lead { block, map };
                assert_eq!(Packed::new(lead).lead(), lead);
            }
        }
    }
}

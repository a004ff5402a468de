//! A shard's index: from hashes to blocks and heads, in small tables that each are a frame.
//!
//! Growing splits one full table in two; nothing ever rehashes as a whole. A directory of 2^11
//! entries, one frame, says which table serves which hash prefix (extendible hashing). An entry
//! names a block or a head, and beside it the block's map of pages, so that the block's name, which
//! is to be compared, and the page's entry, which is wanted, are fetched side by side and not one
//! after the other.

use crate::broken;
use crate::garbage::Garbage;
use crate::paged::{COUNTED_PER_SLICE, Paged};
use crate::slab::SlotId;
use crate::stock::{Need, Stock};
use crate::table::{self, Entry, Probe, SPLIT_LEN, Table, Tag};
use alloc::boxed::Box;

pub(crate) use crate::table::Lead;

/// Which table serves which prefix.
pub(crate) type Directory = Box<[u16; DIRECTORY_LEN]>;

/// log2 of the directory's entries.
const DIRECTORY_BITS: u32 = 11;
const DIRECTORY_LEN: usize = 1 << DIRECTORY_BITS;
/// Tables' cells in a frame.
pub(crate) const CELLS_PER_LEAF: usize = 256;

/// A table with the number of its entries, and of the prefix bits that they agree in.
#[derive(Debug, Default)]
pub(crate) struct TableCell {
    table: Option<Table>,
    len: u16,
    depth: u16,
}

/// The index.
#[derive(Debug)]
pub(crate) struct Index {
    tables: Paged<TableCell, 1, 0, CELLS_PER_LEAF>,
    directory: Option<Directory>,
    nr_tables: u16,
    /// The bits of a prefix in which any two tables differ. All entries of the directory are kept
    /// right, but only those that these bits reach are read: a few bytes in a small pool.
    prefix_mask: u16,
    /// Tables that the last removal left empty, for [`Index::collect`]; 0: none.
    emptied: [u16; 2],
}

/// The mask of prefix bit `depth` and those below it.
const fn bit_mask(depth: u16) -> u16 {
    (2_u16 << depth) - 1
}

impl Index {
    pub(crate) fn new() -> Self {
        Self {
            tables: Paged::new(),
            directory: None,
            nr_tables: 1,
            prefix_mask: 0,
            emptied: [0; 2],
        }
    }

    #[inline(always)]
    fn table_of(&self, tag: Tag) -> usize {
        match &self.directory {
            Some(directory) => {
                directory[(tag.prefix() & usize::from(self.prefix_mask)) % DIRECTORY_LEN] as usize
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

    /// The entries that may be those under `hash`: the caller compares the blocks' names. `None`:
    /// there are none.
    #[inline(always)]
    pub(crate) fn probe(&self, hash: u64) -> Option<Probe<'_>> {
        let tag = Tag::of(hash);
        let cell = self.tables.get(self.table_of(tag))?;
        Some(Probe::new(cell.table.as_ref()?, tag))
    }

    /// Sees to it that `entries` insertions under `hash` find room.
    ///
    /// # Errors
    /// The block that `stock` lacks.
    pub(crate) fn prepare(
        &mut self,
        hash: u64,
        entries: u16,
        stock: &mut Stock,
    ) -> Result<(), Need> {
        let tag = Tag::of(hash);
        // Each round halves the table; prefixes are finite, so the rounds are.
        for _ in 0..=DIRECTORY_BITS {
            let at = self.table_of(tag);
            let cell = self.cell_mut(at);
            if cell.table.is_none() {
                cell.table = Some(stock.table.take().ok_or(Need::Table)?);
            }
            if usize::from(cell.len + entries) <= SPLIT_LEN {
                return Ok(());
            }
            self.split(at, stock)?;
        }
        Err(Need::Full)
    }

    /// Splits table `at` by one more prefix bit.
    fn split(&mut self, at: usize, stock: &mut Stock) -> Result<(), Need> {
        let depth = self.cell_mut(at).depth;
        if u32::from(depth) >= DIRECTORY_BITS {
            return Err(Need::Full);
        }
        let new = self.nr_tables;
        if self.directory.is_none() {
            self.directory = Some(stock.directory.take().ok_or(Need::Directory)?);
        }
        self.tables.ensure(new as usize, &mut stock.tables).map_err(Need::Tables)?;
        let mut upper = stock.table.take().ok_or(Need::Table)?;

        let bit = 1 << depth;
        let old = self.cell_mut(at);
        old.depth = depth + 1;
        let len = old
            .table
            .as_mut()
            .map_or(0, |table| table::move_some(table, &mut upper, |tag| tag.prefix() & bit != 0));
        #[expect(clippy::cast_possible_truncation, reason = "a table has 512 entries")]
        let len = len as u16;
        old.len -= len;
        *self.cell_mut(new as usize) = TableCell { table: Some(upper), len, depth: depth + 1 };
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

    /// The table for an entry under `hash`, if it is there and is not to be split first.
    #[inline(always)]
    pub(crate) fn table_with_room(&self, hash: u64) -> Option<usize> {
        let at = self.table_of(Tag::of(hash));
        let cell = self.tables.get(at)?;
        (cell.table.is_some() && usize::from(cell.len) < SPLIT_LEN).then_some(at)
    }

    /// Enters `block` under `hash`. [`prepare`](Self::prepare) went before, under the same lock.
    pub(crate) fn insert(&mut self, hash: u64, block: SlotId) {
        self.insert_in(self.table_of(Tag::of(hash)), hash, block);
    }

    /// The same in the table that [`table_with_room`](Self::table_with_room) names.
    #[inline(always)]
    pub(crate) fn insert_in(&mut self, at: usize, hash: u64, block: SlotId) {
        let tag = Tag::of(hash);
        let cell = self.cell_mut(at);
        match &mut cell.table {
            Some(table) if usize::from(cell.len) < SPLIT_LEN => {
                cell.len += 1;
                table::insert(table, Entry::new(tag, Lead::to(block)));
            }
            _ => broken::unprepared_table(),
        }
    }

    /// Notes what map `block`, which is under `hash`, has now.
    #[inline(never)]
    pub(crate) fn set_map(&mut self, hash: u64, block: SlotId, map: SlotId) {
        let tag = Tag::of(hash);
        let at = self.table_of(tag);
        let table = self.cell_mut(at).table.as_mut();
        if !table.is_some_and(|table| table::update(table, tag, Lead::new(block, map))) {
            broken::not_indexed();
        }
    }

    /// Removes `block`, which is under `hash`. Whether that leaves a table to
    /// [`collect`](Self::collect).
    pub(crate) fn remove(&mut self, hash: u64, block: SlotId) -> bool {
        let tag = Tag::of(hash);
        let at = self.table_of(tag);
        let cell = self.cell_mut(at);
        if !cell.table.as_mut().is_some_and(|table| table::remove(table, tag, block)) {
            broken::not_indexed();
        }
        cell.len -= 1;
        let is_emptied = at != 0 && cell.len == 0;
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
            if at != 0
                && let Some(table) = self.cell_mut(at.into()).table.take()
            {
                garbage.push_table(table);
            }
        }
    }

    /// Entries in all tables, for the audit; and blocks of metadata. `None`: a table does not have
    /// as many as it says.
    pub(crate) fn recount(&self) -> Option<(usize, u32)> {
        let mut counts = (0, u32::from(self.directory.is_some()) + self.tables.nr_blocks());
        for cell in (0..self.nr_tables).filter_map(|at| self.tables.get(at as usize)) {
            let len = cell.table.as_ref().map_or(0, |table| table::recount(table));
            if len != usize::from(cell.len) {
                return None;
            }
            counts.0 += len;
            counts.1 += u32::from(cell.table.is_some());
        }
        Some(counts)
    }

    /// Blocks of metadata: those of a few tables from number `from` on, and with the first all that
    /// are none of tables. Where to go on; `None` at the end.
    pub(crate) fn count_blocks(&self, from: usize) -> (u32, Option<usize>) {
        let others = u32::from(self.directory.is_some()) + self.tables.nr_blocks();
        let end = usize::from(self.nr_tables);
        let next = from.saturating_add(COUNTED_PER_SLICE).min(end);
        let is_there = |&at: &usize| self.tables.get(at).is_some_and(|cell| cell.table.is_some());
        let tables = (from..next).filter(is_there).fold(0, |count, _| count + 1);
        (if from == 0 { others + tables } else { tables }, (next < end).then_some(next))
    }

    /// Hands one block of an empty index to the garbage. `true` when none is left.
    pub(crate) fn dismantle<const F: usize>(&mut self, garbage: &mut Garbage<F>) -> bool {
        // A table is handed over when its last entry goes, but one that was prepared for an entry
        // that never came is still there. The last number that is left is that of the first table.
        while let Some(last) = self.nr_tables.checked_sub(1) {
            let cell = core::mem::take(self.cell_mut(last.into()));
            self.nr_tables = last.max(1);
            if let Some(table) = cell.table {
                garbage.push_table(table);
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

#[cfg(test)]
mod probes;

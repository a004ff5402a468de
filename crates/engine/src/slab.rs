//! Slabs of typed slots in frame-sized chunks.
//!
//! A slot's number is chunk and place; it stays the slot's name while the slot is used. Freed
//! chunks go back, but for one empty one that is kept so that a lone page that comes and goes does
//! not allocate each time.

use crate::block::{self, Block};
use crate::broken;
use crate::garbage::{Boxed, Garbage};
use crate::meta::boxed;
use crate::page::{self, Aged};
use crate::page_set::{MAPS_PER_CHUNK, PageMap};
use crate::paged::{PAGED_MAX, Paged, PagedNeed, PagedSupply};
use alloc::boxed::Box;

/// A frame of slots.
pub(crate) type Chunk<T, const N: usize> = Box<[T; N]>;
/// A frame of records of age.
pub(crate) type AgedChunk = Chunk<Aged, { page::PER_CHUNK }>;
/// A frame of blocks.
pub(crate) type BlockChunk = Chunk<Block, { block::PER_CHUNK }>;
/// A frame of maps.
pub(crate) type MapChunk = Chunk<PageMap, MAPS_PER_CHUNK>;
/// A chunk of each kind with what is known of it.
pub(crate) type AgedCell = Cell<Aged, { page::PER_CHUNK }>;
pub(crate) type BlockCell = Cell<Block, { block::PER_CHUNK }>;
pub(crate) type MapCell = Cell<PageMap, MAPS_PER_CHUNK>;

/// A slot's number: `chunk << PLACE_BITS | place`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotId(pub(crate) u32);

impl SlotId {
    /// No slot.
    pub(crate) const NONE: Self = Self(u32::MAX);

    /// This slot, or `None` for [`NONE`](Self::NONE).
    pub(crate) fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

/// Bits of a slot number that tell the place in the chunk.
const PLACE_BITS: u32 = 8;
const PLACE_MASK: u32 = (1 << PLACE_BITS) - 1;
/// Words of a chunk's bitmap.
const USED_WORDS: usize = 3;
/// Places that a chunk may have.
const PLACES_MAX: usize = USED_WORDS * 64;
/// End of a list of chunks.
const NO_CELL: u32 = u32::MAX;

/// A chunk with what is known of it.
#[derive(Debug)]
pub(crate) struct Cell<T, const N: usize> {
    slots: Option<Chunk<T, N>>,
    /// A bit for each place that is used.
    used: [u64; USED_WORDS],
    /// Neighbours in the list of chunks with a free place; `next` also links cells without chunk.
    prev: u32,
    next: u32,
}

impl<T, const N: usize> Default for Cell<T, N> {
    fn default() -> Self {
        Self { slots: None, used: [0; USED_WORDS], prev: NO_CELL, next: NO_CELL }
    }
}

impl<T, const N: usize> Cell<T, N> {
    fn nr_used(&self) -> u32 {
        self.used.iter().map(|word| word.count_ones()).sum()
    }

    fn is_empty(&self) -> bool {
        self.used.iter().all(|&word| word == 0)
    }

    /// The first place that is free (`N` when none is).
    fn first_free(&self) -> u32 {
        let [first, second, third] = self.used;
        match (first, second) {
            (u64::MAX, u64::MAX) => 128 + third.trailing_ones(),
            (u64::MAX, _) => 64 + second.trailing_ones(),
            _ => first.trailing_ones(),
        }
    }

    /// The first place at or after `from` that is used.
    fn first_used(&self, from: u32) -> Option<u32> {
        (0..).zip(self.used).find_map(|(nth, word): (u32, u64)| {
            // Places before `from` don't count; a shift by a whole word leaves none.
            let skipped = from.saturating_sub(nth * 64);
            let rest = word.checked_shr(skipped).unwrap_or(0);
            (rest != 0).then(|| nth * 64 + skipped + rest.trailing_zeros())
        })
    }

    fn mark(&mut self, place: u32, used: bool) {
        if let Some(word) = self.used.get_mut(place as usize / 64) {
            let bit = 1 << (place % 64);
            *word = if used { *word | bit } else { *word & !bit };
        }
    }
}

/// The block that a new slot wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlabNeed {
    Chunk,
    Cells(PagedNeed),
    /// No more slot numbers.
    Full,
}

/// Blocks for new slots, allocated beforehand.
#[derive(Debug)]
pub(crate) struct SlabSupply<T, const N: usize> {
    pub(crate) chunk: Option<Chunk<T, N>>,
    pub(crate) cells: PagedSupply<Cell<T, N>>,
}

impl<T, const N: usize> Default for SlabSupply<T, N> {
    fn default() -> Self {
        Self { chunk: None, cells: PagedSupply::default() }
    }
}

impl<T: Default, const N: usize> SlabSupply<T, N> {
    /// Allocates what `need` names. `false`: not to be had.
    pub(crate) fn fetch(&mut self, need: SlabNeed) -> bool {
        match need {
            SlabNeed::Chunk => {
                self.chunk = boxed();
                self.chunk.is_some()
            }
            SlabNeed::Cells(need) => self.cells.fetch(need),
            SlabNeed::Full => false,
        }
    }
}

/// A slab; the first `INLINE` chunks cost no other frame.
///
/// # Invariants
/// The list from `open` holds each cell whose chunk has a free place; the list from `bare` each
/// cell below `nr_cells` without a chunk. `nr_empty` counts chunks without a used place: 0 or 1.
#[derive(Debug)]
pub(crate) struct Slab<T, const N: usize, const INLINE: usize> {
    cells: Paged<Cell<T, N>, INLINE>,
    nr_cells: u32,
    open: u32,
    bare: u32,
    nr_empty: u32,
    nr_used: u32,
    /// No chunk below this one has a used place.
    scan_from: u32,
    /// Empty chunks beside the one that is kept, for [`collect`](Self::collect). One page's removal
    /// leaves up to two, its block's and its head's.
    excess: [u32; 2],
}

impl<T: Default, const N: usize, const INLINE: usize> Slab<T, N, INLINE> {
    pub(crate) fn new() -> Self {
        const { assert!(N <= PLACES_MAX) };
        Self {
            cells: Paged::new(),
            nr_cells: 0,
            open: NO_CELL,
            bare: NO_CELL,
            nr_empty: 0,
            nr_used: 0,
            scan_from: 0,
            excess: [NO_CELL; 2],
        }
    }

    /// Slots in use.
    pub(crate) const fn len(&self) -> u32 {
        self.nr_used
    }

    fn cell(&mut self, at: u32) -> &mut Cell<T, N> {
        match self.cells.get_mut(at as usize) {
            Some(cell) => cell,
            None => broken::no_such_chunk(),
        }
    }

    /// The slot `id`, which is in use.
    pub(crate) fn get(&self, id: SlotId) -> &T {
        let cell = self.cells.get((id.0 >> PLACE_BITS) as usize);
        let place = (id.0 & PLACE_MASK) as usize;
        match cell.and_then(|cell| cell.slots.as_ref()).and_then(|slots| slots.get(place)) {
            Some(slot) => slot,
            None => broken::no_such_slot(),
        }
    }

    /// The slot `id`, which is in use.
    pub(crate) fn get_mut(&mut self, id: SlotId) -> &mut T {
        let cell = self.cells.get_mut((id.0 >> PLACE_BITS) as usize);
        let place = (id.0 & PLACE_MASK) as usize;
        match cell.and_then(|cell| cell.slots.as_mut()).and_then(|slots| slots.get_mut(place)) {
            Some(slot) => slot,
            None => broken::no_such_slot(),
        }
    }

    /// The slot `id`, if its chunk is still there; whatever it holds now.
    pub(crate) fn try_get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        let cell = self.cells.get_mut((id.0 >> PLACE_BITS) as usize)?;
        cell.slots.as_mut()?.get_mut((id.0 & PLACE_MASK) as usize)
    }

    /// Sees to it that the next [`insert`](Self::insert) finds a slot.
    ///
    /// # Errors
    /// The block that `supply` lacks.
    #[inline]
    pub(crate) fn prepare(&mut self, supply: &mut SlabSupply<T, N>) -> Result<(), SlabNeed> {
        if self.open == NO_CELL { self.open_chunk(supply) } else { Ok(()) }
    }

    /// The same for two slots.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub(crate) fn prepare_two(&mut self, supply: &mut SlabSupply<T, N>) -> Result<(), SlabNeed> {
        self.prepare(supply)?;
        let open = self.open;
        let cell = self.cell(open);
        let has_two = cell.next != NO_CELL || (cell.nr_used() as usize) + 2 <= N;
        if has_two { Ok(()) } else { self.open_chunk(supply) }
    }

    /// Puts a fresh chunk at the head of the open ones.
    #[inline(never)]
    fn open_chunk(&mut self, supply: &mut SlabSupply<T, N>) -> Result<(), SlabNeed> {
        let fresh = self.bare == NO_CELL;
        let at = if fresh { self.nr_cells } else { self.bare };
        if at as usize >= PAGED_MAX {
            return Err(SlabNeed::Full);
        }
        self.cells.ensure(at as usize, &mut supply.cells).map_err(SlabNeed::Cells)?;
        let chunk = supply.chunk.take().ok_or(SlabNeed::Chunk)?;
        let open = self.open;
        let cell = self.cell(at);
        let next_bare = cell.next;
        *cell = Cell { slots: Some(chunk), next: open, ..Cell::default() };
        if open != NO_CELL {
            self.cell(open).prev = at;
        }
        if fresh {
            self.nr_cells += 1;
        } else {
            self.bare = next_bare;
        }
        self.nr_empty += 1;
        self.open = at;
        Ok(())
    }

    /// Puts `value` into a slot. [`prepare`](Self::prepare) went before, under the same lock.
    #[inline]
    pub(crate) fn insert(&mut self, value: T) -> SlotId {
        let id = self.insert_empty();
        *self.get_mut(id) = value;
        id
    }

    /// Takes a slot into use that holds `T::default()`; as [`insert`](Self::insert).
    pub(crate) fn insert_empty(&mut self) -> SlotId {
        let at = self.open;
        if at == NO_CELL {
            broken::unprepared_slot();
        }
        let cell = self.cell(at);
        let place = cell.first_free();
        let was_empty = cell.is_empty();
        cell.mark(place, true);
        if cell.first_free() as usize >= N {
            let next = cell.next;
            cell.next = NO_CELL;
            self.open = next;
            if next != NO_CELL {
                self.cell(next).prev = NO_CELL;
            }
        }
        self.nr_empty -= u32::from(was_empty);
        self.nr_used += 1;
        self.scan_from = self.scan_from.min(at);
        SlotId(at << PLACE_BITS | place)
    }

    /// Takes the value out of slot `id`, which is in use. Whether that leaves a chunk to
    /// [`collect`](Self::collect).
    #[inline]
    pub(crate) fn remove(&mut self, id: SlotId) -> (T, bool) {
        let value = core::mem::take(self.get_mut(id));
        (value, self.remove_empty(id))
    }

    /// Gives up slot `id`, which holds what `T::default()` does; as [`remove`](Self::remove).
    pub(crate) fn remove_empty(&mut self, id: SlotId) -> bool {
        let at = id.0 >> PLACE_BITS;
        let open = self.open;
        let cell = self.cell(at);
        let was_full = cell.first_free() as usize >= N;
        cell.mark(id.0 & PLACE_MASK, false);
        let is_empty = cell.is_empty();
        if was_full {
            (cell.prev, cell.next) = (NO_CELL, open);
            self.open = at;
            if open != NO_CELL {
                self.cell(open).prev = at;
            }
        }
        self.nr_used -= 1;
        if !is_empty {
            return false;
        }
        if self.nr_empty == 0 {
            self.nr_empty = 1;
            return false;
        }
        match self.excess.iter_mut().find(|place| **place == NO_CELL) {
            Some(place) => *place = at,
            None => broken::too_much_garbage(),
        }
        true
    }

    /// Hands the chunks that the last removal left empty to the garbage, but for one. To be called
    /// under the same lock.
    pub(crate) fn collect<const F: usize>(&mut self, garbage: &mut Garbage<F>)
    where
        Boxed: From<Chunk<T, N>>,
    {
        for at in core::mem::replace(&mut self.excess, [NO_CELL; 2]) {
            if at != NO_CELL {
                self.drop_chunk(at, garbage);
            }
        }
    }

    /// Whether the next [`insert`](Self::insert) finds a slot.
    pub(crate) const fn is_ready(&self) -> bool {
        self.open != NO_CELL
    }

    /// Takes the empty chunk `at` out of the open list and hands it to the garbage.
    fn drop_chunk<const F: usize>(&mut self, at: u32, garbage: &mut Garbage<F>)
    where
        Boxed: From<Chunk<T, N>>,
    {
        let bare = self.bare;
        let cell = self.cell(at);
        let (prev, next) = (cell.prev, cell.next);
        (cell.prev, cell.next) = (NO_CELL, bare);
        let chunk = cell.slots.take();
        self.bare = at;
        match prev {
            NO_CELL => self.open = next,
            prev => self.cell(prev).next = next,
        }
        if next != NO_CELL {
            self.cell(next).prev = prev;
        }
        if let Some(chunk) = chunk {
            garbage.push_box(chunk);
        }
    }

    /// The first used slot at or after `from`; with `SlotId(0)` it costs no scan of empty chunks
    /// that an earlier call has already passed.
    pub(crate) fn next_used(&mut self, from: SlotId) -> Option<SlotId> {
        if self.nr_used == 0 {
            return None;
        }
        let (mut at, mut place) = (from.0 >> PLACE_BITS, from.0 & PLACE_MASK);
        let from_start = from.0 == 0;
        if from_start {
            (at, place) = (self.scan_from, 0);
        }
        while at < self.nr_cells {
            if let Some(place) = self.cell(at).first_used(place) {
                if from_start {
                    self.scan_from = at;
                }
                return Some(SlotId(at << PLACE_BITS | place));
            }
            (at, place) = (at + 1, 0);
        }
        None
    }

    /// Hands one block of an empty slab to the garbage. `true` when none is left.
    pub(crate) fn dismantle<const F: usize>(&mut self, garbage: &mut Garbage<F>) -> bool
    where
        Boxed: From<Chunk<T, N>>
            + From<crate::paged::Leaf<Cell<T, N>>>
            + From<crate::paged::Root<Cell<T, N>>>,
    {
        if self.nr_empty > 0 {
            let at = self.open;
            self.nr_empty = 0;
            self.drop_chunk(at, garbage);
            return false;
        }
        (self.nr_cells, self.bare, self.scan_from) = (0, NO_CELL, 0);
        match self.cells.dismantle() {
            Some(block) => {
                garbage.push_box(block);
                false
            }
            None => true,
        }
    }

    /// Counts used slots and blocks anew, for the audit.
    pub(crate) fn recount(&self) -> (u32, u32) {
        let mut counts = (0, self.cells.nr_blocks());
        for at in 0..self.nr_cells {
            if let Some(cell) = self.cells.get(at as usize) {
                counts.0 += cell.nr_used();
                counts.1 += u32::from(cell.slots.is_some());
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_used_place_is_found_from_any_place_on() {
        let mut cell = Cell::<u8, 102>::default();
        for place in [0, 5, 63, 64, 101] {
            cell.mark(place, true);
        }
        let next = [(0, 0), (1, 5), (5, 5), (6, 63), (64, 64), (65, 101), (101, 101)];
        for (from, place) in next {
            assert_eq!(cell.first_used(from), Some(place), "from {from}");
        }
        assert_eq!(cell.first_used(102), None);
        assert_eq!(cell.first_used(128), None);
        cell.mark(64, false);
        assert_eq!(cell.first_used(64), Some(101));
    }
}

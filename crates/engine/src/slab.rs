//! Slabs of typed slots in frame-sized chunks.
//!
//! A slot's number is chunk and place; it stays the slot's name while the slot is used. The chunks'
//! addresses lie in an array of their own, which is all that a look-up reads; what else is known of
//! a chunk is in `chunk_info.rs`.
//!
//! The free places of one chunk lie ready on the *desk*: an insertion takes the next one and
//! looks nowhere else. They count as used in their chunk, so a chunk with places on the desk is
//! kept, and a lone page that comes and goes does not allocate each time. A chunk without a used
//! place goes back at once.

use crate::broken;
use crate::chunk_info::{ChunkInfo, NO_CHUNK};
use crate::garbage::{Boxed, Garbage};
use crate::meta::boxed;
use crate::paged::{Leaf, Paged, PagedNeed, PagedSupply, Root};
use alloc::boxed::Box;

/// A frame of slots.
pub(crate) type Chunk<T, const N: usize> = Box<[T; N]>;
/// Chunks' addresses in a frame.
pub(crate) const CHUNKS_PER_LEAF: usize = 512;
/// What is known of chunks, in a frame.
pub(crate) const INFOS_PER_LEAF: usize = 64;

/// A slot's number: chunk and place. The widest field that keeps one has 23 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotId(pub(crate) u32);

/// Bits of a slot number.
pub(crate) const SLOT_BITS: u32 = 23;

impl SlotId {
    /// No slot.
    pub(crate) const NONE: Self = Self((1 << SLOT_BITS) - 1);

    /// This slot, or `None` for [`NONE`](Self::NONE).
    #[inline(always)]
    pub(crate) fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

/// What lies in slots.
pub(crate) trait Slot: Default {
    /// Chunks of such slots that a slab can have: as many as the fields that keep their numbers can
    /// name.
    const CHUNKS_MAX: usize;
}

/// The block that a new slot wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlabNeed {
    Chunk,
    Chunks(PagedNeed),
    Infos(PagedNeed),
    /// No more slot numbers.
    Full,
}

/// What a scan for a used slot came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// This slot is used.
    Found(SlotId),
    /// It has looked at as many chunks as it may; this is where to go on.
    Unfinished(SlotId),
    /// There is none.
    End,
}

/// Blocks for new slots, allocated beforehand: a chunk of `N` slots, and what makes room for its address
/// and for what else is known of it, an `I` (`L` of them in a frame).
#[derive(Debug)]
pub(crate) struct SlabSupply<T, const N: usize, I = ChunkInfo, const L: usize = INFOS_PER_LEAF> {
    pub(crate) chunk: Option<Chunk<T, N>>,
    pub(crate) chunks: PagedSupply<Option<Chunk<T, N>>, CHUNKS_PER_LEAF>,
    pub(crate) infos: PagedSupply<I, L>,
}

impl<T, const N: usize, I, const L: usize> Default for SlabSupply<T, N, I, L> {
    fn default() -> Self {
        Self { chunk: None, chunks: PagedSupply::default(), infos: PagedSupply::default() }
    }
}

impl<T: Default, const N: usize, I: Default, const L: usize> SlabSupply<T, N, I, L> {
    /// Allocates what `need` names. `false`: not to be had.
    pub(crate) fn fetch(&mut self, need: SlabNeed) -> bool {
        match need {
            SlabNeed::Chunk => {
                self.chunk = boxed();
                self.chunk.is_some()
            }
            SlabNeed::Chunks(need) => self.chunks.fetch(need),
            SlabNeed::Infos(need) => self.infos.fetch(need),
            SlabNeed::Full => false,
        }
    }

    /// Blocks that are here.
    pub(crate) fn nr_blocks(&self) -> u32 {
        u32::from(self.chunk.is_some()) + self.chunks.nr_blocks() + self.infos.nr_blocks()
    }

    /// Frees them.
    pub(crate) fn clear(&mut self) {
        drop(self.chunk.take());
        self.chunks.clear();
        self.infos.clear();
    }
}

/// A slab of chunks with `N` slots each, a power of two and at most 64; the first `INLINE` chunks cost
/// no other frame.
///
/// # Invariants
/// The list from `open` holds each chunk with a place that is neither used nor on the desk; the list
/// from `bare` each number below `nr_chunks` without a chunk.
#[derive(Debug)]
pub(crate) struct Slab<T, const N: usize, const INLINE: usize> {
    chunks: Paged<Option<Chunk<T, N>>, INLINE, 1, CHUNKS_PER_LEAF>,
    infos: Paged<ChunkInfo, INLINE, 0, INFOS_PER_LEAF>,
    /// A bit for each place on the desk, and the slot number that the lowest bit stands for.
    desk: u64,
    desk_base: u32,
    nr_chunks: u16,
    open: u16,
    bare: u16,
    /// No chunk below this one has a used place.
    scan_from: u16,
    /// Empty chunks, for [`collect`](Self::collect). One page's removal leaves up to two, its
    /// block's and its head's.
    excess: [u16; 2],
}

impl<T: Slot, const N: usize, const INLINE: usize> Slab<T, N, INLINE> {
    const PLACE_BITS: u32 = N.trailing_zeros();
    const PLACE_MASK: u32 = (1 << Self::PLACE_BITS) - 1;
    const CHUNKS_MAX: usize = {
        let named = T::CHUNKS_MAX;
        let kept = Paged::<ChunkInfo, INLINE, 0, INFOS_PER_LEAF>::LEN_MAX;
        if named < kept { named } else { kept }
    };

    pub(crate) fn new() -> Self {
        const {
            assert!(N.is_power_of_two() && N <= 64);
            assert!(Self::CHUNKS_MAX <= NO_CHUNK as usize);
        };
        Self {
            chunks: Paged::new(),
            infos: Paged::new(),
            desk: 0,
            desk_base: 0,
            nr_chunks: 0,
            open: NO_CHUNK,
            bare: NO_CHUNK,
            scan_from: 0,
            excess: [NO_CHUNK; 2],
        }
    }

    /// The number of a slot's chunk.
    const fn chunk_of(id: SlotId) -> usize {
        (id.0 >> Self::PLACE_BITS) as usize
    }

    /// The number of the slot at `place` of chunk `at`.
    const fn slot_at(at: u16, place: u32) -> SlotId {
        SlotId((at as u32) << Self::PLACE_BITS | place)
    }

    #[inline(always)]
    fn info(&mut self, at: u16) -> &mut ChunkInfo {
        match self.infos.get_mut(at.into()) {
            Some(info) => info,
            None => broken::no_such_chunk(),
        }
    }

    /// The slot `id`, which is in use.
    #[inline(always)]
    pub(crate) fn get(&self, id: SlotId) -> &T {
        match self.chunks.owned(Self::chunk_of(id)) {
            Some(chunk) => &chunk[id.0 as usize % N],
            None => broken::no_such_slot(),
        }
    }

    /// The slot `id`, which is in use.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, id: SlotId) -> &mut T {
        &mut self.chunk_mut(id)[id.0 as usize % N]
    }

    /// The slot `id`, if there is such a chunk; whatever it holds.
    #[inline(always)]
    pub(crate) fn try_get(&self, id: SlotId) -> Option<&T> {
        let chunk = self.chunks.owned(Self::chunk_of(id))?;
        Some(&chunk[id.0 as usize % N])
    }

    /// The chunk of slot `id`, which is in use.
    #[inline(always)]
    pub(crate) fn chunk_mut(&mut self, id: SlotId) -> &mut [T; N] {
        match self.chunks.owned_mut(Self::chunk_of(id)) {
            Some(chunk) => chunk,
            None => broken::no_such_slot(),
        }
    }

    /// The slot `id`, if its chunk is still there; whatever it holds now.
    #[inline(always)]
    pub(crate) fn try_get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        let chunk = self.chunks.owned_mut(Self::chunk_of(id))?;
        Some(&mut chunk[id.0 as usize % N])
    }

    /// Whether the next [`insert`](Self::insert) finds a slot.
    #[inline(always)]
    pub(crate) const fn is_ready(&self) -> bool {
        self.desk != 0 || self.open != NO_CHUNK
    }

    /// Sees to it that the next [`insert`](Self::insert) finds a slot.
    ///
    /// # Errors
    /// The block that `supply` lacks.
    pub(crate) fn prepare(&mut self, supply: &mut SlabSupply<T, N>) -> Result<(), SlabNeed> {
        if self.is_ready() { Ok(()) } else { self.open_chunk(supply) }
    }

    /// The same for two slots.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub(crate) fn prepare_two(&mut self, supply: &mut SlabSupply<T, N>) -> Result<(), SlabNeed> {
        self.prepare(supply)?;
        let mut nr_ready = self.desk.count_ones() as usize;
        if self.open != NO_CHUNK {
            let open = self.open;
            let info = self.info(open);
            nr_ready += if info.next == NO_CHUNK { info.nr_free::<N>() } else { 2 };
        }
        if nr_ready >= 2 { Ok(()) } else { self.open_chunk(supply) }
    }

    /// Puts a fresh chunk at the head of the open ones.
    #[inline(never)]
    fn open_chunk(&mut self, supply: &mut SlabSupply<T, N>) -> Result<(), SlabNeed> {
        let fresh = self.bare == NO_CHUNK;
        let at = if fresh { self.nr_chunks } else { self.bare };
        if usize::from(at) >= Self::CHUNKS_MAX {
            return Err(SlabNeed::Full);
        }
        self.infos.ensure(at.into(), &mut supply.infos).map_err(SlabNeed::Infos)?;
        self.chunks.ensure(at.into(), &mut supply.chunks).map_err(SlabNeed::Chunks)?;
        let chunk = supply.chunk.take().ok_or(SlabNeed::Chunk)?;
        match self.chunks.get_mut(at.into()) {
            Some(place) => *place = Some(chunk),
            None => broken::no_such_chunk(),
        }
        if fresh {
            self.nr_chunks += 1;
        } else {
            self.bare = self.info(at).next;
        }
        *self.info(at) = ChunkInfo::default();
        self.link_open(at);
        Ok(())
    }

    /// Puts a chunk at the head of the open ones.
    fn link_open(&mut self, at: u16) {
        let next = core::mem::replace(&mut self.open, at);
        let info = self.info(at);
        (info.prev, info.next) = (NO_CHUNK, next);
        if next != NO_CHUNK {
            self.info(next).prev = at;
        }
    }

    /// Takes a chunk out of the open ones.
    fn unlink_open(&mut self, at: u16) {
        let info = self.info(at);
        let (prev, next) = (info.prev, info.next);
        match prev {
            NO_CHUNK => self.open = next,
            prev => self.info(prev).next = next,
        }
        if next != NO_CHUNK {
            self.info(next).prev = prev;
        }
    }

    /// Puts places of the first open chunk on the empty desk.
    #[cold]
    #[inline(never)]
    fn lay_out(&mut self) {
        let at = self.open;
        if at == NO_CHUNK {
            broken::unprepared_slot();
        }
        let info = self.info(at);
        self.desk = info.take_free::<N>();
        self.unlink_open(at);
        self.desk_base = Self::slot_at(at, 0).0;
        self.scan_from = self.scan_from.min(at);
    }

    /// Puts `value` into a slot. [`prepare`](Self::prepare) went before, under the same lock.
    #[inline(always)]
    pub(crate) fn insert(&mut self, value: T) -> SlotId {
        let id = self.insert_empty();
        *self.get_mut(id) = value;
        id
    }

    /// Takes a slot into use that holds `T::default()`; as [`insert`](Self::insert).
    #[inline(always)]
    pub(crate) fn insert_empty(&mut self) -> SlotId {
        if self.desk == 0 {
            self.lay_out();
        }
        let id = SlotId(self.desk_base + self.desk.trailing_zeros());
        self.desk &= self.desk - 1;
        id
    }

    /// Takes the value out of slot `id`, which is in use. Whether that leaves a chunk to
    /// [`collect`](Self::collect).
    #[inline(always)]
    pub(crate) fn remove(&mut self, id: SlotId) -> (T, bool) {
        let value = core::mem::take(self.get_mut(id));
        (value, self.remove_empty(id))
    }

    /// Gives up slot `id`, which holds what `T::default()` does, or what nobody minds to find there
    /// (slots of a kind that is only ever [inserted](Self::insert) whole); as
    /// [`remove`](Self::remove).
    #[inline(always)]
    pub(crate) fn remove_empty(&mut self, id: SlotId) -> bool {
        self.mark_free(id, 1)
    }

    /// Marks the places of `bits`, the lowest of which is `id`'s, as free. Whether that leaves the
    /// chunk empty, which is then noted.
    #[inline(always)]
    fn mark_free(&mut self, id: SlotId, bits: u64) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "chunk numbers have 16 bits")]
        let at = Self::chunk_of(id) as u16;
        let info = self.info(at);
        let was_full = info.is_full::<N>();
        info.mark_free(id.0 & Self::PLACE_MASK, bits);
        if !was_full && !info.is_empty() {
            return false;
        }
        self.note(at, was_full)
    }

    /// Notes that a chunk `was_full`, or is empty now.
    #[inline(never)]
    fn note(&mut self, at: u16, was_full: bool) -> bool {
        if was_full {
            self.link_open(at);
        }
        if !self.info(at).is_empty() {
            return false;
        }
        match self.excess.iter_mut().find(|place| **place == NO_CHUNK) {
            Some(place) => *place = at,
            None => broken::too_much_garbage(),
        }
        true
    }

    /// Hands the chunks that the last removal left empty to the garbage. To be called under the same
    /// lock.
    pub(crate) fn collect<const F: usize>(&mut self, garbage: &mut Garbage<F>)
    where
        Boxed: From<Chunk<T, N>>,
    {
        for at in core::mem::replace(&mut self.excess, [NO_CHUNK; 2]) {
            if at != NO_CHUNK {
                self.drop_chunk(at, garbage);
            }
        }
    }

    /// Takes the empty chunk `at` out of the open list and hands it to the garbage.
    fn drop_chunk<const F: usize>(&mut self, at: u16, garbage: &mut Garbage<F>)
    where
        Boxed: From<Chunk<T, N>>,
    {
        self.unlink_open(at);
        let bare = core::mem::replace(&mut self.bare, at);
        self.info(at).next = bare;
        if let Some(chunk) = self.chunks.get_mut(at.into()).and_then(Option::take) {
            garbage.push_box(chunk);
        }
    }

    /// The first used slot at or after `from`, looking at no more than `chunks` chunks, which it
    /// counts down; with `SlotId(0)` it costs no scan of empty chunks that an earlier call has
    /// already passed.
    pub(crate) fn next_used(&mut self, from: SlotId, chunks: &mut usize) -> Scanned {
        let (mut at, mut place) = (Self::chunk_of(from), from.0 & Self::PLACE_MASK);
        let from_start = from.0 == 0;
        if from_start {
            (at, place) = (self.scan_from.into(), 0);
        }
        while at < usize::from(self.nr_chunks) {
            #[expect(clippy::cast_possible_truncation, reason = "chunk numbers have 16 bits")]
            let chunk = at as u16;
            if from_start {
                self.scan_from = chunk;
            }
            if *chunks == 0 {
                return Scanned::Unfinished(Self::slot_at(chunk, place));
            }
            *chunks -= 1;
            let (desk, base) = (self.desk, self.desk_base);
            let in_desk = |place: u32| {
                let bit = Self::slot_at(chunk, place).0.wrapping_sub(base);
                bit < 64 && desk >> bit & 1 == 1
            };
            while let Some(used) = self.info(chunk).first_used(place) {
                if !in_desk(used) {
                    return Scanned::Found(Self::slot_at(chunk, used));
                }
                place = used + 1;
            }
            (at, place) = (at + 1, 0);
        }
        Scanned::End
    }

    /// Hands one block of an empty slab to the garbage. `true` when none is left.
    pub(crate) fn dismantle<const F: usize>(&mut self, garbage: &mut Garbage<F>) -> bool
    where
        Boxed: From<Chunk<T, N>>
            + From<Leaf<Option<Chunk<T, N>>, CHUNKS_PER_LEAF>>
            + From<Root<Option<Chunk<T, N>>, CHUNKS_PER_LEAF>>
            + From<Leaf<ChunkInfo, INFOS_PER_LEAF>>
            + From<Root<ChunkInfo, INFOS_PER_LEAF>>,
    {
        let desk = core::mem::take(&mut self.desk);
        if desk != 0 {
            // The last chunk there is.
            self.mark_free(SlotId(self.desk_base), desk);
        }
        if self.open != NO_CHUNK {
            self.excess = [NO_CHUNK; 2];
            let at = self.open;
            self.drop_chunk(at, garbage);
            return false;
        }
        (self.nr_chunks, self.bare, self.scan_from) = (0, NO_CHUNK, 0);
        match self.chunks.dismantle().or_else(|| self.infos.dismantle()) {
            Some(block) => {
                garbage.push_box(block);
                false
            }
            None => true,
        }
    }
}

mod recount;
#[cfg(test)]
mod tests;

//! The log of ages: a shard's ephemeral pages from oldest to youngest, in the order of their stamps.
//!
//! A page that is created or refreshed is written behind all others; one that goes leaves a hole. So
//! a record has no links and needs no neighbour: adding one is a word written at the end, removing
//! one a mark taken away. Eviction looks from the oldest chunk on for the first mark.
//!
//! Holes are not filled, but a chunk without a record goes back at once, and of two neighbours that
//! have come down to [`THIN`] records each the younger one's are moved into the older one. So of any
//! two neighbours that others stand behind one has more, and the log takes a frame for every 32 pages
//! at worst. A chunk is moved at most once, which is [`THIN`] records for the 448 that made it.
//!
//! The stamp of the oldest page is kept as a lower bound, as those of pools are (`evict.rs`): a
//! removal does not look for the next one.

use crate::age_chunk::{self as chunk, END, FIRST, NO_CHUNK, WORDS, Word, Words};
use crate::broken;
use crate::garbage::{Boxed, Garbage};
use crate::paged::Paged;
use crate::slab::{CHUNKS_PER_LEAF, Chunk, SLOT_BITS, Scanned, SlabNeed, SlabSupply, SlotId};

/// Chunks that two neighbours are moved together from: as many records, or fewer. A multiple of 64,
/// for it is looked for at these only.
const THIN: u32 = 64;

/// A frame of the log.
pub(crate) type AgeChunk = Chunk<Word, WORDS>;
/// What links numbers without a chunk: the next such number.
#[derive(Debug, Default)]
pub(crate) struct Link(u16);
/// Links in a frame.
pub(crate) const LINKS_PER_LEAF: usize = 2048;

/// Numbers below the one that stands for none.
#[expect(clippy::cast_possible_truncation, reason = "a slot's number has 23 bits, nine of a place")]
const CHUNKS_MAX: u16 = ((1 << SLOT_BITS) / WORDS - 1) as u16;

/// Blocks for the next record, allocated beforehand.
pub(crate) type AgeSupply = SlabSupply<Word, WORDS, Link, LINKS_PER_LEAF>;

/// Two neighbours, the older one first, that are to be [merged](AgeLog::merge).
pub(crate) type ThinPair = (u16, u16);

/// The log.
#[derive(Debug)]
pub(crate) struct AgeLog {
    chunks: Paged<Option<AgeChunk>, 1, 1, CHUNKS_PER_LEAF>,
    links: Paged<Link, 1, 0, LINKS_PER_LEAF>,
    /// No page's stamp is less; `u64::MAX` when there is none.
    bound: u64,
    /// Where the next record goes. A multiple of [`WORDS`]: to a chunk that is still to be opened.
    next: u32,
    /// The ends of the log.
    oldest: u16,
    youngest: u16,
    nr_chunks: u16,
    /// The first number below that without a chunk.
    bare: u16,
    /// Chunks without a record, for [`collect`](Self::collect). A removal leaves one, and so does the
    /// opening of a chunk.
    excess: [u16; 2],
}

#[expect(clippy::cast_possible_truncation, reason = "a slot's number has 23 bits, nine of a place")]
const fn chunk_of(id: SlotId) -> u16 {
    (id.0 / END) as u16
}

const fn place_of(id: SlotId) -> u32 {
    id.0 % END
}

const fn record_at(at: u16, place: u32) -> SlotId {
    SlotId(at as u32 * END + place)
}

impl AgeLog {
    /// No page's stamp.
    pub(crate) const NO_STAMP: u64 = u64::MAX;

    pub(crate) fn new() -> Self {
        Self {
            chunks: Paged::new(),
            links: Paged::new(),
            bound: Self::NO_STAMP,
            next: 0,
            oldest: NO_CHUNK,
            youngest: NO_CHUNK,
            nr_chunks: 0,
            bare: NO_CHUNK,
            excess: [NO_CHUNK; 2],
        }
    }

    /// No page's stamp is less; [`NO_STAMP`](Self::NO_STAMP) when there was no page.
    #[inline(always)]
    pub(crate) const fn bound(&self) -> u64 {
        self.bound
    }

    /// Changes when records are added.
    pub(crate) const fn end(&self) -> u32 {
        self.next
    }

    #[inline(always)]
    fn words(&self, at: u16) -> &Words {
        match self.chunks.owned(at.into()) {
            Some(words) => words,
            None => broken::no_such_chunk(),
        }
    }

    #[inline(always)]
    fn words_mut(&mut self, at: u16) -> &mut Words {
        match self.chunks.owned_mut(at.into()) {
            Some(words) => words,
            None => broken::no_such_chunk(),
        }
    }

    fn link_mut(&mut self, at: u16) -> &mut Link {
        match self.links.get_mut(at.into()) {
            Some(link) => link,
            None => broken::no_such_chunk(),
        }
    }

    /// Whether the next [`add`](Self::add) finds a place.
    #[inline(always)]
    pub(crate) const fn is_ready(&self) -> bool {
        !self.next.is_multiple_of(END)
    }

    /// What the next [`add`](Self::add) hands back, if it finds a place.
    #[inline(always)]
    pub(crate) fn next_record(&self) -> Option<SlotId> {
        self.is_ready().then_some(SlotId(self.next))
    }

    /// Makes the page at `place` of `block` the youngest. There [is](Self::is_ready) a place for it.
    #[inline(always)]
    pub(crate) fn add(&mut self, block: SlotId, place: u8, stamp: u64) -> SlotId {
        let id = SlotId(self.next);
        chunk::write(self.words_mut(chunk_of(id)), place_of(id), block, place, stamp);
        self.next += 1;
        if self.bound == Self::NO_STAMP {
            self.bound = stamp;
        }
        id
    }

    /// Takes a page out. Whether [`see_to`](Self::see_to) is to be called.
    #[inline(always)]
    pub(crate) fn remove(&mut self, id: SlotId) -> bool {
        chunk::free(self.words_mut(chunk_of(id)), place_of(id))
    }

    /// Sees to the chunk of a record that was removed: frees it if it is empty. A pair that is to be
    /// merged.
    pub(crate) fn see_to(&mut self, id: SlotId) -> Option<ThinPair> {
        let at = chunk_of(id);
        let words = self.words(at);
        let (nr_used, prev, next) = (chunk::nr_used(words), chunk::prev(words), chunk::next(words));
        if nr_used == 0 && at == self.youngest {
            // All of its places have been used: it begins anew.
            chunk::begin(self.words_mut(at), prev);
            self.next = record_at(at, FIRST).0;
        } else if nr_used == 0 {
            self.unlink(at);
        } else if nr_used == THIN && at != self.youngest {
            if self.is_thin(prev) {
                return Some((prev, at));
            }
            if self.is_thin(next) {
                return Some((at, next));
            }
        }
        None
    }

    /// Whether there is such a chunk, with few records, and with a chunk behind it.
    fn is_thin(&self, at: u16) -> bool {
        at != NO_CHUNK && at != self.youngest && chunk::nr_used(self.words(at)) <= THIN
    }

    /// Moves the records of the younger chunk into the older one. `moved` is told each page whose
    /// record has another number now, and that number.
    pub(crate) fn merge(
        &mut self,
        (older, younger): ThinPair,
        mut moved: impl FnMut((SlotId, u8), SlotId),
    ) {
        let behind = self.chunks.get_mut(younger.into()).and_then(Option::take);
        let Some(behind) = behind else { broken::no_such_chunk() };
        chunk::pack(self.words_mut(older), &behind, |page, to| moved(page, record_at(older, to)));
        if let Some(place) = self.chunks.get_mut(younger.into()) {
            *place = Some(behind);
        }
        self.unlink(younger);
    }

    /// Opens another chunk, for the youngest one is full. A pair that is to be merged.
    ///
    /// # Errors
    /// The block that `supply` lacks.
    pub(crate) fn open(&mut self, supply: &mut AgeSupply) -> Result<Option<ThinPair>, SlabNeed> {
        let is_fresh = self.bare == NO_CHUNK;
        let at = if is_fresh { self.nr_chunks } else { self.bare };
        if at >= CHUNKS_MAX {
            return Err(SlabNeed::Full);
        }
        self.links.ensure(at.into(), &mut supply.infos).map_err(SlabNeed::Infos)?;
        self.chunks.ensure(at.into(), &mut supply.chunks).map_err(SlabNeed::Chunks)?;
        let mut fresh = supply.chunk.take().ok_or(SlabNeed::Chunk)?;
        let full = core::mem::replace(&mut self.youngest, at);
        chunk::begin(&mut fresh, full);
        match self.chunks.get_mut(at.into()) {
            Some(place) => *place = Some(fresh),
            None => broken::no_such_chunk(),
        }
        if is_fresh {
            self.nr_chunks += 1;
        } else {
            self.bare = self.link_mut(at).0;
        }
        self.next = record_at(at, FIRST).0;
        if full == NO_CHUNK {
            self.oldest = at;
            return Ok(None);
        }
        let words = self.words_mut(full);
        let prev = chunk::prev(words);
        chunk::set_neighbours(words, prev, at);
        Ok((self.is_thin(full) && self.is_thin(prev)).then_some((prev, full)))
    }

    /// Takes a chunk, which is not the youngest, out of the log and notes it.
    fn unlink(&mut self, at: u16) {
        let words = self.words(at);
        let (prev, next) = (chunk::prev(words), chunk::next(words));
        if prev == NO_CHUNK {
            self.oldest = next;
        } else {
            let words = self.words_mut(prev);
            chunk::set_neighbours(words, chunk::prev(words), next);
        }
        let words = self.words_mut(next);
        chunk::set_neighbours(words, prev, chunk::next(words));
        match self.excess.iter_mut().find(|place| **place == NO_CHUNK) {
            Some(place) => *place = at,
            None => broken::too_much_garbage(),
        }
    }

    /// Whether there is anything to [`collect`](Self::collect).
    pub(crate) fn has_excess(&self) -> bool {
        self.excess != [NO_CHUNK; 2]
    }

    /// Hands the chunks that went out of the log to the garbage, under the same lock.
    pub(crate) fn collect<const F: usize>(&mut self, garbage: &mut Garbage<F>) {
        for at in core::mem::replace(&mut self.excess, [NO_CHUNK; 2]) {
            if at != NO_CHUNK {
                self.drop_chunk(at, garbage);
            }
        }
    }

    fn drop_chunk<const F: usize>(&mut self, at: u16, garbage: &mut Garbage<F>) {
        self.link_mut(at).0 = core::mem::replace(&mut self.bare, at);
        if let Some(words) = self.chunks.get_mut(at.into()).and_then(Option::take) {
            garbage.push_box(words);
        }
    }

    /// Where the places of a chunk that have been used end.
    fn end_of(&self, at: u16) -> u32 {
        // A place that is still to be used is in the youngest.
        if at == self.youngest && self.is_ready() { self.next % END } else { END }
    }

    /// The record of the oldest page.
    #[inline]
    pub(crate) fn oldest(&self) -> Option<SlotId> {
        self.first_from(self.oldest, FIRST)
    }

    /// The record of the page that is the next younger one.
    pub(crate) fn younger(&self, id: SlotId) -> Option<SlotId> {
        self.first_from(chunk_of(id), place_of(id) + 1)
    }

    /// The first record at or behind a place. No chunk but the youngest is empty, so it is found in
    /// the second one that is looked at.
    fn first_from(&self, mut at: u16, mut place: u32) -> Option<SlotId> {
        while at != NO_CHUNK {
            let words = self.words(at);
            if let Some(used) = chunk::first_used(words, place, self.end_of(at)) {
                return Some(record_at(at, used));
            }
            (at, place) = (chunk::next(words), FIRST);
        }
        None
    }

    /// The page of a record: its block and its place there.
    pub(crate) fn page(&self, id: SlotId) -> (SlotId, u8) {
        chunk::page(self.words(chunk_of(id)), place_of(id))
    }

    /// The host's count of creations when the page of a record was created or last refreshed.
    pub(crate) fn stamp(&self, id: SlotId) -> u64 {
        chunk::stamp(self.words(chunk_of(id)), place_of(id))
    }

    /// Makes the bound the stamp of the oldest page, whose record it hands back.
    pub(crate) fn raise_bound(&mut self) -> Option<SlotId> {
        let oldest = self.oldest();
        self.bound = oldest.map_or(Self::NO_STAMP, |oldest| self.stamp(oldest));
        oldest
    }

    /// Hands one block of an empty log to the garbage. `true` when none is left.
    pub(crate) fn dismantle<const F: usize>(&mut self, garbage: &mut Garbage<F>) -> bool {
        if self.youngest != NO_CHUNK {
            let at = core::mem::replace(&mut self.youngest, NO_CHUNK);
            (self.oldest, self.next) = (NO_CHUNK, 0);
            self.drop_chunk(at, garbage);
            return false;
        }
        (self.nr_chunks, self.bare, self.bound) = (0, NO_CHUNK, Self::NO_STAMP);
        let block: Option<Boxed> = self.chunks.dismantle().or_else(|| self.links.dismantle());
        match block {
            Some(block) => {
                garbage.push_box(block);
                false
            }
            None => true,
        }
    }
}

/// For the audits.
impl AgeLog {
    /// Frames of metadata: those of a few chunks from number `from` on, and with the first all that
    /// are none of chunks. Where to go on; `None` at the end.
    pub(crate) fn count_blocks(&self, from: usize) -> (u32, Option<usize>) {
        let (chunks, next) = self.chunks.count_owned(from, self.nr_chunks.into());
        let others = self.chunks.nr_blocks() + self.links.nr_blocks();
        (if from == 0 { others + chunks } else { chunks }, next)
    }

    /// Records and frames of metadata, counted anew; `None`: the chunks disagree about their order or
    /// about what is in them.
    pub(crate) fn recount(&self) -> Option<(u32, u32)> {
        let (mut nr_records, mut nr_linked) = (0, 0);
        let (mut before, mut at) = (NO_CHUNK, self.oldest);
        while at != NO_CHUNK {
            let words = self.words(at);
            if !self.is_sound(at) || chunk::prev(words) != before || nr_linked > self.nr_chunks {
                return None;
            }
            nr_records += chunk::nr_used(words) - (END - self.end_of(at));
            nr_linked += 1;
            (before, at) = (at, chunk::next(words));
        }
        if before != self.youngest {
            return None;
        }
        let (mut from, mut nr_blocks) = (Some(0), 0);
        while let Some(at) = from {
            let (counted, next) = self.count_blocks(at);
            nr_blocks += counted;
            from = next;
        }
        let others = self.chunks.nr_blocks() + self.links.nr_blocks();
        (nr_blocks == others + u32::from(nr_linked)).then_some((nr_records, nr_blocks))
    }

    /// Whether a record is not younger than the next one, and its chunk is [sound](Self::is_sound).
    pub(crate) fn is_in_place(&self, id: SlotId) -> bool {
        let stamp = self.stamp(id);
        let is_ordered = self.younger(id).is_none_or(|younger| stamp <= self.stamp(younger));
        is_ordered && self.bound <= stamp && self.is_sound(chunk_of(id))
    }

    /// Whether what a chunk says of its records and of its neighbours is so.
    fn is_sound(&self, at: u16) -> bool {
        let words = self.words(at);
        let is_neighbour = |other: u16| self.chunks.owned(other.into());
        let (prev, next) = (chunk::prev(words), chunk::next(words));
        let is_behind = match is_neighbour(prev) {
            Some(prev) => chunk::next(prev) == at,
            None => prev == NO_CHUNK && self.oldest == at,
        };
        let is_before = match is_neighbour(next) {
            Some(next) => chunk::prev(next) == at,
            None => next == NO_CHUNK && self.youngest == at,
        };
        is_behind && is_before && chunk::recount(words) == chunk::nr_used(words)
    }

    /// The first record at or after `from`, looking at no more than `chunks` chunks, which it counts
    /// down.
    pub(crate) fn next_used(&self, from: SlotId, chunks: &mut usize) -> Scanned {
        let (mut at, mut place) = (chunk_of(from), place_of(from));
        while at < self.nr_chunks {
            if *chunks == 0 {
                return Scanned::Unfinished(record_at(at, place));
            }
            *chunks -= 1;
            if let Some(words) = self.chunks.owned(at.into())
                && let Some(used) = chunk::first_used(words, place, self.end_of(at))
            {
                return Scanned::Found(record_at(at, used));
            }
            (at, place) = (at + 1, 0);
        }
        Scanned::End
    }
}

/// Faults, for the tests of the audit.
#[cfg(test)]
impl AgeLog {
    /// Makes the oldest chunk its own neighbour. `false`: there is none.
    pub(crate) fn harm(&mut self) -> bool {
        let at = self.oldest;
        if at != NO_CHUNK {
            let words = self.words_mut(at);
            chunk::set_neighbours(words, at, chunk::next(words));
        }
        at != NO_CHUNK
    }
}

#[cfg(test)]
mod tests;

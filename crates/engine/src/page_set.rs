//! The pages of a block, by their places: up to three in the block's own record, more in a map.
//!
//! Most blocks are full (large files, swap) or hold very few pages (small files, scattered
//! indexes). Two forms serve both: a full block costs eight bytes a page, a lone page nothing
//! beside its block.

use crate::broken;
use crate::page::Entry;
use crate::slab::{Slab, SlabNeed, SlabSupply, Slot, SlotId};
use crate::table::NUMBER_BITS;
use core::cell::Cell;

/// log2 of the places in a block.
pub(crate) const PLACE_BITS: u32 = 6;
/// Places in a block.
pub(crate) const PLACES: usize = 1 << PLACE_BITS;
/// Maps in a chunk.
pub(crate) const MAPS_PER_CHUNK: usize = 8;
/// All maps of a shard.
pub(crate) type Maps = Slab<PageMap, MAPS_PER_CHUNK, 1>;

/// Pages that need no map, and pages at which a map is given up: what makes a block's record a
/// cache line.
const INLINE_LEN: usize = 3;

/// The place of page `index` in its block.
#[expect(clippy::cast_possible_truncation, reason = "takes the low bits")]
pub(crate) const fn place_of(index: u32) -> u8 {
    index as u8 % PLACES as u8
}

/// The entry of each place of a block.
#[derive(Debug)]
pub(crate) struct PageMap([Entry; PLACES]);

impl Slot for PageMap {
    // The index keeps their numbers, and the greatest stands for none.
    const CHUNKS_MAX: usize = (1 << NUMBER_BITS) / MAPS_PER_CHUNK - 1;
}

impl Default for PageMap {
    fn default() -> Self {
        Self([const { Entry::none() }; PLACES])
    }
}

impl PageMap {
    /// The page at `place`, to be changed; it stays a page.
    #[inline(always)]
    pub(crate) fn page_mut(&mut self, place: u8) -> Option<&mut Entry> {
        Some(self.entry_mut(place)).filter(|entry| entry.is_page())
    }

    const fn at(&self, place: u8) -> &Entry {
        &self.0[place as usize % PLACES]
    }

    /// The entry at `place`, with a page or without.
    #[inline(always)]
    pub(crate) const fn entry_mut(&mut self, place: u8) -> &mut Entry {
        &mut self.0[place as usize % PLACES]
    }
}

/// The pages of a block.
#[derive(Debug)]
pub(crate) struct PageSet {
    /// Pages there are. A cell, for a look-up that has found the block counts on at once.
    len: Cell<u8>,
    /// What place each of the inline entries is for; only those with a page count. With a map: the
    /// map's slot number, from the low end.
    places: [u8; INLINE_LEN],
    form: Form,
}

#[derive(Debug)]
enum Form {
    Inline([Entry; INLINE_LEN]),
    /// In a map. The room that the entries left is used for a label.
    Map([u32; 2 * INLINE_LEN]),
}

impl Form {
    #[expect(clippy::cast_possible_truncation, reason = "takes words apart")]
    fn labelled([a, b, c]: [u64; 3]) -> Self {
        let (low, high) = (|word: u64| word as u32, |word: u64| (word >> 32) as u32);
        Self::Map([low(a), high(a), low(b), high(b), low(c), high(c)])
    }
}

impl Default for PageSet {
    fn default() -> Self {
        let form = Form::Inline([const { Entry::none() }; INLINE_LEN]);
        Self { len: Cell::new(0), places: [0; INLINE_LEN], form }
    }
}

impl PageSet {
    /// One page.
    #[inline(always)]
    pub(crate) const fn of(place: u8, page: Entry) -> Self {
        let form = Form::Inline([page, Entry::none(), Entry::none()]);
        Self { len: Cell::new(1), places: [place, 0, 0], form }
    }

    /// The number of pages.
    pub(crate) const fn len(&self) -> u32 {
        self.len.get() as u32
    }

    /// The map's slot, if there is one.
    pub(crate) const fn map(&self) -> SlotId {
        match self.form {
            Form::Map(_) => self.map_slot(),
            Form::Inline(_) => SlotId::NONE,
        }
    }

    /// The map's slot, in a block that has a map.
    const fn map_slot(&self) -> SlotId {
        let [low, middle, high] = self.places;
        SlotId(u32::from_le_bytes([low, middle, high, 0]))
    }

    /// The label that was given when the map was made; a block without one has no room for it.
    #[inline(always)]
    pub(crate) fn label(&self) -> Option<[u64; 3]> {
        let Form::Map([a, b, c, d, e, f]) = self.form else { return None };
        let word = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        Some([word(a, b), word(c, d), word(e, f)])
    }

    /// Pages, counted anew for the audit.
    pub(crate) fn recount(&self, maps: &Maps) -> u32 {
        let entries = match &self.form {
            Form::Map(_) => &maps.get(self.map_slot()).0[..],
            Form::Inline(entries) => entries,
        };
        entries.iter().map(|entry| u32::from(entry.is_page())).sum()
    }

    /// The page at `place`.
    #[inline]
    pub(crate) fn get<'a>(&'a self, place: u8, maps: &'a Maps) -> Option<&'a Entry> {
        let entry = match &self.form {
            Form::Map(_) => maps.get(self.map_slot()).at(place),
            Form::Inline(entries) => {
                let mut pages = self.places.iter().zip(entries);
                pages.find(|(at, entry)| **at == place && entry.is_page())?.1
            }
        };
        entry.is_page().then_some(entry)
    }

    /// The page at `place` of a block without a map, to be changed; it stays a page.
    #[inline(always)]
    pub(crate) fn inline_mut(&mut self, place: u8) -> Option<&mut Entry> {
        let Form::Inline(entries) = &mut self.form else { return None };
        let mut pages = self.places.iter().zip(entries);
        pages.find(|(at, entry)| **at == place && entry.is_page()).map(|(_, entry)| entry)
    }

    /// Where among the entries of a block without a map the page at `place` is.
    #[inline(always)]
    pub(crate) fn inline_at(&self, place: u8) -> Option<usize> {
        let Form::Inline(entries) = &self.form else { return None };
        let mut pages = self.places.iter().zip(entries);
        pages.position(|(at, entry)| *at == place && entry.is_page())
    }

    /// The entry that [`inline_at`](Self::inline_at) names.
    #[inline(always)]
    pub(crate) fn inline_entry(&mut self, at: usize) -> Option<&mut Entry> {
        let Form::Inline(entries) = &mut self.form else { return None };
        entries.get_mut(at)
    }

    /// Whether one page can be added to a block without a map, as it is.
    #[inline(always)]
    pub(crate) const fn has_inline_room(&self) -> bool {
        matches!(self.form, Form::Inline(_)) && (self.len.get() as usize) < INLINE_LEN
    }

    /// Adds a page at a place that has none, where there is [room](Self::has_inline_room).
    #[inline(always)]
    pub(crate) fn insert_inline(&mut self, place: u8, page: Entry) {
        let slots = match &mut self.form {
            Form::Inline(entries) => Some(self.places.iter_mut().zip(entries)),
            Form::Map(_) => None,
        };
        match slots.and_then(|mut slots| slots.find(|(_, entry)| !entry.is_page())) {
            Some((at, entry)) => (*at, *entry) = (place, page),
            None => broken::unprepared_slot(),
        }
        self.added();
    }

    /// The page at `place`, to be changed; it stays a page.
    #[inline]
    pub(crate) fn get_mut<'a>(
        &'a mut self,
        place: u8,
        maps: &'a mut Maps,
    ) -> Option<&'a mut Entry> {
        match self.form {
            Form::Map(_) => maps.get_mut(self.map_slot()).page_mut(place),
            Form::Inline(_) => self.inline_mut(place),
        }
    }

    /// The place of any page, if there is one.
    pub(crate) fn any(&self, maps: &Maps) -> Option<u8> {
        match &self.form {
            Form::Map(_) => {
                (0..).zip(&maps.get(self.map_slot()).0).find(|(_, entry)| entry.is_page())
            }
            Form::Inline(entries) => {
                self.places.into_iter().zip(entries).find(|(_, entry)| entry.is_page())
            }
        }
        .map(|(place, _)| place)
    }

    /// The first place with a page at or after `from`.
    pub(crate) fn next(&self, from: u8, maps: &Maps) -> Option<u8> {
        let is_next = |(place, entry): &(u8, &Entry)| *place >= from && entry.is_page();
        match &self.form {
            Form::Map(_) => {
                (0..).zip(&maps.get(self.map_slot()).0).find(is_next).map(|(place, _)| place)
            }
            // Few, and in no order.
            Form::Inline(entries) => {
                let pages = self.places.into_iter().zip(entries).filter(is_next);
                pages.map(|(place, _)| place).min()
            }
        }
    }

    /// Whether one page can be added as it is.
    #[inline]
    pub(crate) fn is_ready(&self, maps: &Maps) -> bool {
        match self.form {
            Form::Inline(_) if usize::from(self.len.get()) == INLINE_LEN => maps.is_ready(),
            _ => true,
        }
    }

    /// Sees to it that one page can be added.
    ///
    /// # Errors
    /// The block of metadata that `supply` lacks.
    #[inline]
    pub(crate) fn prepare(
        &self,
        maps: &mut Maps,
        supply: &mut SlabSupply<PageMap, MAPS_PER_CHUNK>,
    ) -> Result<(), SlabNeed> {
        match self.form {
            Form::Inline(_) if usize::from(self.len.get()) == INLINE_LEN => maps.prepare(supply),
            _ => Ok(()),
        }
    }

    /// Notes that a page was put into its map.
    #[inline(always)]
    pub(crate) fn added(&self) {
        self.len.set(self.len.get() + 1);
    }

    /// Moves the pages of a full record into a map, for which there is a slot, labels it, and counts one
    /// page more, which is to be put there.
    #[inline(never)]
    pub(crate) fn move_to_map(&mut self, maps: &mut Maps, o0: u64, o1: u64, o2: u64) -> SlotId {
        let map = maps.insert_empty();
        let entries = maps.get_mut(map);
        let label = Form::labelled([o0, o1, o2]);
        if let Form::Inline(pages) = core::mem::replace(&mut self.form, label) {
            for (at, page) in self.places.into_iter().zip(pages) {
                *entries.entry_mut(at) = page;
            }
        }
        let [low, middle, high, _] = map.0.to_le_bytes();
        self.places = [low, middle, high];
        self.added();
        map
    }

    /// Notes that a page was taken out of its entry. Whether few are left, so that block or map may
    /// have to go.
    #[inline(always)]
    pub(crate) fn taken(&self) -> bool {
        self.len.set(self.len.get() - 1);
        self.is_sparse()
    }

    /// Whether there are so few pages that they need no map.
    #[inline(always)]
    pub(crate) const fn is_sparse(&self) -> bool {
        self.len.get() as usize <= INLINE_LEN
    }

    /// Brings the last few pages of a map home ([`is_sparse`](Self::is_sparse)). Whether that leaves a
    /// chunk to collect; `None`: there was no map.
    #[inline(never)]
    pub(crate) fn shrink(&mut self, maps: &mut Maps) -> Option<bool> {
        let map = self.map().some()?;
        let mut entries = [const { Entry::none() }; INLINE_LEN];
        let pages = (0..).zip(&mut maps.get_mut(map).0).filter(|(_, entry)| entry.is_page());
        for ((entry, at), (place, page)) in entries.iter_mut().zip(&mut self.places).zip(pages) {
            (*entry, *at) = (core::mem::take(page), place);
        }
        self.form = Form::Inline(entries);
        Some(maps.remove_empty(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Frame, FrameId};

    fn page(nr: u32) -> Entry {
        Entry::ageless(Frame::from_id(FrameId::new(nr).expect("not 0")))
    }

    fn frame(set: &PageSet, place: u8, maps: &Maps) -> Option<u32> {
        set.get(place, maps).and_then(Entry::frame_id).map(FrameId::get)
    }

    fn insert(set: &mut PageSet, place: u8, page: Entry, maps: &mut Maps, [a, b, c]: [u64; 3]) {
        if set.has_inline_room() {
            set.insert_inline(place, page);
            return;
        }
        let map = set.map().some().inspect(|_| set.added());
        let map = map.unwrap_or_else(|| set.move_to_map(maps, a, b, c));
        *maps.get_mut(map).entry_mut(place) = page;
    }

    fn take(set: &mut PageSet, place: u8, maps: &mut Maps) -> bool {
        let is_there = set.get_mut(place, maps).map(core::mem::take).is_some();
        if is_there && set.taken() {
            set.shrink(maps);
        }
        is_there
    }

    #[test]
    fn pages_are_found_whatever_the_form() {
        let (mut set, mut maps) = (PageSet::default(), Maps::new());
        let mut supply = SlabSupply::default();
        assert!(supply.fetch(SlabNeed::Chunk));
        let places: [u8; 7] = [63, 0, 5, 17, 1, 62, 30];
        for (nr, &place) in (1..).zip(&places) {
            assert_eq!(frame(&set, place, &maps), None);
            set.prepare(&mut maps, &mut supply).expect("there is a chunk");
            insert(&mut set, place, page(nr), &mut maps, [7, u64::MAX, 1 << 33]);
            let is_labelled = set.map().some().map(|_| [7, u64::MAX, 1 << 33]);
            assert_eq!(set.label(), is_labelled);
            assert_eq!((set.len(), frame(&set, place, &maps)), (nr, Some(nr)));
        }
        for (nr, &place) in (1..).zip(&places) {
            assert_eq!(frame(&set, place, &maps), Some(nr));
        }
        assert_eq!(frame(&set, 2, &maps), None);
        for &place in &places[..5] {
            assert!(take(&mut set, place, &mut maps));
            assert_eq!(frame(&set, place, &maps), None);
            assert!(!take(&mut set, place, &mut maps));
        }
        assert!(matches!(set.form, Form::Inline(_)));
        assert_eq!((frame(&set, 62, &maps), frame(&set, 30, &maps)), (Some(6), Some(7)));
        assert_eq!(maps.recount().0, 0);
        take(&mut set, 30, &mut maps);
        assert_eq!(set.any(&maps), Some(62));
        insert(&mut set, 0, page(9), &mut maps, [0; 3]);
        assert_eq!((frame(&set, 62, &maps), frame(&set, 0, &maps)), (Some(6), Some(9)));
    }
}

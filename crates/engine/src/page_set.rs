//! The pages of a block, by their places: up to four in the block's own record, more in a map.
//!
//! Most blocks are full (large files, swap) or hold very few pages (small files, scattered
//! indexes). Two forms serve both: a full block costs four bytes a page, a lone page nothing beside
//! its block. The form goes back to the small one late ([`SHRINK_LEN`]), so that a guest that puts
//! and flushes by turns does not make it change each time.

use crate::garbage::Garbage;
use crate::slab::{Slab, SlabNeed, SlabSupply, SlotId};

/// log2 of the places in a block.
pub(crate) const PLACE_BITS: u32 = 6;
/// Places in a block.
pub(crate) const PLACES: usize = 1 << PLACE_BITS;
/// Maps in a chunk.
pub(crate) const MAPS_PER_CHUNK: usize = 16;
/// All maps of a shard.
pub(crate) type Maps = Slab<PageMap, MAPS_PER_CHUNK>;

/// Pages that need no map.
const INLINE_LEN: usize = 4;
/// Pages at which a map is given up.
const SHRINK_LEN: usize = 2;

/// The place of page `index` in its block.
#[expect(clippy::cast_possible_truncation, reason = "takes the low bits")]
pub(crate) const fn place_of(index: u32) -> u8 {
    index as u8 % PLACES as u8
}

/// The page at each place of a block, or none.
#[derive(Debug)]
pub(crate) struct PageMap([SlotId; PLACES]);

impl Default for PageMap {
    fn default() -> Self {
        Self([SlotId::NONE; PLACES])
    }
}

/// The pages of a block.
///
/// # Invariants
/// Not mapped: `slots[..len]` are the pages at `places[..len]`, in no order. Mapped: `slots[0]` is
/// the map's slot, and `len` of its places hold a page.
#[derive(Debug)]
pub(crate) struct PageSet {
    slots: [SlotId; INLINE_LEN],
    places: [u8; INLINE_LEN],
    len: u8,
    is_mapped: bool,
}

impl Default for PageSet {
    fn default() -> Self {
        Self {
            slots: [SlotId::NONE; INLINE_LEN],
            places: [0; INLINE_LEN],
            len: 0,
            is_mapped: false,
        }
    }
}

impl PageSet {
    /// The number of pages.
    pub(crate) const fn len(&self) -> u32 {
        self.len as u32
    }

    /// The page at `place`.
    #[inline]
    pub(crate) fn get(&self, place: u8, maps: &Maps) -> Option<SlotId> {
        if self.is_mapped {
            return maps.get(self.slots[0]).0[usize::from(place) % PLACES].some();
        }
        let entries = self.places.iter().zip(&self.slots).take(self.len.into());
        entries.into_iter().find_map(|(&at, &page)| (at == place).then_some(page))
    }

    /// Any page, if there is one.
    pub(crate) fn any(&self, maps: &Maps) -> Option<SlotId> {
        if self.is_mapped {
            return maps.get(self.slots[0]).0.iter().find_map(|page| page.some());
        }
        (self.len > 0).then_some(self.slots[0])
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
        if self.is_mapped || usize::from(self.len) < INLINE_LEN {
            Ok(())
        } else {
            maps.prepare(supply)
        }
    }

    /// Adds a page at a place that has none. [`prepare`](Self::prepare) went before.
    #[inline]
    pub(crate) fn insert(&mut self, place: u8, page: SlotId, maps: &mut Maps) {
        let len = usize::from(self.len);
        if !self.is_mapped && len == INLINE_LEN {
            self.grow(maps);
        }
        if self.is_mapped {
            maps.get_mut(self.slots[0]).0[usize::from(place) % PLACES] = page;
        } else if let (Some(slot), Some(at)) = (self.slots.get_mut(len), self.places.get_mut(len)) {
            (*slot, *at) = (page, place);
        }
        self.len += 1;
    }

    fn grow(&mut self, maps: &mut Maps) {
        let mut map = PageMap::default();
        for (&place, &page) in self.places.iter().zip(&self.slots) {
            map.0[usize::from(place) % PLACES] = page;
        }
        self.slots[0] = maps.insert(map);
        self.is_mapped = true;
    }

    /// Puts `page` in the place of the one at `place`.
    pub(crate) fn replace(&mut self, place: u8, page: SlotId, maps: &mut Maps) {
        if self.is_mapped {
            maps.get_mut(self.slots[0]).0[usize::from(place) % PLACES] = page;
            return;
        }
        let entries = self.places.iter().zip(&mut self.slots).take(self.len.into());
        for (&at, slot) in entries {
            if at == place {
                *slot = page;
            }
        }
    }

    /// Takes out the page at `place`, which there is; a chunk of maps may fall to the garbage.
    #[inline]
    pub(crate) fn remove<const F: usize>(
        &mut self,
        place: u8,
        maps: &mut Maps,
        garbage: &mut Garbage<F>,
    ) {
        self.len -= 1;
        let len = usize::from(self.len);
        if self.is_mapped {
            maps.get_mut(self.slots[0]).0[usize::from(place) % PLACES] = SlotId::NONE;
            if len <= SHRINK_LEN {
                self.shrink(maps, garbage);
            }
            return;
        }
        if let Some(at) = self.places.iter().take(len).position(|&at| at == place) {
            self.slots[at] = self.slots[len % INLINE_LEN];
            self.places[at] = self.places[len % INLINE_LEN];
        }
    }

    fn shrink<const F: usize>(&mut self, maps: &mut Maps, garbage: &mut Garbage<F>) {
        let map = maps.remove(self.slots[0], garbage);
        let pages = (0..).zip(map.0).filter(|(_, page)| page.some().is_some());
        for ((slot, at), (place, page)) in self.slots.iter_mut().zip(&mut self.places).zip(pages) {
            (*slot, *at) = (page, place);
        }
        self.is_mapped = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chunk of maps, taken from the ordinary heap.
    fn supply() -> SlabSupply<PageMap, MAPS_PER_CHUNK> {
        SlabSupply { chunk: crate::meta::boxed(), ..SlabSupply::default() }
    }

    #[test]
    fn pages_are_found_whatever_the_form() {
        let (mut set, mut maps, mut supply) = (PageSet::default(), Maps::new(), supply());
        let mut garbage = Garbage::<1>::new();
        let places: [u8; 7] = [63, 0, 5, 17, 1, 62, 30];
        for (nr, &place) in (0..).zip(&places) {
            set.prepare(&mut maps, &mut supply).expect("there is a chunk");
            set.insert(place, SlotId(nr), &mut maps);
            assert_eq!(set.len(), nr + 1);
        }
        for (nr, &place) in (0..).zip(&places) {
            assert_eq!(set.get(place, &maps), Some(SlotId(nr)));
        }
        assert_eq!(set.get(2, &maps), None);
        set.replace(17, SlotId(99), &mut maps);
        for &place in &places[..5] {
            assert!(set.get(place, &maps).is_some());
            set.remove(place, &mut maps, &mut garbage);
            assert_eq!(set.get(place, &maps), None);
        }
        assert!(!set.is_mapped);
        assert_eq!((set.get(62, &maps), set.get(30, &maps)), (Some(SlotId(5)), Some(SlotId(6))));
        set.replace(62, SlotId(7), &mut maps);
        set.remove(30, &mut maps, &mut garbage);
        assert_eq!((set.get(62, &maps), set.any(&maps)), (Some(SlotId(7)), Some(SlotId(7))));
        set.remove(62, &mut maps, &mut garbage);
        assert_eq!((set.len(), set.any(&maps)), (0, None));
    }
}

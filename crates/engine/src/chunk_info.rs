//! What a slab knows of a chunk, beside its address: which places are used, and its neighbours.

/// No chunk: the end of a list.
pub(crate) const NO_CHUNK: u16 = u16::MAX;

/// What is known of a chunk with up to 64 places.
#[derive(Debug)]
pub(crate) struct ChunkInfo {
    /// A bit for each place that is used or on the slab's desk.
    used: u64,
    /// Neighbours in the list of chunks with a free place; `next` also links numbers without chunk.
    pub(crate) prev: u16,
    pub(crate) next: u16,
}

impl Default for ChunkInfo {
    fn default() -> Self {
        Self { used: 0, prev: NO_CHUNK, next: NO_CHUNK }
    }
}

/// A bit for each of `N` places.
const fn all<const N: usize>() -> u64 {
    u64::MAX >> (64 - N)
}

impl ChunkInfo {
    pub(crate) const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Whether none of the `N` places is free.
    #[inline(always)]
    pub(crate) const fn is_full<const N: usize>(&self) -> bool {
        self.used == all::<N>()
    }

    /// Free places of the `N` that there are.
    pub(crate) const fn nr_free<const N: usize>(&self) -> usize {
        N - self.used.count_ones() as usize
    }

    /// Marks the free places as used: a bit for each.
    pub(crate) const fn take_free<const N: usize>(&mut self) -> u64 {
        let free = !self.used & all::<N>();
        self.used = all::<N>();
        free
    }

    /// Marks used places as free: those of `bits`, the lowest of which is for `place`.
    #[inline(always)]
    pub(crate) const fn mark_free(&mut self, place: u32, bits: u64) {
        self.used &= !(bits << (place % 64));
    }

    /// The first place at or after `from` that is used or on the desk.
    pub(crate) const fn first_used(&self, from: u32) -> Option<u32> {
        // A shift by a whole word leaves none.
        match self.used.checked_shr(from) {
            None | Some(0) => None,
            Some(rest) => Some(from + rest.trailing_zeros()),
        }
    }

    /// Used places.
    pub(crate) const fn nr_used(&self) -> u32 {
        self.used.count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_used_place_is_found_from_any_place_on() {
        let mut info = ChunkInfo::default();
        assert_eq!(info.take_free::<64>(), u64::MAX);
        let used = [0, 5, 62, 63];
        for place in (0..64).filter(|place| !used.contains(place)) {
            info.mark_free(place, 1);
        }
        assert_eq!((info.nr_used(), info.nr_free::<64>(), info.is_full::<64>()), (4, 60, false));
        for (from, place) in [(0, 0), (1, 5), (5, 5), (6, 62), (62, 62), (63, 63)] {
            assert_eq!(info.first_used(from), Some(place), "from {from}");
        }
        assert_eq!(info.first_used(64), None);
        info.mark_free(62, 0b11);
        assert_eq!(info.first_used(6), None);
    }

    #[test]
    fn free_places_are_taken_at_once() {
        let mut info = ChunkInfo::default();
        assert_eq!((info.take_free::<8>(), info.is_full::<8>()), (0xff, true));
        info.mark_free(2, 0b101);
        assert_eq!((info.nr_free::<8>(), info.is_full::<8>()), (2, false));
        assert_eq!((info.take_free::<8>(), info.take_free::<8>()), (0b1_0100, 0));
        info.mark_free(0, 0xff);
        assert!(info.is_empty());
    }
}

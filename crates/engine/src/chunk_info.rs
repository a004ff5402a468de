//! What a slab knows of a chunk, beside its address: which places are used, and its neighbours.

/// No chunk: the end of a list.
pub(crate) const NO_CHUNK: u16 = u16::MAX;

/// What is known of a chunk with up to 64 × `W` places.
#[derive(Debug)]
pub(crate) struct ChunkInfo<const W: usize> {
    /// A bit for each place that is used or on the slab's desk.
    used: [u64; W],
    nr_used: u32,
    /// Neighbours in the list of chunks with a free place; `next` also links numbers without chunk.
    pub(crate) prev: u16,
    pub(crate) next: u16,
}

impl<const W: usize> Default for ChunkInfo<W> {
    fn default() -> Self {
        Self { used: [0; W], nr_used: 0, prev: NO_CHUNK, next: NO_CHUNK }
    }
}

impl<const W: usize> ChunkInfo<W> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.nr_used == 0
    }

    /// Free places of the `N` that there are.
    pub(crate) const fn nr_free<const N: usize>(&self) -> usize {
        N - self.nr_used as usize
    }

    /// Marks the free places of the first word that has one as used: the place that the lowest bit
    /// stands for, and a bit for each.
    pub(crate) fn take_word<const N: usize>(&mut self) -> (u32, u64) {
        let mask = if N < 64 { (1 << (N % 64)) - 1 } else { u64::MAX };
        let mut first = 0;
        for word in &mut self.used {
            let free = !*word & mask;
            if free != 0 {
                *word |= free;
                self.nr_used += free.count_ones();
                return (first, free);
            }
            first += 64;
        }
        (0, 0)
    }

    /// Marks used places as free: those of `bits`, the lowest of which is for `place`.
    #[inline(always)]
    pub(crate) fn mark_free(&mut self, place: u32, bits: u64) {
        if let Some(word) = self.used.get_mut(place as usize / 64) {
            *word &= !(bits << (place % 64));
            self.nr_used -= bits.count_ones();
        }
    }

    /// The first place at or after `from` that is used or on the desk.
    pub(crate) fn first_used(&self, from: u32) -> Option<u32> {
        (0..).zip(self.used).find_map(|(nth, word): (u32, u64)| {
            // Places before `from` don't count; a shift by a whole word leaves none.
            let skipped = from.saturating_sub(nth * 64);
            let rest = word.checked_shr(skipped).unwrap_or(0);
            (rest != 0).then(|| nth * 64 + skipped + rest.trailing_zeros())
        })
    }

    /// Used places, counted anew for the audit.
    pub(crate) fn recount(&self) -> u32 {
        self.used.iter().map(|word| word.count_ones()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_used_place_is_found_from_any_place_on() {
        let mut info = ChunkInfo::<4>::default();
        while info.nr_free::<256>() > 0 {
            info.take_word::<256>();
        }
        let used = [0, 5, 63, 64, 101, 255];
        for place in (0..256).filter(|place| !used.contains(place)) {
            info.mark_free(place, 1);
        }
        assert_eq!((info.recount(), info.nr_free::<256>()), (6, 250));
        let next = [(0, 0), (1, 5), (5, 5), (6, 63), (64, 64), (65, 101), (101, 101), (102, 255)];
        for (from, place) in next {
            assert_eq!(info.first_used(from), Some(place), "from {from}");
        }
        assert_eq!(info.first_used(256), None);
        info.mark_free(64, 1);
        assert_eq!(info.first_used(64), Some(101));
    }

    #[test]
    fn a_word_of_places_is_taken_at_a_time() {
        let mut info = ChunkInfo::<1>::default();
        assert_eq!(info.take_word::<8>(), (0, 0xff));
        info.mark_free(2, 0b101);
        assert_eq!((info.nr_free::<8>(), info.take_word::<8>()), (2, (0, 0b1_0100)));
        let mut info = ChunkInfo::<4>::default();
        assert_eq!(info.take_word::<256>(), (0, u64::MAX));
        assert_eq!(info.take_word::<256>(), (64, u64::MAX));
        assert_eq!(info.nr_free::<256>(), 128);
    }
}

//! The record of age of a page in an ephemeral pool: sixteen bytes in the age list of its shard.

use crate::page_set::PLACE_BITS;
use crate::slab::{SLOT_BITS, Slab, Slot, SlotId};
use static_assertions::const_assert;

/// Records in a chunk.
pub(crate) const PER_CHUNK: usize = 256;
/// Words of marks for them.
pub(crate) const WORDS: usize = 4;

/// All records of age of a shard.
pub(crate) type Ages = Slab<Aged, PER_CHUNK, WORDS, 1>;

const_assert!(size_of::<Aged>() == 16);
const_assert!(size_of::<[Aged; PER_CHUNK]>() == 4096);

/// The record.
///
/// Two words, from the low end: the older neighbour and the lower part of the stamp; the younger
/// neighbour, the block, the place in it, and the upper part of the stamp. The stamp has 53 bits:
/// 285 years at a million pages a second.
#[derive(Debug)]
pub(crate) struct Aged([u64; 2]);

const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
const STAMP_LOW_BITS: u32 = u64::BITS - SLOT_BITS;
const BLOCK_SHIFT: u32 = SLOT_BITS;
const PLACE_SHIFT: u32 = 2 * SLOT_BITS;
const STAMP_SHIFT: u32 = PLACE_SHIFT + PLACE_BITS;
/// Bits of the second word that are not its page's name.
const OTHERS: u64 = SLOT_MASK | u64::MAX << STAMP_SHIFT;

impl Slot for Aged {
    // Numbers below the one that stands for none.
    const CHUNKS_MAX: usize = (1 << SLOT_BITS) / PER_CHUNK - 1;
}

impl Default for Aged {
    fn default() -> Self {
        Self([SLOT_MASK, SLOT_MASK])
    }
}

const fn slot(word: u64) -> SlotId {
    SlotId((word & SLOT_MASK) as u32)
}

impl Aged {
    /// Of the page at `place` of `block`, the youngest, after `older`.
    #[inline(always)]
    pub(crate) fn youngest_of(block: SlotId, place: u8, older: SlotId, stamp: u64) -> Self {
        let name = u64::from(place) << PLACE_SHIFT | u64::from(block.0) << BLOCK_SHIFT;
        let upper = stamp >> STAMP_LOW_BITS << STAMP_SHIFT;
        Self([stamp << SLOT_BITS | u64::from(older.0), upper | name | SLOT_MASK])
    }

    /// The host's count of creations when this page was created or last refreshed.
    pub(crate) const fn stamp(&self) -> u64 {
        self.0[1] >> STAMP_SHIFT << STAMP_LOW_BITS | self.0[0] >> SLOT_BITS
    }

    /// The block that it is in.
    pub(crate) const fn block(&self) -> SlotId {
        slot(self.0[1] >> BLOCK_SHIFT)
    }

    /// Its place there.
    #[expect(clippy::cast_possible_truncation, reason = "a place has 6 bits")]
    pub(crate) const fn place(&self) -> u8 {
        (self.0[1] >> PLACE_SHIFT) as u8 % (1 << PLACE_BITS)
    }

    /// The next younger one.
    #[inline(always)]
    pub(crate) const fn younger(&self) -> SlotId {
        slot(self.0[1])
    }

    /// The next older one.
    #[inline(always)]
    pub(crate) const fn older(&self) -> SlotId {
        slot(self.0[0])
    }

    #[inline(always)]
    pub(crate) const fn set_younger(&mut self, id: SlotId) {
        self.0[1] = self.0[1] & !SLOT_MASK | id.0 as u64;
    }

    #[inline(always)]
    pub(crate) const fn set_older(&mut self, id: SlotId) {
        self.0[0] = self.0[0] & !SLOT_MASK | id.0 as u64;
    }

    /// Makes it the youngest, after `older`.
    #[inline(always)]
    pub(crate) const fn make_youngest(&mut self, older: SlotId, stamp: u64) {
        self.0[0] = stamp << SLOT_BITS | older.0 as u64;
        self.0[1] = self.0[1] & !OTHERS | stamp >> STAMP_LOW_BITS << STAMP_SHIFT | SLOT_MASK;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_stamp_neighbours_and_name_apart() {
        for stamp in [0, 1, (1 << 41) - 1, 1 << 41, (1 << 53) - 1] {
            let mut aged = Aged::youngest_of(SlotId(0xf_ffff), 63, SlotId(4), stamp ^ 1);
            assert_eq!((aged.older(), aged.stamp()), (SlotId(4), stamp ^ 1));
            assert_eq!((aged.younger(), aged.place()), (SlotId::NONE, 63));
            aged.set_younger(SlotId(9));
            aged.make_youngest(SlotId(5), stamp);
            assert_eq!(
                (aged.older(), aged.younger(), aged.stamp()),
                (SlotId(5), SlotId::NONE, stamp)
            );
            aged.set_younger(SlotId(0));
            aged.set_older(SlotId::NONE);
            assert_eq!((aged.older(), aged.younger()), (SlotId::NONE, SlotId(0)));
            assert_eq!((aged.block(), aged.place(), aged.stamp()), (SlotId(0xf_ffff), 63, stamp));
        }
        let aged = Aged::default();
        assert_eq!((aged.older(), aged.younger(), aged.stamp()), (SlotId::NONE, SlotId::NONE, 0));
    }
}

//! A guess where a large object's block is, which saves the look-up in the index.
//!
//! Large objects are mostly written from front to back, so that an object's blocks in a shard, and
//! their maps, lie one after the other: from where one was found follows where another may be. And
//! who comes back to the same block finds it where it was.
//! Nobody relies on a guess: the block's name is compared, as it is when the index has led there. What
//! is gained is time: the index's line need not come from memory before the block's, and the block's
//! record and the page's entry in its map come together.
//!
//! A guess that is wrong costs a trip to memory, so it is made only while guesses have been right.

use super::PageName;
use crate::index::Lead;
use crate::limits::SHARD_BITS;
use crate::slab::SlotId;
use core::cell::Cell;

/// Where the blocks are of the object that was met last.
///
/// Of bytes, so that it takes seven of them: a pool is a frame, and this is what was left of it.
#[derive(Debug, Default)]
pub(super) struct Foresight {
    /// The number of the slot in which the object's first block would be, had all of its blocks
    /// that lie in this shard been made in a row. Modulo 2^32.
    base: Cell<[u8; 4]>,
    /// By how much the slot numbers of maps are ahead of those of their blocks.
    ahead: Cell<[u8; 2]>,
    /// Whether the block that was found last was where it would have been guessed.
    is_trusted: Cell<bool>,
}

/// How many blocks of the same object lie in the same shard and come before number `number`.
const fn rank(number: u32) -> u32 {
    number >> SHARD_BITS
}

impl Foresight {
    /// Whether two blocks in a row were of one object, and where they would have been guessed.
    #[inline(always)]
    pub(super) const fn is_trusted(&self) -> bool {
        self.is_trusted.get()
    }

    /// Where the block of this name may be, and its map.
    #[inline(always)]
    pub(super) const fn guess(&self, name: &PageName) -> (SlotId, SlotId) {
        let base = u32::from_ne_bytes(self.base.get());
        let ahead = i16::from_ne_bytes(self.ahead.get());
        let block = base.wrapping_add(rank(name.number));
        (SlotId(block), SlotId(block.wrapping_add_signed(ahead as i32)))
    }

    /// Notes that a guess was wrong.
    #[inline(always)]
    pub(super) fn distrust(&self) {
        self.is_trusted.set(false);
    }

    /// Learns from where the index has led for block `number`, which is not 0.
    #[inline(never)]
    #[expect(clippy::cast_possible_truncation, reason = "who is too far ahead is guessed wrong")]
    pub(super) fn learn(&self, number: u32, lead: Lead) {
        let Some(map) = lead.map() else { return };
        let block = lead.block().0;
        let ahead = (map.0.wrapping_sub(block) as i16).to_ne_bytes();
        let base = block.wrapping_sub(rank(number)).to_ne_bytes();
        let had = (self.base.replace(base), self.ahead.replace(ahead));
        self.is_trusted.set(had == (base, ahead));
    }
}

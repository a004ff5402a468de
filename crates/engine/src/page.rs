//! A page's record: 32 bytes for each page that is stored, so that none straddles a cache line.

use crate::frame::Frame;
use crate::slab::SlotId;
use static_assertions::const_assert;

/// Records in a chunk.
pub(crate) const PER_CHUNK: usize = 128;

const_assert!(size_of::<Page>() == 32);

/// What may be done with a page's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The slot is free.
    #[default]
    Vacant,
    /// In its block and, if ephemeral, in the age list.
    Hooked,
    /// As `Hooked`, but an exclusive get is copying it out: to others it is a miss.
    Claimed,
    /// As `Claimed`, and somebody has missed it, so it may not reappear (R6).
    Missed,
    /// In no block and no list: the last call that reads its frame frees it.
    Orphan,
}

/// The record.
#[derive(Debug)]
pub(crate) struct Page {
    /// Age: the host's count of creations when this page was created or last refreshed.
    pub(crate) stamp: u64,
    /// The frame that holds the content; `None` in a vacant slot only.
    pub(crate) frame: Option<Frame>,
    /// The block that it is in.
    pub(crate) block: SlotId,
    /// Neighbours in the age list, younger and older; unused in persistent pools.
    pub(crate) younger: SlotId,
    pub(crate) older: SlotId,
    /// Gets that are copying the frame out right now.
    pub(crate) nr_pins: u16,
    /// Its place in the block.
    pub(crate) place: u8,
    pub(crate) standing: Standing,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            stamp: 0,
            frame: None,
            block: SlotId::NONE,
            younger: SlotId::NONE,
            older: SlotId::NONE,
            nr_pins: 0,
            place: 0,
            standing: Standing::Vacant,
        }
    }
}

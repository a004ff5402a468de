//! A page's record: 40 bytes for each page that is stored.

use crate::frame::Frame;
use crate::slab::{Cell, SlotId};
use static_assertions::const_assert;

/// Records in a chunk.
pub(crate) const PER_CHUNK: usize = 102;
/// A chunk of records with what is known of it.
pub(crate) type PageCell = Cell<Page, PER_CHUNK>;

const_assert!(size_of::<Page>() <= 40);

/// What may be done with a page's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The slot is free.
    #[default]
    Vacant,
    /// In the index, in its object's list and, if ephemeral, in the age list.
    Hooked,
    /// As `Hooked`, but an exclusive get is copying it out: to others it is a miss.
    Claimed,
    /// As `Claimed`, and somebody has missed it, so it may not reappear (R6).
    Missed,
    /// In no index and no list: the last call that reads its frame frees it.
    Orphan,
}

/// The record.
#[derive(Debug)]
pub(crate) struct Page {
    /// Age: the host's count of creations when this page was created or last refreshed.
    pub(crate) stamp: u64,
    /// The frame that holds the content; `None` in a vacant slot only.
    pub(crate) frame: Option<Frame>,
    /// The object's record.
    pub(crate) object: SlotId,
    /// Index in the object.
    pub(crate) index: u32,
    /// Neighbours in the object's list.
    pub(crate) object_prev: SlotId,
    pub(crate) object_next: SlotId,
    /// Neighbours in the age list, younger and older; unused in persistent pools.
    pub(crate) younger: SlotId,
    pub(crate) older: SlotId,
    /// Gets that are copying the frame out right now.
    pub(crate) nr_pins: u16,
    pub(crate) standing: Standing,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            stamp: 0,
            frame: None,
            object: SlotId::NONE,
            index: 0,
            object_prev: SlotId::NONE,
            object_next: SlotId::NONE,
            younger: SlotId::NONE,
            older: SlotId::NONE,
            nr_pins: 0,
            standing: Standing::Vacant,
        }
    }
}

//! A page: its entry in its block.
//!
//! The entry is all that a get needs: eight bytes, so that a get touches one line that grows with
//! the pool. What eviction needs is in the record of age (`age_log.rs`), in ephemeral pools only.

use crate::frame::{Frame, FrameId};
use crate::shard::Aging;
use crate::slab::{SLOT_BITS, SlotId};
use static_assertions::const_assert;

const_assert!(size_of::<Entry>() == 8);

/// What may be done with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It can be found.
    Hooked,
    /// An exclusive get is copying it out: to others it is a miss.
    Claimed,
    /// To everybody a miss, and it may not reappear (R6): the last call that reads it removes it.
    Doomed,
}

/// Bits of [`Entry::mark`]: the record's slot, the standing, the pins.
const RECORD_BITS: u32 = SLOT_BITS;
const RECORD_MASK: u32 = (1 << RECORD_BITS) - 1;
const STANDING_SHIFT: u32 = RECORD_BITS;
const STANDING_MASK: u32 = 3 << STANDING_SHIFT;
const PINS_SHIFT: u32 = RECORD_BITS + 2;
/// Calls that can read one page of an ephemeral pool at once; one more misses.
const PINS_MAX: u32 = u32::MAX >> PINS_SHIFT;

/// A page in its block.
///
/// The mark packs, from the low end, the slot of the record of age, the standing, and the number of
/// gets that are copying the frame out right now. A page of a persistent pool has no record, and
/// its pins take the record's place: there may be as many as a host has CPUs, for such a page must
/// not be missed.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// The frame that holds the content; `None`: there is no page.
    frame: Option<Frame>,
    mark: u32,
}

impl Entry {
    /// No page.
    pub(crate) const fn none() -> Self {
        Self { frame: None, mark: 0 }
    }

    /// A page of a persistent pool.
    pub(crate) const fn ageless(frame: Frame) -> Self {
        Self { frame: Some(frame), mark: 0 }
    }

    /// A page of an ephemeral pool, with its record.
    pub(crate) const fn aged(frame: Frame, record: SlotId) -> Self {
        Self { frame: Some(frame), mark: record.0 & RECORD_MASK }
    }

    /// Whether there is a page.
    pub(crate) const fn is_page(&self) -> bool {
        self.frame.is_some()
    }

    /// The frame's name.
    pub(crate) fn frame_id(&self) -> Option<FrameId> {
        self.frame.as_ref().map(Frame::id)
    }

    /// Takes the frame out.
    pub(crate) const fn take_frame(&mut self) -> Option<Frame> {
        self.frame.take()
    }

    /// Puts another frame in; hands back the former one.
    pub(crate) const fn swap_frame(&mut self, frame: Option<Frame>) -> Option<Frame> {
        core::mem::replace(&mut self.frame, frame)
    }

    /// The record of age of a page in an ephemeral pool.
    pub(crate) const fn record(&self) -> SlotId {
        SlotId(self.mark & RECORD_MASK)
    }

    /// Notes that the record of age has this number now.
    pub(crate) const fn set_record(&mut self, record: SlotId) {
        self.mark = self.mark & !RECORD_MASK | record.0 & RECORD_MASK;
    }

    pub(crate) const fn standing(&self) -> Standing {
        match (self.mark & STANDING_MASK) >> STANDING_SHIFT {
            0 => Standing::Hooked,
            1 => Standing::Claimed,
            _ => Standing::Doomed,
        }
    }

    pub(crate) const fn stand(&mut self, standing: Standing) {
        self.mark = self.mark & !STANDING_MASK | (standing as u32) << STANDING_SHIFT;
    }

    /// Whether the page can be found and nobody is reading it.
    #[inline]
    pub(crate) const fn is_idle(&self, aging: Aging) -> bool {
        match aging {
            Aging::Aged => self.mark & !RECORD_MASK == 0,
            Aging::Ageless => self.mark == 0,
        }
    }

    /// Gets that are copying the frame out right now.
    pub(crate) fn nr_pins(&self, aging: Aging) -> u32 {
        match aging {
            Aging::Aged => self.mark >> PINS_SHIFT,
            Aging::Ageless => self.mark & RECORD_MASK,
        }
    }

    /// The mark of a page with one pin.
    #[inline(always)]
    pub(crate) const fn pinned_once(aging: Aging, claimed: bool, record: SlotId) -> u32 {
        let claimed = (claimed as u32) << STANDING_SHIFT;
        match aging {
            Aging::Aged => 1 << PINS_SHIFT | claimed | record.0,
            Aging::Ageless => 1 | claimed,
        }
    }

    /// Whether this is the page in `frame`, with the mark `mark`.
    #[inline(always)]
    pub(crate) fn is(&self, frame: FrameId, mark: u32) -> bool {
        self.frame_id() == Some(frame) && self.mark == mark
    }

    /// One more pin on a page that is idle or [readable](Self::is_readable), and the page is claimed
    /// by who pins it.
    #[inline(always)]
    pub(crate) const fn pin(&mut self, aging: Aging, claims: bool) {
        self.mark += Self::pinned_once(aging, claims, SlotId(0));
    }

    /// Whether a page that is not idle may be pinned once more. A page that has been claimed is
    /// doomed: whoever misses it must not see it again.
    #[cold]
    #[inline(never)]
    pub(crate) fn is_readable(&mut self, aging: Aging) -> bool {
        if self.standing() != Standing::Hooked {
            self.stand(Standing::Doomed);
            return false;
        }
        let max = match aging {
            Aging::Aged => PINS_MAX,
            Aging::Ageless => RECORD_MASK,
        };
        self.nr_pins(aging) < max
    }

    /// One less.
    pub(crate) fn unpin(&mut self, aging: Aging) {
        if self.nr_pins(aging) > 0 {
            self.mark -= match aging {
                Aging::Aged => 1 << PINS_SHIFT,
                Aging::Ageless => 1,
            };
        }
    }

    /// Forgets who reads it, for a frame that nobody reads.
    #[inline(always)]
    pub(crate) fn clear_pins(&mut self, aging: Aging) {
        self.mark = match aging {
            Aging::Aged => self.mark & RECORD_MASK,
            Aging::Ageless => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_keeps_record_standing_and_pins_apart() {
        let frame = || Frame::from_id(FrameId::new(7).expect("not 0"));
        let mut entry = Entry::aged(frame(), SlotId(RECORD_MASK - 1));
        for nr in 0..PINS_MAX {
            assert_eq!(entry.nr_pins(Aging::Aged), nr);
            assert!(entry.is_readable(Aging::Aged));
            entry.pin(Aging::Aged, false);
        }
        assert!(!entry.is_readable(Aging::Aged), "one more would overflow");
        for standing in [Standing::Claimed, Standing::Doomed, Standing::Hooked] {
            entry.stand(standing);
            assert_eq!(entry.standing(), standing);
            assert_eq!((entry.record().0, entry.nr_pins(Aging::Aged)), (RECORD_MASK - 1, PINS_MAX));
        }
        entry.unpin(Aging::Aged);
        assert_eq!(entry.nr_pins(Aging::Aged), PINS_MAX - 1);

        let mut entry = Entry::ageless(frame());
        for _ in 0..70_000 {
            assert!(entry.is_readable(Aging::Ageless), "a persistent page is never missed");
            entry.pin(Aging::Ageless, false);
        }
        assert_eq!((entry.nr_pins(Aging::Ageless), entry.standing()), (70_000, Standing::Hooked));
        entry.clear_pins(Aging::Ageless);
        assert_eq!(entry.nr_pins(Aging::Ageless), 0);
    }
}

//! Giving memory back to Xen and taking it again, from the top of the guest's frames downwards.
//!
//! The guest starts with as many frames as its maximum allows (`dom0_mem=64M,max:64M`), so that a
//! persistent pool has no room until it gives frames back: those are charged against the same
//! maximum.

use super::memory::{give_back, populate};

/// In the frame list: a guest frame without a machine frame.
const NO_FRAME: u64 = u64::MAX;

/// The guest's frames: those below `held` have a machine frame, those from there on were given
/// back.
pub struct Balloon {
    frames: &'static mut [u64],
    held: usize,
    mapped: usize,
}

impl Balloon {
    /// Takes over the frame list; guest frames below `mapped` are mapped and never given back.
    pub fn new(frames: &'static mut [u64], mapped: u64) -> Self {
        let held = frames.len();
        Self { frames, held, mapped: usize::try_from(mapped).unwrap_or(held) }
    }

    /// The machine frame of guest frame `pfn`, if it has one.
    pub fn mfn(&self, pfn: usize) -> Option<u64> {
        self.frames.get(pfn).copied().filter(|&mfn| mfn != NO_FRAME)
    }

    /// Number of the guest's last page that has a frame: nobody uses it, and behind it there is none
    /// if any was given back.
    pub fn last_page(&self) -> Option<usize> {
        self.held.checked_sub(1).filter(|&page| page >= self.mapped)
    }

    /// Every frame of the guest's.
    pub fn frames(&self) -> impl Iterator<Item = u64> {
        self.frames.iter().copied().filter(|&mfn| mfn != NO_FRAME)
    }

    /// Whether machine frame `mfn` is one of the guest's own.
    pub fn owns(&self, mfn: u64) -> bool {
        self.frames.contains(&mfn)
    }

    /// Frames that the guest has given back.
    pub fn room(&self) -> usize {
        self.frames.len() - self.held
    }

    /// Gives frames back, or takes them again, until `room` are given back. Returns how many are:
    /// fewer if only so many are unmapped, more if Xen would not give any more.
    pub fn set_room(&mut self, room: usize) -> usize {
        let target = self.frames.len().saturating_sub(room).max(self.mapped);
        let held = self.held;
        if target < held {
            if let Some(leaving) = self.frames.get_mut(target..held) {
                // Xen answers with a count from the first; the last ones must go first, so that
                // what remains is in one piece.
                leaving.reverse();
                let gone = give_back(leaving);
                leaving.reverse();
                self.held -= gone;
                leaving.iter_mut().rev().take(gone).for_each(|mfn| *mfn = NO_FRAME);
            }
        } else if let Some(coming) = self.frames.get_mut(held..target) {
            for (pfn, place) in (held as u64..).zip(coming.iter_mut()) {
                *place = pfn;
            }
            let here = populate(coming);
            self.held += here;
            coming.iter_mut().skip(here).for_each(|mfn| *mfn = NO_FRAME);
        }
        self.room()
    }

    /// Gives one more frame back and says which machine frame it was; `None` if Xen did not take it.
    pub fn give_back_one(&mut self) -> Option<u64> {
        let mfn = self.mfn(self.held.checked_sub(1)?)?;
        let before = self.room();
        (self.set_room(before + 1) == before + 1).then_some(mfn)
    }
}

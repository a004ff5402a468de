//! The frames of a [`super::LeanHost`]: each CPU's own, and the list of free ones.
//!
//! As in the hypervisor: a CPU keeps a stock that is filled in batches and one spare frame, so that
//! few calls reach the list that all CPUs share.

use core::sync::atomic::Ordering::{Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tmem_engine::{Frame, FrameId};

/// Frames that a CPU fetches from the list at a time.
const BATCH: usize = 32;

/// Frames that a CPU keeps at most, besides the spare.
const STOCK_MAX: usize = 2 * BATCH;

/// What one CPU keeps. Only its own CPU writes it, and nothing of another CPU's lies in its cache
/// lines; the words are atomic because a test may let two threads play one CPU, which costs frames
/// then, but no soundness.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Kept {
    /// The number of the spare frame; 0 for none.
    spare: AtomicU32,
    nr: AtomicU32,
    stock: [AtomicU32; STOCK_MAX],
}

impl Kept {
    /// With the spare `spare` and an empty stock.
    pub(super) fn new(spare: u32) -> Self {
        Self {
            spare: AtomicU32::new(spare),
            nr: AtomicU32::new(0),
            stock: [const { AtomicU32::new(0) }; STOCK_MAX],
        }
    }

    /// Takes a frame out of the stock.
    pub(super) fn pop(&self) -> Option<Frame> {
        let nr = self.nr.load(Relaxed).checked_sub(1)?;
        let frame = frame(self.stock.get(nr as usize)?.load(Relaxed));
        self.nr.store(nr, Relaxed);
        frame
    }

    /// Takes the spare.
    pub(super) fn pop_spare(&self) -> Option<Frame> {
        let spare = frame(self.spare.load(Relaxed));
        self.spare.store(0, Relaxed);
        spare
    }

    /// Moves the frames of a full stock that were given first to `free`, a batch of them.
    #[cold]
    #[inline(never)]
    pub(super) fn spill(&self, free: &FreeList) {
        let (first, last) = self.stock.split_at(BATCH);
        free.give_all(first.iter().map(|place| place.load(Relaxed)));
        for (to, from) in self.stock.iter().zip(last) {
            to.store(from.load(Relaxed), Relaxed);
        }
        self.nr.store(u32::try_from(BATCH).unwrap_or(0), Relaxed);
    }

    /// Keeps `frame`, as the spare if there is none, or hands it back: there is no room.
    pub(super) fn push(&self, frame: Frame) -> Result<(), Frame> {
        if self.spare.load(Relaxed) == 0 {
            self.spare.store(frame.into_id().get(), Relaxed);
            return Ok(());
        }
        let nr = self.nr.load(Relaxed);
        match self.stock.get(nr as usize) {
            Some(place) => {
                place.store(frame.into_id().get(), Relaxed);
                self.nr.store(nr + 1, Relaxed);
                Ok(())
            }
            None => Err(frame),
        }
    }

    /// Fills the empty stock with a batch, so that frames come out in the list's order.
    #[cold]
    #[inline(never)]
    pub(super) fn refill(&self, free: &FreeList) {
        let mut nr = 0;
        free.take(BATCH, |number| {
            if let Some(place) = self.stock.get(nr) {
                place.store(number, Relaxed);
                nr += 1;
            }
        });
        self.nr.store(u32::try_from(nr).unwrap_or(0), Relaxed);
    }

    /// Frames kept, the spare included.
    pub(super) fn len(&self) -> usize {
        usize::from(self.spare.load(Relaxed) != 0) + self.nr.load(Relaxed) as usize
    }
}

fn frame(number: u32) -> Option<Frame> {
    FrameId::new(number).map(Frame::from_id)
}

/// The free frames that no CPU keeps.
#[derive(Debug)]
pub(super) struct FreeList {
    /// The numbers; the last one goes first.
    numbers: Mutex<Vec<u32>>,
    /// How many there are, so that nobody takes the lock of an empty list.
    nr: AtomicUsize,
}

impl FreeList {
    /// The frames 1 to `nr_frames`, to be handed out in this order.
    pub(super) fn new(nr_frames: u32) -> Self {
        let numbers: Vec<u32> = (1..=nr_frames).rev().collect();
        Self { nr: AtomicUsize::new(numbers.len()), numbers: Mutex::new(numbers) }
    }

    /// Moves up to `nr` frames to `keep`, the one to be used first last.
    fn take(&self, nr: usize, keep: impl FnMut(u32)) {
        if self.len() == 0 {
            return;
        }
        let mut numbers = self.lock();
        let rest = numbers.len().saturating_sub(nr);
        numbers.drain(rest..).for_each(keep);
        self.nr.store(rest, Release);
    }

    /// Takes a frame back.
    pub(super) fn give(&self, frame: Frame) {
        self.give_all([frame.into_id().get()]);
    }

    /// Takes frames back by their numbers.
    fn give_all(&self, frames: impl IntoIterator<Item = u32>) {
        let mut numbers = self.lock();
        numbers.extend(frames);
        self.nr.store(numbers.len(), Release);
    }

    /// Frames on the list.
    pub(super) fn len(&self) -> usize {
        self.nr.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u32>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_in_order_and_each_once() {
        let free = FreeList::new(40);
        let kept = Kept::new(41);
        let mut numbers = Vec::new();
        loop {
            kept.refill(&free);
            if kept.len() == 1 {
                break;
            }
            numbers.extend(core::iter::from_fn(|| kept.pop().map(|frame| frame.into_id().get())));
        }
        assert_eq!(numbers, (1..=40).collect::<Vec<u32>>());
    }

    #[test]
    fn a_frame_given_back_becomes_the_missing_spare_first() {
        let kept = Kept::new(1);
        let spare = kept.pop_spare().expect("the spare");
        assert!(kept.pop_spare().is_none() && kept.pop().is_none());
        assert_eq!(kept.push(spare), Ok(()));
        assert!(kept.pop().is_none() && kept.pop_spare().is_some());
    }
}

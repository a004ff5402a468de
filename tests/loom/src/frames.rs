//! Frames whose contents loom watches.
//!
//! A page's content is one value, written as two words one after the other, so that a mixture of
//! two puts shows. A frame that is given back is scrubbed like any frame: whoever still reads it
//! sees that, for loom tries each value that the load may yield.

use loom::sync::Mutex;
use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::PoisonError;
use tmem_engine::{Frame, FrameId};

/// The content of a frame that nobody has.
const SCRUBBED: u64 = 0;

/// A frame's two words.
#[derive(Debug)]
struct Content([AtomicU64; 2]);

/// All frames of the host.
#[derive(Debug)]
pub(crate) struct Frames {
    contents: Vec<Content>,
    free: Mutex<Free>,
}

/// Frames that nobody has; the last one given back is the first one taken.
#[derive(Debug)]
struct Free {
    numbers: Vec<u32>,
    /// The one that is kept for duplicate puts, and whether there is such a place at all.
    spare: Option<u32>,
    keeps_spare: bool,
}

impl Frames {
    /// `nr_frames` frames, and one more as a spare if `keeps_spare`.
    pub(crate) fn new(nr_frames: u32, keeps_spare: bool) -> Self {
        let last = nr_frames + u32::from(keeps_spare);
        let content = |_| Content([AtomicU64::new(SCRUBBED), AtomicU64::new(SCRUBBED)]);
        Self {
            contents: (0..last).map(content).collect(),
            free: Mutex::new(Free {
                numbers: (1..=nr_frames).rev().collect(),
                spare: keeps_spare.then_some(last),
                keeps_spare,
            }),
        }
    }

    fn content(&self, frame: FrameId) -> &Content {
        &self.contents[frame.get() as usize - 1]
    }

    /// Writes `value` into a frame.
    pub(crate) fn write(&self, frame: FrameId, value: u64) {
        assert_ne!(value, SCRUBBED, "a test's own mistake");
        for word in &self.content(frame).0 {
            word.store(value, Relaxed);
        }
    }

    /// Reads a frame.
    ///
    /// # Panics
    /// If it holds a mixture, or nobody has it.
    pub(crate) fn read(&self, frame: FrameId) -> u64 {
        let [first, second] = &self.content(frame).0;
        let (first, second) = (first.load(Relaxed), second.load(Relaxed));
        assert_eq!(first, second, "R17: frame {} holds a mixture", frame.get());
        assert_ne!(first, SCRUBBED, "frame {} was given back and is still read", frame.get());
        first
    }

    /// Takes a frame, if one is free.
    pub(crate) fn take(&self) -> Option<Frame> {
        let number = self.lock().numbers.pop()?;
        FrameId::new(number).map(Frame::from_id)
    }

    /// Takes the spare, if it is there.
    pub(crate) fn take_spare(&self) -> Option<Frame> {
        let number = self.lock().spare.take()?;
        FrameId::new(number).map(Frame::from_id)
    }

    /// Takes a frame back.
    ///
    /// # Panics
    /// If it is here already.
    pub(crate) fn give(&self, frame: Frame) {
        let frame = frame.into_id();
        for word in &self.content(frame).0 {
            word.store(SCRUBBED, Relaxed);
        }
        let mut free = self.lock();
        let is_here = free.numbers.contains(&frame.get()) || free.spare == Some(frame.get());
        assert!(!is_here, "frame {} is given back twice", frame.get());
        if free.keeps_spare && free.spare.is_none() {
            free.spare = Some(frame.get());
        } else {
            free.numbers.push(frame.get());
        }
    }

    /// Frames that are out.
    pub(crate) fn nr_out(&self) -> usize {
        let free = self.lock();
        self.contents.len() - free.numbers.len() - usize::from(free.spare.is_some())
    }

    fn lock(&self) -> loom::sync::MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

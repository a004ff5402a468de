//! Frames of pages that are gone and still being read: each has its place here until the last call
//! that reads it is done.
//!
//! The places are few, since a frame comes here only when one CPU removes the very page that
//! another is copying. When all are taken, the page stays where it is, doomed: nobody finds it, and
//! its last reader removes it.

use super::State;
use crate::frame::{Frame, FrameId};
use crate::limits::ORPHANS_MAX;

/// A frame without a page.
#[derive(Debug)]
struct Orphan {
    frame: Frame,
    nr_pins: u32,
}

/// The orphans of a shard.
#[derive(Debug, Default)]
pub(super) struct Orphans([Option<Orphan>; ORPHANS_MAX]);

impl Orphans {
    pub(super) fn len(&self) -> u32 {
        self.0.iter().map(|place| u32::from(place.is_some())).sum()
    }

    pub(super) fn has_room(&self) -> bool {
        self.0.iter().any(Option::is_none)
    }

    /// Takes a frame that `nr_pins` calls are reading, or hands it back when there is no room.
    pub(super) fn push(&mut self, frame: Frame, nr_pins: u32) -> Result<(), Frame> {
        match self.0.iter_mut().find(|place| place.is_none()) {
            Some(place) => {
                *place = Some(Orphan { frame, nr_pins });
                Ok(())
            }
            None => Err(frame),
        }
    }

    /// One call less reads the frame `id`; the frame itself, if that was the last one.
    pub(super) fn unpin(&mut self, id: FrameId) -> Option<Frame> {
        let place = self
            .0
            .iter_mut()
            .find(|place| place.as_ref().is_some_and(|orphan| orphan.frame.id() == id))?;
        let orphan = place.as_mut()?;
        orphan.nr_pins = orphan.nr_pins.saturating_sub(1);
        if orphan.nr_pins > 0 {
            return None;
        }
        place.take().map(|orphan| orphan.frame)
    }
}

impl State {
    /// Frames that are without a page and still read by somebody.
    pub(crate) fn nr_orphans(&self) -> u32 {
        self.orphans.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_goes_with_its_last_reader() {
        let id = |nr| FrameId::new(nr).expect("not 0");
        let mut orphans = Orphans::default();
        for nr in 1..=4 {
            assert!(orphans.has_room());
            assert_eq!(orphans.push(Frame::from_id(id(nr)), nr), Ok(()));
        }
        assert!(!orphans.has_room());
        let fifth = orphans.push(Frame::from_id(id(5)), 1);
        assert_eq!(fifth.map_err(Frame::into_id), Err(id(5)));
        assert_eq!(orphans.unpin(id(1)).map(Frame::into_id), Some(id(1)));
        assert_eq!((orphans.unpin(id(2)), orphans.unpin(id(9))), (None, None));
        assert_eq!(orphans.unpin(id(2)).map(Frame::into_id), Some(id(2)));
        assert_eq!(orphans.len(), 2);
    }
}

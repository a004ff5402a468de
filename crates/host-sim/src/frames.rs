//! The host's frames: free ones, the reserve, a spare for each CPU, and who was given what.

use crate::memory::{Memory, Reading, Writing};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tmem_engine::{Frame, FrameId};

/// What a freed frame is filled with, so that nobody reads a predecessor's bytes unnoticed.
const POISON: u8 = 0xdb;

/// Where a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Free,
    Spare,
    /// Handed out to the engine.
    Out,
}

struct State {
    /// The last one freed is handed out first: stale content is met soonest.
    free: Vec<usize>,
    places: Vec<Place>,
    /// The spare frame of each CPU.
    spares: Vec<Option<usize>>,
    /// Frames that stay free whatever the engine asks.
    nr_reserve: usize,
    /// Frames that are [`Place::Out`].
    nr_out: usize,
    /// Free frames that metadata occupies; they have no content here.
    nr_metadata: usize,
}

/// All frames of one host.
pub(crate) struct Frames {
    memory: Memory,
    state: Mutex<State>,
}

impl Frames {
    /// `nr_frames` frames for tmem and the host's reserve, and one spare for each CPU beside them.
    pub(crate) fn new(nr_frames: usize, nr_reserve: usize, nr_cpus: usize) -> Self {
        let nr_all = nr_frames + nr_cpus;
        let memory = Memory::new(nr_all);
        (0..nr_all).for_each(|index| memory.write(index).fill(POISON));
        let mut places = vec![Place::Free; nr_frames];
        places.resize(nr_all, Place::Spare);
        let state = State {
            free: (0..nr_frames).rev().collect(),
            places,
            spares: (nr_frames..nr_all).map(Some).collect(),
            nr_reserve,
            nr_out: 0,
            nr_metadata: 0,
        };
        Self { memory, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands out a frame if more than the reserve is free.
    pub(crate) fn take(&self) -> Option<Frame> {
        let mut state = self.state();
        if state.nr_available() == 0 {
            return None;
        }
        let index = state.free.pop()?;
        Some(state.hand_out(index))
    }

    /// Hands out the spare of `cpu`.
    pub(crate) fn take_spare(&self, cpu: usize) -> Option<Frame> {
        let mut state = self.state();
        let cpu = cpu % state.spares.len();
        let index = state.spares[cpu].take()?;
        Some(state.hand_out(index))
    }

    /// Frames that are out, and spares that are there.
    pub(crate) fn nr_held(&self) -> (usize, usize) {
        let state = self.state();
        (state.nr_out, state.spares.iter().flatten().count())
    }

    /// Takes a frame back: as the spare of `cpu` if that is missing, else to the free ones.
    ///
    /// # Panics
    /// If the frame is not handed out, or if somebody still reads or writes it.
    pub(crate) fn give(&self, frame: Frame, cpu: usize) {
        let (index, mut state) = self.take_back(frame);
        let cpu = cpu % state.spares.len();
        if state.spares[cpu].is_none() {
            state.spares[cpu] = Some(index);
            state.places[index] = Place::Spare;
        } else {
            state.make_free(index);
        }
    }

    /// Takes a frame back to the free ones.
    ///
    /// # Panics
    /// As [`give`](Self::give).
    pub(crate) fn give_room(&self, frame: Frame) {
        let (index, mut state) = self.take_back(frame);
        state.make_free(index);
    }

    fn take_back(&self, frame: Frame) -> (usize, MutexGuard<'_, State>) {
        let index = index_of(frame.into_id());
        // Poisoned before it is free: afterwards it may be somebody else's.
        self.memory.write(index).fill(POISON);
        let mut state = self.state();
        assert_eq!(state.places[index], Place::Out, "frame {index} is freed, but was not out");
        state.nr_out -= 1;
        (index, state)
    }

    /// Opens a frame for reading.
    ///
    /// # Panics
    /// If the frame is not handed out, or is being written.
    pub(crate) fn read(&self, id: FrameId) -> Reading<'_> {
        self.memory.read(self.index_out(id))
    }

    /// Opens a frame for writing.
    ///
    /// # Panics
    /// If the frame is not handed out, or is being read or written.
    pub(crate) fn write(&self, id: FrameId) -> Writing<'_> {
        self.memory.write(self.index_out(id))
    }

    fn index_out(&self, id: FrameId) -> usize {
        let index = index_of(id);
        let place = self.state().places[index];
        assert_eq!(place, Place::Out, "frame {index} is used, but was not handed out");
        index
    }

    /// Frames that the engine has.
    pub(crate) fn nr_out(&self) -> usize {
        self.state().nr_out
    }

    /// Frames that the engine could still take.
    pub(crate) fn nr_available(&self) -> usize {
        self.state().nr_available()
    }

    /// Sets how many frames stay free whatever the engine asks.
    pub(crate) fn set_reserve(&self, nr_reserve: usize) {
        self.state().nr_reserve = nr_reserve;
    }

    /// Sets the reserve so that `nr_frames` can be taken, if so many are free.
    pub(crate) fn leave(&self, nr_frames: usize) {
        let mut state = self.state();
        state.nr_reserve = state.free.len().saturating_sub(state.nr_metadata + nr_frames);
    }

    /// Lets metadata occupy a frame; false if none is available.
    pub(crate) fn take_for_metadata(&self) -> bool {
        let mut state = self.state();
        let is_there = state.nr_available() > 0;
        state.nr_metadata += usize::from(is_there);
        is_there
    }

    /// Metadata has left a frame.
    ///
    /// # Panics
    /// If it occupied none.
    pub(crate) fn give_from_metadata(&self) {
        let mut state = self.state();
        let rest = state.nr_metadata.checked_sub(1);
        state.nr_metadata = rest.expect("no more metadata is freed than was granted");
    }
}

impl State {
    fn nr_available(&self) -> usize {
        self.free.len().saturating_sub(self.nr_reserve + self.nr_metadata)
    }

    fn make_free(&mut self, index: usize) {
        self.places[index] = Place::Free;
        self.free.push(index);
    }

    fn hand_out(&mut self, index: usize) -> Frame {
        self.places[index] = Place::Out;
        self.nr_out += 1;
        Frame::from_id(id_of(index))
    }
}

/// Frame numbers start at 1, indexes at 0.
fn id_of(index: usize) -> FrameId {
    u32::try_from(index + 1).ok().and_then(FrameId::new).expect("a simulated host is small")
}

fn index_of(id: FrameId) -> usize {
    usize::try_from(id.get()).expect("usize has 64 bits here") - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_never_handed_out() {
        let frames = Frames::new(3, 2, 1);
        let one = frames.take().expect("one frame above the reserve");
        assert_eq!(frames.take(), None);
        frames.give(one, 0);
        assert_eq!(frames.nr_out(), 0);
    }

    #[test]
    fn a_missing_spare_is_filled_by_the_next_frame_given_back() {
        let frames = Frames::new(1, 0, 1);
        let page = frames.take().expect("the only frame");
        let spare = frames.take_spare(0).expect("the spare");
        assert_eq!(frames.take_spare(0), None);
        frames.give(page, 0);
        assert_eq!(frames.take(), None, "the frame became the spare");
        frames.give(spare, 0);
        assert_eq!(frames.nr_available(), 1);
    }

    #[test]
    #[should_panic(expected = "was not out")]
    fn giving_a_frame_twice_fails_the_test() {
        let frames = Frames::new(2, 0, 1);
        let frame = frames.take().expect("a frame");
        let twin = Frame::from_id(frame.id());
        frames.give(frame, 0);
        frames.give(twin, 0);
    }

    #[test]
    fn a_frame_given_back_is_poisoned() {
        let frames = Frames::new(1, 0, 1);
        let frame = frames.take().expect("a frame");
        frames.write(frame.id()).fill(1);
        frames.give(frame, 0);
        let again = frames.take().expect("the same frame");
        assert!(frames.read(again.id()).iter().all(|&byte| byte == POISON));
        frames.give(again, 0);
    }
}

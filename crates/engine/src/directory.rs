//! Records that stay where they are: clients and pools.
//!
//! Records are reused and their memory is never given back, so a reference to one stays good
//! without counting, and a stale number names a record whose state says that it is stale. The
//! memory is bounded by the most clients and pools that ever lived at once.

use crate::NoMemory;
use crate::host::Host;
use crate::meta::{Payer, boxed, pay};
use crate::sync::OnceBox;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// An array of records that grows by segments of one frame.
#[derive(Debug)]
pub(crate) struct Directory<T, const PER_SEGMENT: usize, const SEGMENTS: usize> {
    segments: Box<[OnceBox<[T; PER_SEGMENT]>; SEGMENTS]>,
}

impl<T: Default, const PER_SEGMENT: usize, const SEGMENTS: usize>
    Directory<T, PER_SEGMENT, SEGMENTS>
{
    /// A directory without records. Start-up only: the array of segments may be bigger than a frame.
    pub(crate) fn new() -> Result<Self, NoMemory> {
        let mut segments = Vec::new();
        segments.try_reserve_exact(SEGMENTS).map_err(|_| NoMemory)?;
        segments.resize_with(SEGMENTS, OnceBox::new);
        let segments = segments.into_boxed_slice().try_into().map_err(|_| NoMemory)?;
        Ok(Self { segments })
    }

    /// Record `at`, if its segment exists.
    #[inline(always)]
    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        let at = at as usize;
        self.segment(at / PER_SEGMENT)?.get(at % PER_SEGMENT)
    }

    /// The record that was numbered `at` when it was made.
    #[inline(always)]
    pub(crate) fn known(&self, at: u32) -> Option<&T> {
        let at = at as usize;
        self.known_segment(at / PER_SEGMENT)?.get(at % PER_SEGMENT)
    }

    /// The records of the segment that was numbered `at` when it was made: no more than the check
    /// that it exists is needed.
    #[inline(always)]
    pub(crate) fn known_segment(&self, at: usize) -> Option<&[T; PER_SEGMENT]> {
        self.segments[at % SEGMENTS].get()
    }

    /// The records of segment `at`, if it exists.
    #[inline(always)]
    pub(crate) fn segment(&self, at: usize) -> Option<&[T; PER_SEGMENT]> {
        self.segments.get(at)?.get()
    }

    /// Sees to it that segment `at` exists. No lock is held.
    pub(crate) fn grow<H: Host>(&self, at: usize, host: &H) -> Result<(), NoMemory> {
        let segment = self.segments.get(at).ok_or(NoMemory)?;
        if segment.get().is_some() {
            return Ok(());
        }
        pay(host, Payer::NOBODY).map_err(|_| NoMemory)?;
        let Some(records) = boxed() else {
            host.metadata_freed();
            return Err(NoMemory);
        };
        if let Err(unused) = segment.set(records) {
            // Another CPU was first.
            drop(unused);
            host.metadata_freed();
        }
        Ok(())
    }

    /// Segments that exist, each a frame.
    pub(crate) fn nr_segments(&self) -> u64 {
        self.segments.iter().filter(|segment| segment.get().is_some()).count() as u64
    }
}

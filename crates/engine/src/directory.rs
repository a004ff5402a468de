//! Records that stay where they are: clients and pools.
//!
//! Records are reused and their memory is never given back, so a reference to one stays good
//! without counting, and a stale number names a record whose state says that it is stale. The
//! memory is bounded by the most clients and pools that ever lived at once.

use crate::NoMemory;
use crate::broken;
use crate::host::Host;
use crate::meta::{Payer, boxed, pay};
use crate::sync::Once;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// An array of records that grows by segments of one frame.
#[derive(Debug)]
pub(crate) struct Directory<T, const PER_SEGMENT: usize> {
    segments: Box<[Once<Box<[T; PER_SEGMENT]>>]>,
}

impl<T: Default, const PER_SEGMENT: usize> Directory<T, PER_SEGMENT> {
    /// A directory of at most `records_max` records. Start-up only: the array of segments may be
    /// bigger than a frame.
    pub(crate) fn new(records_max: usize) -> Result<Self, NoMemory> {
        let nr_segments = records_max.div_ceil(PER_SEGMENT);
        let mut segments = Vec::new();
        segments.try_reserve_exact(nr_segments).map_err(|_| NoMemory)?;
        segments.resize_with(nr_segments, Once::new);
        Ok(Self { segments: segments.into_boxed_slice() })
    }

    /// Record `at`, if its segment exists.
    #[inline(always)]
    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        let at = at as usize;
        self.segment(at / PER_SEGMENT)?.get(at % PER_SEGMENT)
    }

    /// The records of segment `at`, if it exists.
    #[inline(always)]
    pub(crate) fn segment(&self, at: usize) -> Option<&[T; PER_SEGMENT]> {
        self.segments.get(at)?.get().map(Box::as_ref)
    }

    /// Sees to it that segment `at` exists. No lock is held.
    pub(crate) fn grow<H: Host>(&self, at: usize, host: &H) -> Result<(), NoMemory> {
        let segment = self.segments.get(at).ok_or(NoMemory)?;
        if segment.is_completed() {
            return Ok(());
        }
        pay(host, Payer::NOBODY).map_err(|_| NoMemory)?;
        let Some(records) = boxed() else {
            host.metadata_freed();
            return Err(NoMemory);
        };
        let mut records = Some(records);
        segment.call_once(|| match records.take() {
            Some(records) => records,
            None => broken::made_twice(),
        });
        if let Some(unused) = records {
            // Another CPU was first.
            drop(unused);
            host.metadata_freed();
        }
        Ok(())
    }

    /// Segments that exist, each a frame.
    pub(crate) fn nr_segments(&self) -> u64 {
        self.segments.iter().filter(|segment| segment.is_completed()).count() as u64
    }
}

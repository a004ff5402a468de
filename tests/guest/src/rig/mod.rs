//! What a case works with: pages, frames, and tmem operations with their checks.
//!
//! A frame, `mfn` for short, is what the guest names in a call: a machine frame if the guest is PV,
//! one of its own if it is PVH.
//!
//! `pages` and `spare` own the memory, `calls` makes the operations, `frames` finds frames that a host
//! must refuse; `meter` counts what operations take, with the pages of `ring`.

mod calls;
mod frames;
pub mod meter;
mod pages;
mod ring;
mod spare;

pub use calls::{Kind, at, statuses};
pub use frames::BadFrame;
pub use pages::Pages;
pub use ring::{RING_PAGES, Ring};
pub use spare::{SPARE_PAGES, Spare};

use crate::plain::rng::Rng;
use crate::xen::Start;
use crate::xen::balloon::Balloon;
use crate::xen::events::Events;
use core::ops::Range;

/// Frames that the guest has given back when a case begins: what its persistent pools may hold.
pub const ROOM: usize = 8192;

/// A case's tools. The runner hands each case the same one, in the same state but for the seed.
pub struct Rig {
    /// The pages that are put from and got into.
    pub pages: Pages,
    /// More pages, for cases that need many.
    pub spare: Spare,
    /// The guest's own memory.
    pub balloon: Balloon,
    /// Interrupts, when a case wants one.
    pub events: Events,
    /// Frame of the page that Xen shares with the guest.
    pub shared_info_mfn: u64,
    /// Seed of this run: contents and scripts follow from it.
    pub seed: u64,
    /// Pages of the guest's that are page tables which Xen watches, the top-level one first.
    pub page_tables: Range<u64>,
}

impl Rig {
    /// Builds the rig on what Xen handed over; `None` if that makes no sense.
    pub fn new(start: Start, seed: u64) -> Option<Self> {
        let balloon = Balloon::new(start.frames, start.unmapped_from_pfn);
        let pages = Pages::take(&balloon)?;
        let spare = Spare::find(&balloon)?;
        let place = pages.place_for_shared_info();
        // SAFETY: nothing else uses that page, and `Pages` exists once.
        let events = unsafe { Events::new(place, start.shared_info_frame) }?;
        Some(Self {
            pages,
            spare,
            balloon,
            events,
            shared_info_mfn: start.shared_info_frame,
            seed,
            page_tables: start.page_tables,
        })
    }

    /// A stream of pseudo-random numbers for `purpose`, the same for the same seed.
    pub fn rng(&self, purpose: u64) -> Rng {
        Rng::new(self.seed ^ purpose.rotate_left(32))
    }
}

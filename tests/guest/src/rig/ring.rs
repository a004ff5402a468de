//! Sixteen pages of the guest's that measured puts and gets use by turns.

use crate::plain::content::{Content, Page};
use crate::xen::balloon::Balloon;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Pages in the ring. A power of two, so that a page is chosen by a mask.
pub const RING_PAGES: u32 = 16;

struct Memory(UnsafeCell<[Page; RING_PAGES as usize]>);

// SAFETY: reached through `Ring` alone, of which there is one at a time, on one vCPU.
unsafe impl Sync for Memory {}

static MEMORY: Memory = Memory(UnsafeCell::new([Page::ZERO; RING_PAGES as usize]));
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The ring. As in [`super::Pages`], a reference to a page lives only between two hypercalls.
pub struct Ring {
    first: *mut Page,
    mfns: [u64; RING_PAGES as usize],
}

impl Ring {
    /// The ring, when nobody else has it; `None` also if a page has no frame.
    pub fn take(balloon: &Balloon) -> Option<Self> {
        let first: *mut Page = MEMORY.0.get().cast();
        // Virtual address = guest frame * 4096. Exposing tells the compiler that others write.
        let pfn = first.expose_provenance() / size_of::<Page>();
        let mut mfns = [0; RING_PAGES as usize];
        for (number, mfn) in mfns.iter_mut().enumerate() {
            *mfn = balloon.mfn(pfn + number)?;
        }
        (!TAKEN.swap(true, Ordering::Relaxed)).then_some(Self { first, mfns })
    }

    /// Machine frame of the page whose turn it is in call number `turn`.
    #[inline(always)]
    pub const fn mfn(&self, turn: u32) -> u64 {
        self.mfns[(turn % RING_PAGES) as usize]
    }

    /// Fills each page with a content of its own: page k with `Content::of(tag, k)`.
    pub fn fill(&self, tag: u64) {
        for turn in 0..RING_PAGES {
            // SAFETY: a page of the ring, of which nobody holds a reference.
            unsafe { &mut *self.page(turn) }.fill(Content::of(tag, u64::from(turn)));
        }
    }

    /// Whether the page of call number `turn` is as [`Ring::fill`] with `tag` left that of call
    /// number `source`.
    pub fn holds(&self, turn: u32, tag: u64, source: u32) -> bool {
        let content = Content::of(tag, u64::from(source % RING_PAGES));
        // SAFETY: as in `fill`.
        unsafe { &*self.page(turn) }.difference(content).is_none()
    }

    fn page(&self, turn: u32) -> *mut Page {
        self.first.wrapping_add((turn % RING_PAGES) as usize)
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        TAKEN.store(false, Ordering::Relaxed);
    }
}

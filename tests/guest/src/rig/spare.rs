//! A herd of pages: sources and targets for calls that pick theirs at random, told apart by content.

use crate::plain::content::{Content, Page};
use crate::xen::balloon::Balloon;
use core::cell::UnsafeCell;

/// How many there are.
pub const SPARE_PAGES: usize = 16;

struct Arena(UnsafeCell<[Page; SPARE_PAGES]>);

// SAFETY: reached through `Spare` alone, in between hypercalls, on one vCPU.
unsafe impl Sync for Arena {}

static ARENA: Arena = Arena(UnsafeCell::new([Page::ZERO; SPARE_PAGES]));

/// The pages. Xen writes into them behind the compiler's back; a reference lives only between two
/// hypercalls.
pub struct Spare {
    frames: [u64; SPARE_PAGES],
}

impl Spare {
    /// The pages' frames; `None` if one has none.
    pub(super) fn find(balloon: &Balloon) -> Option<Self> {
        let mut frames = [0; SPARE_PAGES];
        for (number, frame) in frames.iter_mut().enumerate() {
            // Virtual address = guest frame * 4096. Exposing tells the compiler that others write.
            *frame = balloon.mfn(page(number).expose_provenance() / size_of::<Page>())?;
        }
        Some(Self { frames })
    }

    /// Frames of all of them.
    pub fn frames(&self) -> &[u64; SPARE_PAGES] {
        &self.frames
    }

    /// Overwrites page `number`.
    pub fn fill(&self, number: usize, content: Content) {
        // SAFETY: a page of the arena, of which nobody holds a reference.
        unsafe { &mut *page(number) }.fill(content);
    }

    /// Whether page `number` holds exactly this content.
    pub fn holds(&self, number: usize, content: Content) -> bool {
        // SAFETY: as in `fill`.
        unsafe { &*page(number) }.difference(content).is_none()
    }

    /// The first word of page `number`, which tells contents apart.
    pub fn first_word(&self, number: usize) -> u64 {
        // SAFETY: as in `fill`.
        unsafe { &*page(number) }.0.first().copied().unwrap_or_default()
    }
}

fn page(number: usize) -> *mut Page {
    let first: *mut Page = ARENA.0.get().cast();
    first.wrapping_add(number % SPARE_PAGES)
}

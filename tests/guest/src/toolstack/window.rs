//! Windows: pages of this guest behind which a page of a child is put.
//!
//! Must not know what is in a child's page. A child whose page is still mapped here can be killed,
//! but does not go away: a window must be closed before, or on purpose afterwards.

use crate::give_up;
use crate::plain::content::{Content, Difference, Page};
use crate::verdict::CaseResult;
use crate::xen::foreign::map_foreign;
use crate::xen::memory::set_mapping;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

/// Windows that can be open at once.
const WINDOWS: usize = 32;

struct Arena(UnsafeCell<[Page; WINDOWS]>);

// SAFETY: reached through open windows alone, each of which has its page for itself.
unsafe impl Sync for Arena {}

static ARENA: Arena = Arena(UnsafeCell::new([Page::ZERO; WINDOWS]));
/// A bit for each page of the arena that an open window has.
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// One page of a child, mapped here until this is dropped.
#[derive(Debug)]
pub struct Window(u32);

impl Window {
    /// Maps domain `domid`'s frame: a guest frame, for a PV domain a machine frame.
    ///
    /// # Errors
    /// Error, if all windows are open or Xen refuses.
    pub fn open(domid: u16, frame: u64) -> CaseResult<Self> {
        let Some(number) = take() else { give_up!("{WINDOWS} windows are open already") };
        // Closes itself on the way out.
        let window = Self(number);
        // SAFETY: a page of the arena that nobody else has, and that is not looked at before.
        let answer = unsafe { map_foreign(window.page().addr(), domid, frame) };
        if answer != 0 {
            give_up!("Xen does not map frame {frame:#x} of domain {domid}: {answer}");
        }
        Ok(window)
    }

    /// Whether Xen lets this guest map that frame. Nothing is read or written.
    pub fn can_open(domid: u16, frame: u64) -> bool {
        Self::open(domid, frame).is_ok()
    }

    /// Where the child's page is. The child may read and write it at any time.
    pub fn page(&self) -> *mut Page {
        let first: *mut Page = ARENA.0.get().cast();
        let page = first.wrapping_add(self.0 as usize);
        let _others_write_there = page.expose_provenance();
        page
    }

    /// Fills the page. The child must not use it meanwhile.
    pub fn fill(&self, content: Content) {
        // SAFETY: mapped while the window is open; the reference ends before the next hypercall, and
        // the child leaves the page alone, as its puppet does what the same case told it.
        unsafe { &mut *self.page() }.fill(content);
    }

    /// Where the page differs from `content`. The child must not write to it meanwhile.
    pub fn difference(&self, content: Content) -> Option<Difference> {
        // SAFETY: as in `fill`.
        unsafe { &*self.page() }.difference(content)
    }

    /// Fills the page with zeroes.
    pub fn clear(&self) {
        // SAFETY: a page, mapped; nobody holds a reference to it.
        unsafe { self.page().write_bytes(0, 1) };
    }

    /// Copies `bytes` into the page from byte `offset` on; what does not fit is left out.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let room = size_of::<Page>().saturating_sub(offset);
        let length = bytes.len().min(room);
        let start = self.page().cast::<u8>().wrapping_add(offset);
        // SAFETY: inside of the page, which is mapped; nobody holds a reference to it.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), length) };
    }

    /// Whether the page begins with `bytes`. The child must not write to it meanwhile.
    pub fn begins_with(&self, bytes: &[u8]) -> bool {
        let length = bytes.len().min(size_of::<Page>());
        // SAFETY: the first bytes of the page, which is mapped; the reference ends here.
        let found = unsafe { core::slice::from_raw_parts(self.page().cast::<u8>(), length) };
        found == bytes
    }

    /// The 64-bit word at `offset` bytes, which must be a multiple of 8 inside of the page.
    pub fn word(&self, offset: usize) -> u64 {
        let place = self.page().cast::<u64>().wrapping_add(offset / size_of::<u64>() % 512);
        // SAFETY: inside of the page, which is mapped, and aligned.
        unsafe { place.read_volatile() }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: nothing but this window used the page.
        let _still_mapped_at_worst = unsafe { set_mapping(self.page().addr(), None) };
        TAKEN.fetch_and(!(1 << self.0), Ordering::SeqCst);
    }
}

/// The lowest page of the arena that no window has.
fn take() -> Option<u32> {
    let take_lowest = |taken: u32| {
        let free = taken.trailing_ones();
        (free < u32::BITS).then(|| taken | 1 << free)
    };
    let before = TAKEN.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_lowest).ok()?;
    Some(before.trailing_ones())
}

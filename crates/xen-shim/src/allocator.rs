//! The allocator of metadata: a page of Xen's for each block.
//!
//! After start-up no block is bigger than a page (the engine sees to that), so there is no heap to
//! fragment: what is freed goes back to Xen at once. During start-up bigger tables may be made;
//! they are kept for ever. Anything else is refused, and the engine turns a refusal into a status.

use crate::{ffi, frames};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

/// Bytes of the page that each block gets, and the alignment it has.
const PAGE_BYTES: usize = 4096;

/// Whether blocks bigger than a page may be made.
static STARTING: AtomicBool = AtomicBool::new(false);

/// Lets `start` make tables of any size.
pub(crate) fn while_starting<T>(start: impl FnOnce() -> T) -> T {
    STARTING.store(true, Ordering::Relaxed);
    let result = start();
    STARTING.store(false, Ordering::Relaxed);
    result
}

/// Blocks out of Xen's memory.
#[global_allocator]
static ALLOCATOR: Pages = Pages;

/// The allocator; it has no state of its own.
struct Pages;

/// Whether a page of Xen's holds a block of this layout.
fn fits_page(layout: Layout) -> bool {
    layout.size() <= PAGE_BYTES && layout.align() <= PAGE_BYTES
}

/// A page of Xen's with whatever its last owner wrote; out of this CPU's stock of frames if Xen can spare no more. Who is
/// refused evicts a page and comes again (`Host::give_room`).
fn page() -> *mut u8 {
    let mut page = ffi::tmem_xen_alloc_meta();
    if page.is_null() && frames::release() {
        page = ffi::tmem_xen_alloc_meta();
    }
    page.cast()
}

// SAFETY: a block is a whole page that nobody else has, until `dealloc`; bigger ones are never
// freed. The layout alone tells which of the two a block is.
unsafe impl GlobalAlloc for Pages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fits_page(layout) {
            page()
        } else if STARTING.load(Ordering::Relaxed) {
            ffi::tmem_xen_alloc_boot(layout.size(), layout.align()).cast()
        } else {
            ptr::null_mut()
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: same contract.
        let block = unsafe { self.alloc(layout) };
        if !block.is_null() {
            // SAFETY: the block has that many bytes.
            unsafe { ptr::write_bytes(block, 0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if fits_page(layout) {
            // SAFETY: by the layout it came from `tmem_xen_alloc_meta`, and its owner is done.
            unsafe { ffi::tmem_xen_free_meta(block.cast()) }
        }
    }
}

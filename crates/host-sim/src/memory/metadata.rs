//! An allocator that gives metadata what a hypervisor gives it: a whole page for each block, in
//! memory that huge pages map.
//!
//! The C library's allocator would put a header before each block, so that no block starts at a
//! page, and would spread them over small pages: other cache lines and other misses of the TLB than
//! those of the machine that is measured for. A benchmark names [`MetadataAllocator`] as its global
//! allocator; other programs have no use for it.
//!
//! Must not know: what is in a block.
#![expect(unsafe_code, reason = "a global allocator is unsafe by its trait")]

use super::arena::HUGE_BYTES;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{NonNull, null_mut};
use hypercall_abi::PAGE_SIZE_BYTES;
use memmap2::{Advice, MmapOptions};
use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Blocks above this size are whole pages. What is smaller or bigger than metadata is left to the
/// system: a program has strings and tables too.
const SMALL_BYTES_MAX: usize = PAGE_SIZE_BYTES / 2;

/// Pages that are taken from the system at a time: 32 MiB.
const CHUNK_PAGES: usize = 16 * HUGE_BYTES / PAGE_SIZE_BYTES;

/// Pages for blocks of more than half a page and up to a page; the rest from the system.
#[derive(Clone, Copy, Debug)]
pub struct MetadataAllocator;

/// A free page, which holds the address of the next one.
struct FreePage {
    next: Option<NonNull<FreePage>>,
}

/// The free pages.
struct FreePages {
    first: Option<NonNull<FreePage>>,
    /// Pages ever taken from the system; none goes back.
    nr_pages: usize,
}

// SAFETY: the pages on the list are owned by it, whichever thread looks at it.
unsafe impl Send for FreePages {}

static FREE: Mutex<FreePages> = Mutex::new(FreePages { first: None, nr_pages: 0 });

impl FreePages {
    fn lock() -> MutexGuard<'static, Self> {
        FREE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a page on the list, which its owner gives up.
    ///
    /// # Safety
    /// The page is mapped for ever, aligned to its size, and nobody else uses it any more.
    unsafe fn push(&mut self, page: NonNull<FreePage>) {
        // SAFETY: the page is ours now, and big and aligned enough.
        unsafe { page.write(FreePage { next: self.first }) };
        self.first = Some(page);
    }

    fn pop(&mut self) -> Option<NonNull<FreePage>> {
        let page = self.first?;
        // SAFETY: on the list, so it was written by `push` and by nobody since.
        self.first = unsafe { page.read() }.next;
        Some(page)
    }

    /// Takes a chunk from the system and puts its pages on the list, each of them touched. `false`:
    /// the system has none.
    fn grow(&mut self) -> bool {
        let bytes = CHUNK_PAGES * PAGE_SIZE_BYTES;
        let Ok(mut map) = MmapOptions::new().len(bytes + HUGE_BYTES).map_anon() else {
            return false;
        };
        let _refused = map.advise(Advice::HugePage);
        let offset = map.as_ptr().align_offset(HUGE_BYTES);
        // The first page is to be handed out first, so it goes onto the list last.
        for page in map[offset..offset + bytes].rchunks_exact_mut(PAGE_SIZE_BYTES) {
            // SAFETY: the mapping is forgotten below, so it stays; the chunk starts at a huge page
            // and its parts at pages; and nobody has any of them.
            unsafe { self.push(NonNull::from(page).cast()) };
        }
        core::mem::forget(map);
        self.nr_pages += CHUNK_PAGES;
        true
    }
}

impl MetadataAllocator {
    /// Sees to it that `nr_pages` pages have been taken from the system, so that none is taken while
    /// something is being timed. `false`: it has not got them.
    pub fn reserve(nr_pages: usize) -> bool {
        let mut free = FreePages::lock();
        while free.nr_pages < nr_pages {
            if !free.grow() {
                return false;
            }
        }
        true
    }
}

/// Whether a block of this layout is given a page.
const fn is_page(layout: &Layout) -> bool {
    layout.size() > SMALL_BYTES_MAX
        && layout.size() <= PAGE_SIZE_BYTES
        && layout.align() <= PAGE_SIZE_BYTES
}

/// A page; null when there is none.
///
/// Like its counterpart a function of its own: in the hypervisor both are calls into C, and compiled
/// into the engine they would take registers and places in the cache from what is measured.
#[cold]
#[inline(never)]
fn take_page() -> *mut u8 {
    let mut free = FreePages::lock();
    if free.first.is_none() && !free.grow() {
        return null_mut();
    }
    free.pop().map_or(null_mut(), |page| page.as_ptr().cast())
}

/// Takes back a page that [`take_page`] gave.
///
/// # Safety
/// As [`FreePages::push`]; null is nothing.
#[cold]
#[inline(never)]
unsafe fn give_page(block: *mut u8) {
    if let Some(page) = NonNull::new(block.cast()) {
        // SAFETY: the caller's promise.
        unsafe { FreePages::lock().push(page) };
    }
}

// SAFETY: a block is a whole page that nobody else has until `dealloc`, or one of the system's. The
// layout alone tells which of the two it is. No call of it allocates by way of itself.
unsafe impl GlobalAlloc for MetadataAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !is_page(&layout) {
            // SAFETY: the caller's promise is the same.
            return unsafe { System.alloc(layout) };
        }
        take_page()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !is_page(&layout) {
            // SAFETY: by its layout the block is the system's.
            return unsafe { System.dealloc(block, layout) };
        }
        // SAFETY: by its layout the block is a page of a chunk, and its owner is done with it.
        unsafe { give_page(block) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_metadata_starts_at_a_page_and_keeps_what_is_written() {
        assert!(MetadataAllocator::reserve(2));
        let layout = Layout::from_size_align(4080, 8).expect("a layout");
        let blocks: [*mut u8; 3] = core::array::from_fn(|_| {
            // SAFETY: the size is not 0.
            unsafe { MetadataAllocator.alloc(layout) }
        });
        for (number, block) in (1..).zip(blocks) {
            assert_eq!(block.addr() % PAGE_SIZE_BYTES, 0);
            // SAFETY: 4080 bytes of our own.
            unsafe { block.write_bytes(number, 4080) };
        }
        for (number, block) in (1..).zip(blocks) {
            // SAFETY: within the block.
            let last = unsafe { block.add(4079) };
            // SAFETY: a byte of our own, written above.
            assert_eq!(unsafe { last.read() }, number);
            // SAFETY: allocated above with this layout.
            unsafe { MetadataAllocator.dealloc(block, layout) };
        }
    }

    #[test]
    fn small_and_big_blocks_are_the_systems() {
        for bytes in [1, 2048, 4097, 1 << 20] {
            assert!(!is_page(&Layout::from_size_align(bytes, 8).expect("a layout")));
        }
        for bytes in [2049, 4096] {
            assert!(is_page(&Layout::from_size_align(bytes, 8).expect("a layout")));
        }
    }
}

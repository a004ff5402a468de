//! Memory in whole pages, read and written by many threads as a hypervisor does it: by copying.
//!
//! The only folder with `unsafe`. This file is sound because every access goes through a guard, and the
//! guards of one page exclude each other: instead of waiting, a conflicting access panics, since
//! in tmem each such conflict is a defect (a published frame is immutable, a frame being filled is
//! seen by nobody, a frame being read is not given back).
//!
//! `arena.rs` has memory for measurements, without guards, and `metadata.rs` the allocator that goes
//! with it.
//!
//! Must not know: who the pages belong to.
#![expect(unsafe_code, reason = "page copies as a hypervisor does them, behind checked guards")]

mod arena;
mod metadata;

pub(crate) use arena::prefetch;
pub use arena::{Arena, PAGE_WORDS, PageWords, copy_page_words};
pub use metadata::MetadataAllocator;

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};
use hypercall_abi::PAGE_SIZE_BYTES;

/// The bytes of one page.
pub type PageBytes = [u8; PAGE_SIZE_BYTES];

/// The access word of a page that is being written; otherwise the word counts readers.
const WRITING: u32 = u32::MAX;

/// One page at its natural alignment, so that copies cost what they cost in a hypervisor.
#[repr(C, align(4096))]
struct Page(UnsafeCell<PageBytes>);

/// A fixed number of pages, zeroed at first.
pub struct Memory {
    pages: Box<[Page]>,
    /// One word a page: the number of readers, or [`WRITING`].
    access: Box<[AtomicU32]>,
}

// SAFETY: the cells in `pages` are reached through `Reading` and `Writing` only. Their access words
// allow many readers or one writer, and acquire and release order one guard's end before the next
// one's start, so no two threads race for a page.
unsafe impl Sync for Memory {}

impl Memory {
    /// `nr_pages` pages of zeroes.
    pub fn new(nr_pages: usize) -> Self {
        let pages = Box::<[Page]>::new_zeroed_slice(nr_pages);
        // SAFETY: all bytes zero is a valid `Page`, which holds nothing but bytes.
        let pages = unsafe { pages.assume_init() };
        Self { pages, access: (0..nr_pages).map(|_| AtomicU32::new(0)).collect() }
    }

    /// The number of pages.
    pub fn nr_pages(&self) -> usize {
        self.pages.len()
    }

    /// Opens page `index` for reading.
    ///
    /// # Panics
    /// While the page is being written: somebody reads what he must not see.
    pub fn read(&self, index: usize) -> Reading<'_> {
        let access = &self.access[index];
        let taken = access.fetch_update(Ordering::Acquire, Ordering::Relaxed, |readers| {
            (readers < WRITING - 1).then(|| readers + 1)
        });
        assert!(taken.is_ok(), "page {index} is read while it is being written");
        // SAFETY: the access word was below `WRITING` and now counts us, so until the guard is
        // dropped nobody is given a `Writing` of this page.
        let bytes = unsafe { &*self.pages[index].0.get() };
        Reading { access, bytes }
    }

    /// Opens page `index` for writing.
    ///
    /// # Panics
    /// While the page is being read or written: somebody's page changes under him.
    pub fn write(&self, index: usize) -> Writing<'_> {
        let access = &self.access[index];
        let taken = access.compare_exchange(0, WRITING, Ordering::Acquire, Ordering::Relaxed);
        assert!(taken.is_ok(), "page {index} is written while it is being read or written");
        // SAFETY: the access word was 0 and is now `WRITING`, so until the guard is dropped nobody
        // is given another guard of this page.
        let bytes = unsafe { &mut *self.pages[index].0.get() };
        Writing { access, bytes }
    }
}

/// Leave to read one page.
pub struct Reading<'a> {
    access: &'a AtomicU32,
    bytes: &'a PageBytes,
}

impl Deref for Reading<'_> {
    type Target = PageBytes;

    fn deref(&self) -> &PageBytes {
        self.bytes
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.access.fetch_sub(1, Ordering::Release);
    }
}

/// Leave to write one page.
pub struct Writing<'a> {
    access: &'a AtomicU32,
    bytes: &'a mut PageBytes,
}

impl Deref for Writing<'_> {
    type Target = PageBytes;

    fn deref(&self) -> &PageBytes {
        self.bytes
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut PageBytes {
        self.bytes
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.access.store(0, Ordering::Release);
    }
}

/// Copies a page as a slice. Never inlined, so that a benchmark measures one copy of this code.
#[inline(never)]
pub fn copy_page(to: &mut PageBytes, from: &PageBytes) {
    to.copy_from_slice(from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_start_at_page_boundaries_and_hold_zeroes() {
        let memory = Memory::new(3);
        for index in 0..memory.nr_pages() {
            let page = memory.read(index);
            assert_eq!(page.as_ptr().addr() % PAGE_SIZE_BYTES, 0);
            assert!(page.iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn many_may_read_a_page_at_once_and_write_it_afterwards() {
        let memory = Memory::new(1);
        let (first, second) = (memory.read(0), memory.read(0));
        assert_eq!(*first, *second);
        drop((first, second));
        memory.write(0)[7] = 9;
        assert_eq!(memory.read(0)[7], 9);
    }

    #[test]
    #[should_panic(expected = "written while it is being read")]
    fn writing_a_page_that_is_read_fails_the_test() {
        let memory = Memory::new(1);
        let _reading = memory.read(0);
        let _writing = memory.write(0);
    }

    #[test]
    #[should_panic(expected = "read while it is being written")]
    fn reading_a_page_that_is_written_fails_the_test() {
        let memory = Memory::new(1);
        let _writing = memory.write(0);
        let _reading = memory.read(0);
    }
}

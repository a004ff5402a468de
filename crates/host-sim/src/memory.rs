//! Memory in whole pages, read and written by many threads as a hypervisor does it: by copying.
//!
//! The only file with `unsafe`, and it holds little else, in three parts:
//!
//! - [`Memory`], for tests: every access goes through a guard, and the guards of one page exclude
//!   each other. Instead of waiting, a conflicting access panics, since in tmem each such conflict is
//!   a defect (a published frame is immutable, a frame being filled is seen by nobody, a frame being
//!   read is not given back).
//! - [`Arena`], for measurements: huge pages below, as a hypervisor's direct map has them, and no
//!   guard on the way. Every access is atomic word by word, so two copies that meet mix their words,
//!   as two CPUs' would, and are no undefined behaviour.
//! - [`MetadataAllocator`], also for measurements: a page for each block of metadata. Which page is
//!   safe code, in `memory/pages.rs`.
//!
//! Must not know: who the pages belong to.
#![expect(unsafe_code, reason = "page copies as a hypervisor does them, and memory for them")]

mod pages;
#[cfg(test)]
mod tests;

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
#[cfg(not(target_arch = "x86_64"))]
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use hypercall_abi::PAGE_SIZE_BYTES;
use memmap2::{Advice, MmapOptions, MmapRaw};
use std::alloc::System;
use std::io;

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

/// Words of a page.
pub const PAGE_WORDS: usize = PAGE_SIZE_BYTES / size_of::<u64>();

/// A page as all its users see it at once.
pub type PageWords = [AtomicU64; PAGE_WORDS];

/// Bytes of a huge page, and the alignment of an arena.
const HUGE_BYTES: usize = 2 << 20;

/// A fixed number of pages in one piece, aligned to 2 MiB.
pub struct Arena {
    map: MmapRaw,
    /// Bytes from the mapping's start to the first page.
    offset: usize,
    nr_pages: usize,
}

impl Arena {
    /// `nr_pages` pages of zeroes, in huge pages where the system has them. All of it is there
    /// already: no later access faults.
    ///
    /// # Errors
    /// When the system has no room for it.
    pub fn new(nr_pages: usize) -> io::Result<Self> {
        let too_big = || io::Error::from(io::ErrorKind::OutOfMemory);
        let bytes = nr_pages.checked_mul(PAGE_SIZE_BYTES).ok_or_else(too_big)?;
        // Whole huge pages, and one more to align in.
        let room = bytes
            .checked_next_multiple_of(HUGE_BYTES)
            .and_then(|room| room.checked_add(HUGE_BYTES));
        let mut map = MmapOptions::new().len(room.ok_or_else(too_big)?).map_anon()?;
        // A kernel without huge pages refuses; who measures asks the kernel what came of it.
        let _refused = map.advise(Advice::HugePage);
        let offset = map.as_ptr().align_offset(HUGE_BYTES);
        for page in map.chunks_mut(PAGE_SIZE_BYTES) {
            if let Some(first) = page.first_mut() {
                *first = core::hint::black_box(0);
            }
        }
        Ok(Self { map: map.into(), offset, nr_pages })
    }

    /// The number of pages.
    pub const fn nr_pages(&self) -> usize {
        self.nr_pages
    }

    /// The address of page `index`; `None` when there is none of this number.
    fn page(&self, index: usize) -> Option<*mut PageWords> {
        if index >= self.nr_pages {
            return None;
        }
        // SAFETY: page `index` lies wholly in the mapping: `new` asked for `nr_pages` pages and
        // `HUGE_BYTES`, which `offset` does not exceed.
        let page = unsafe { self.map.as_mut_ptr().add(self.offset + index * PAGE_SIZE_BYTES) };
        Some(page.cast())
    }

    /// The words of page `index`; `None` when there is none of this number.
    pub fn words(&self, index: usize) -> Option<&PageWords> {
        let page = self.page(index)?;
        // SAFETY: the page is mapped for as long as `self` lives, aligned to its size, and after
        // `new` reached by atomic accesses only: by these words and by `copy_page_words`.
        Some(unsafe { &*page })
    }
}

/// Asks the machine to have the beginning of `what` in its caches soon.
#[inline(always)]
pub(crate) fn prefetch<T>(what: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program sees; every x86-64 has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(what).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = what;
}

/// Copies a page word by word. Never inlined: the engine's copies and a benchmark's copy floor are
/// to be the same instructions.
///
/// It is the instruction of Xen's `memcpy` (stable-4.17, `xen/arch/x86/string.c`), and not a call of
/// the C library's, for a second reason: a library's copy of a page that another thread writes is
/// undefined behaviour, while a machine's string move is a row of plain loads and stores, which is
/// what relaxed atomic accesses compile to.
#[inline(never)]
#[cfg(target_arch = "x86_64")]
pub fn copy_page_words(to: &PageWords, from: &PageWords) {
    // SAFETY: reads and writes exactly the words of the two pages, each word in one access or
    // several, as relaxed atomic accesses to words or bytes would; the pages may be the same. The
    // direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!(
            "rep movsq",
            inout("rcx") PAGE_WORDS => _,
            inout("rdi") to.as_ptr() => _,
            inout("rsi") from.as_ptr() => _,
            options(nostack, preserves_flags),
        );
    }
}

/// Copies a page word by word. Never inlined: the engine's copies and a benchmark's copy floor are
/// to be the same instructions.
#[inline(never)]
#[cfg(not(target_arch = "x86_64"))]
pub fn copy_page_words(to: &PageWords, from: &PageWords) {
    for (to, from) in to.iter().zip(from) {
        to.store(from.load(Relaxed), Relaxed);
    }
}

/// An allocator that gives metadata what a hypervisor gives it: a whole page for each block, in
/// memory that huge pages map.
///
/// The C library's allocator would put a header before each block, so that no block starts at a
/// page, and would spread them over small pages: other cache lines and other misses of the TLB than
/// those of the machine that is measured for. A benchmark names it as its global allocator; other
/// programs have no use for it.
///
/// Blocks of more than half a page and up to a page are pages; a program has strings and tables too,
/// and these are left to the system.
#[derive(Clone, Copy, Debug)]
pub struct MetadataAllocator;

impl MetadataAllocator {
    /// Sees to it that `nr_pages` pages are there, so that none is taken from the system while
    /// something is being timed. `false`: they are not to be had.
    pub fn reserve(nr_pages: usize) -> bool {
        pages::reserve(nr_pages)
    }
}

// SAFETY: a block is a whole page that `pages` gives to nobody else until `dealloc` gives it back,
// or one of the system's. The layout alone tells which of the two it is. `pages` allocates nothing
// of a page's size.
unsafe impl GlobalAlloc for MetadataAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if pages::is_page(&layout) {
            return pages::take();
        }
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if pages::is_page(&layout) {
            return pages::give(block);
        }
        // SAFETY: by its layout the block is the system's.
        unsafe { System.dealloc(block, layout) }
    }
}

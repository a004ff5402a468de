//! A large array of pages for hosts that measure: huge pages below, no guard on the way to a page.
//!
//! A hypervisor reaches all memory by its direct map, which consists of huge pages; so does an
//! arena. Where [`super::Memory`] looks for conflicts at each access, an arena lets them happen:
//! every access is atomic word by word, so two copies that meet mix their words, as two CPUs' would,
//! and are no undefined behaviour.
//!
//! Must not know: who the pages belong to.
#![expect(unsafe_code, reason = "page copies as a hypervisor does them, atomic word by word")]

use core::sync::atomic::AtomicU64;
#[cfg(not(target_arch = "x86_64"))]
use core::sync::atomic::Ordering::Relaxed;
use hypercall_abi::PAGE_SIZE_BYTES;
use memmap2::{Advice, MmapOptions, MmapRaw};
use std::io;

/// Words of a page.
pub const PAGE_WORDS: usize = PAGE_SIZE_BYTES / size_of::<u64>();

/// A page as all its users see it at once.
pub type PageWords = [AtomicU64; PAGE_WORDS];

/// Bytes of a huge page, and the alignment of an arena.
pub(super) const HUGE_BYTES: usize = 2 << 20;

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

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::Ordering::Relaxed;

    #[test]
    fn an_arena_is_aligned_to_a_huge_page_and_ends_where_it_says() {
        let arena = Arena::new(3).expect("three pages");
        let first = arena.words(0).expect("the first page");
        assert_eq!(first.as_ptr().addr() % HUGE_BYTES, 0);
        assert!(arena.words(2).is_some() && arena.words(3).is_none());
        assert!(arena.words(usize::MAX).is_none());
        assert!(Arena::new(usize::MAX).is_err());
    }

    #[test]
    fn a_copied_page_is_the_same_to_the_last_word_and_touches_no_other() {
        let arena = Arena::new(3).expect("three pages");
        let page = |index| arena.words(index).expect("a page");
        for (number, word) in (1..).zip(page(0)) {
            word.store(number, Relaxed);
        }
        copy_page_words(page(1), page(0));
        for (a, b) in page(0).iter().zip(page(1)) {
            assert_eq!(a.load(Relaxed), b.load(Relaxed));
        }
        assert_eq!(page(1)[PAGE_WORDS - 1].load(Relaxed), PAGE_WORDS as u64);
        assert!(page(2).iter().all(|word| word.load(Relaxed) == 0));
    }
}

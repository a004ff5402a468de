//! Pages for blocks of metadata: one large mapping of huge pages, handed out page by page.
//!
//! Safe code: a page is a number here until it is handed out, and its address is computed and never
//! followed.
//!
//! Must not know: what is in a page.

use super::HUGE_BYTES;
use core::alloc::Layout;
use core::ptr::null_mut;
use hypercall_abi::PAGE_SIZE_BYTES;
use memmap2::{Advice, MmapMut, MmapOptions};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Blocks up to this size, and those above a page, are the system's.
const SMALL_BYTES_MAX: usize = PAGE_SIZE_BYTES / 2;
/// Pages that there can be: 1 GiB of addresses, used as they are needed.
const PAGES_MAX: usize = 1 << 18;
/// Pages that are touched at a time: 32 MiB.
const CHUNK_PAGES: usize = 16 * HUGE_BYTES / PAGE_SIZE_BYTES;
/// The same as page numbers are.
const CHUNK_NUMBERS: u32 = 8192;
const _: () = assert!(CHUNK_NUMBERS as usize == CHUNK_PAGES);

/// The pages of this program.
struct Pages {
    /// The mapping beyond the pages that were touched; empty before the first is asked for.
    rest: &'static mut [u8],
    /// The address of page 0.
    base: usize,
    /// Pages that were touched: they are in use or free.
    nr_pages: u32,
    /// The numbers of the free ones are the first `nr_free`.
    free: [u32; PAGES_MAX],
    nr_free: usize,
}

static PAGES: Mutex<Pages> =
    Mutex::new(Pages { rest: &mut [], base: 0, nr_pages: 0, free: [0; PAGES_MAX], nr_free: 0 });

fn lock() -> MutexGuard<'static, Pages> {
    PAGES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pages {
    /// Makes the mapping, once and for ever. `false`: the system has no room for it.
    fn map(&mut self) -> bool {
        let room = PAGES_MAX * PAGE_SIZE_BYTES + HUGE_BYTES;
        let Ok(mut map) = MmapOptions::new().len(room).no_reserve_swap().map_anon() else {
            return false;
        };
        let _refused = map.advise(Advice::HugePage);
        let offset = map.as_ptr().align_offset(HUGE_BYTES);
        self.base = map.as_mut_ptr().wrapping_add(offset).addr();
        // Forgotten, so that the bytes live for ever.
        let bytes: &'static mut MmapMut = Box::leak(Box::new(map));
        self.rest = bytes.get_mut(offset..).unwrap_or_default();
        true
    }

    /// Touches a chunk of pages and makes them free. `false`: there are no more.
    fn grow(&mut self) -> bool {
        if self.base == 0 && !self.map() {
            return false;
        }
        if self.nr_pages as usize + CHUNK_PAGES > PAGES_MAX {
            return false;
        }
        let Some(chunk) = self.rest.split_off_mut(..CHUNK_PAGES * PAGE_SIZE_BYTES) else {
            return false;
        };
        chunk.chunks_mut(PAGE_SIZE_BYTES).filter_map(<[u8]>::first_mut).for_each(|first| {
            *first = core::hint::black_box(0);
        });
        // From here on the chunk is reached by the addresses of its pages only.
        let _address = chunk.as_mut_ptr().expose_provenance();
        // The first page is to be handed out first, so it is freed last.
        for nth in (0..CHUNK_NUMBERS).rev() {
            self.push(self.nr_pages + nth);
        }
        self.nr_pages += CHUNK_NUMBERS;
        true
    }

    fn push(&mut self, number: u32) {
        if let Some(place) = self.free.get_mut(self.nr_free) {
            *place = number;
            self.nr_free += 1;
        }
    }

    fn pop(&mut self) -> Option<u32> {
        self.nr_free = self.nr_free.checked_sub(1)?;
        self.free.get(self.nr_free).copied()
    }
}

/// See [`super::MetadataAllocator::reserve`].
pub(super) fn reserve(nr_pages: usize) -> bool {
    let mut pages = lock();
    while (pages.nr_pages as usize) < nr_pages {
        if !pages.grow() {
            return false;
        }
    }
    true
}

/// Whether a block of this layout is given a page.
pub(super) const fn is_page(layout: &Layout) -> bool {
    layout.size() > SMALL_BYTES_MAX
        && layout.size() <= PAGE_SIZE_BYTES
        && layout.align() <= PAGE_SIZE_BYTES
}

/// A page that nobody else has; null when there is none.
///
/// Like its counterpart a function of its own: in the hypervisor both are calls into C, and compiled
/// into the engine they would take registers and places in the cache from what is measured.
#[cold]
#[inline(never)]
pub(super) fn take() -> *mut u8 {
    let mut pages = lock();
    if pages.nr_free == 0 && !pages.grow() {
        return null_mut();
    }
    let base = pages.base;
    pages.pop().map_or(null_mut(), |number| {
        core::ptr::with_exposed_provenance_mut(base + number as usize * PAGE_SIZE_BYTES)
    })
}

/// Takes back a page that [`take`] gave; anything else is nothing.
#[cold]
#[inline(never)]
pub(super) fn give(block: *mut u8) {
    let mut pages = lock();
    let number = block.addr().checked_sub(pages.base).map(|bytes| bytes / PAGE_SIZE_BYTES);
    if let Some(number) = number.and_then(|number| u32::try_from(number).ok())
        && number < pages.nr_pages
    {
        pages.push(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_whole_apart_and_used_again() {
        assert!(reserve(3));
        let taken = [take(), take(), take()];
        for page in taken {
            assert!(!page.is_null() && page.addr() % PAGE_SIZE_BYTES == 0);
        }
        assert!(taken[0] != taken[1] && taken[1] != taken[2] && taken[0] != taken[2]);
        give(taken[1]);
        assert_eq!(take(), taken[1], "the last one given back is the next");
        taken.into_iter().for_each(give);
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

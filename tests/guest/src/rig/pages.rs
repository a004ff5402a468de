//! The guest's own pages: the source of puts, and the target of gets between two guards.

use crate::plain::content::{Content, Difference, Page};
use crate::xen::balloon::Balloon;
use crate::xen::grants::GrantTable;
use crate::xen::memory::set_mapping;
use crate::xen::pv::set_read_only;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Pages in the arena, in this order: guard, target, guard, source, edge, behind the edge, and the
/// place where the page that Xen shares with the guest is mapped.
const ARENA_PAGES: usize = 7;

struct Arena(UnsafeCell<[Page; ARENA_PAGES]>);

// SAFETY: reached through `Pages` alone, of which there is one, on one vCPU.
unsafe impl Sync for Arena {}

static ARENA: Arena = Arena(UnsafeCell::new([Page::ZERO; ARENA_PAGES]));
static TAKEN: AtomicBool = AtomicBool::new(false);

/// What the target and its guards hold before a get: no put stores these.
const POISON: Content = Content(0x7e57_ab1e_0bad_f00d);

/// Content of the guards.
const GUARD: Content = Content(0x6a5d_0000_6a5d_0001);

/// One page: where it is, and the machine frame that Xen knows it by.
#[derive(Clone, Copy)]
struct Place {
    page: *mut Page,
    mfn: u64,
}

/// The arena. Pages are reached through raw pointers, since Xen writes into them behind the
/// compiler's back; a reference lives only between two hypercalls.
pub struct Pages {
    guards: [Place; 2],
    target: Place,
    source: Place,
    behind: Place,
    shared: Place,
}

impl Pages {
    /// The arena, the first time; `None` later, or if a page has no frame.
    pub fn take(balloon: &Balloon) -> Option<Self> {
        if TAKEN.swap(true, Ordering::Relaxed) {
            return None;
        }
        let first: *mut Page = ARENA.0.get().cast();
        let place = |number: usize| {
            let page = first.wrapping_add(number);
            // Virtual address = guest frame * 4096. Exposing tells the compiler that others write.
            Some(Place { page, mfn: balloon.mfn(page.expose_provenance() / size_of::<Page>())? })
        };
        let pages = Self {
            guards: [place(0)?, place(2)?],
            target: place(1)?,
            source: place(3)?,
            behind: place(5)?,
            shared: place(6)?,
        };
        pages.guards.iter().for_each(|guard| guard.fill(GUARD));
        Some(pages)
    }

    /// Where the page that Xen shares with the guest is to be mapped, in place of what is there.
    pub fn place_for_shared_info(&self) -> *mut u8 {
        self.shared.page.cast()
    }

    /// Machine frame of the page that puts are made from.
    pub fn source_mfn(&self) -> u64 {
        self.source.mfn
    }

    /// Machine frame of the page that gets are made into.
    pub fn target_mfn(&self) -> u64 {
        self.target.mfn
    }

    /// Overwrites the source.
    pub fn fill_source(&self, content: Content) {
        self.source.fill(content);
    }

    /// Where the source differs from `content`.
    pub fn source_difference(&self, content: Content) -> Option<Difference> {
        self.source.difference(content)
    }

    /// Prepares the target for a get, so that any byte written shows.
    pub fn poison_target(&self) {
        self.target.fill(POISON);
    }

    /// Where the target differs from `content`.
    pub fn target_difference(&self, content: Content) -> Option<Difference> {
        self.target.difference(content)
    }

    /// Where the target differs from what [`Pages::poison_target`] left there.
    pub fn target_touched(&self) -> Option<Difference> {
        self.target.difference(POISON)
    }

    /// Whether the pages before and after the target are as they were.
    pub fn guards_intact(&self) -> bool {
        self.guards.iter().all(|guard| guard.difference(GUARD).is_none())
    }

    /// Unmaps the page behind the edge; whether Xen did.
    #[must_use]
    pub fn unmap_edge(&self) -> bool {
        // SAFETY: nothing but this and the next two functions use that page.
        unsafe { set_mapping(self.behind.page.addr(), None) == 0 }
    }

    /// Writes `bytes` to the beginning of the page behind the edge, and maps it so that it can't be
    /// written any more, until [`Pages::restore_edge`]. Their address; `None` if Xen refuses. For a PV
    /// guest.
    #[must_use]
    pub fn write_behind_edge(&self, bytes: &[u8]) -> Option<u64> {
        let start: *mut u8 = self.behind.page.cast();
        // SAFETY: a page of its own, mapped; no caller has more than fits. Nobody holds a reference.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        // SAFETY: the page's own frame; nothing but these functions uses it.
        let answer = unsafe { set_read_only(start.addr(), self.behind.mfn) };
        (answer == 0).then_some(start.addr() as u64)
    }

    /// Maps the page behind the edge again; whether Xen did.
    #[must_use]
    pub fn restore_edge(&self) -> bool {
        // SAFETY: the page's own frame, where it was at first.
        unsafe { set_mapping(self.behind.page.addr(), Some(self.behind.mfn)) == 0 }
    }

    /// Machine frame of the page behind the edge.
    pub fn behind_edge_mfn(&self) -> u64 {
        self.behind.mfn
    }

    /// Fills the page behind the edge with zeroes.
    pub fn clear_behind_edge(&self) {
        // SAFETY: mapped, but in the functions below; nobody holds a reference to it.
        unsafe { self.behind.page.write_bytes(0, 1) };
    }

    /// Maps the guest's grant table at the page behind the edge, until [`Pages::restore_edge`].
    /// `None` if Xen refuses.
    pub fn grant_table(&self) -> Option<GrantTable> {
        // SAFETY: nothing but these functions uses that page.
        unsafe { GrantTable::map_at(self.behind.page.cast()) }
    }

    /// Whether Xen lets the guest map frame `mfn`, writable. Tried on the page behind the edge.
    pub fn can_map(&self, mfn: u64) -> bool {
        // SAFETY: nothing is read or written through that page while another frame is there.
        let mapped = unsafe { set_mapping(self.behind.page.addr(), Some(mfn)) == 0 };
        mapped && self.restore_edge()
    }

    /// The address `before` bytes before the page behind the edge: in the edge page or, from 4097 on, in
    /// the page that puts are made from.
    pub fn edge(&self, before: usize) -> u64 {
        self.behind.page.cast::<u8>().wrapping_sub(before).addr() as u64
    }

    /// Fills the edge page with bytes of `value`.
    pub fn fill_edge(&self, value: u8) {
        // SAFETY: the edge page, which is ours and mapped; nobody holds a reference to it.
        unsafe { self.behind.page.wrapping_sub(1).write_bytes(value, 1) };
    }

    /// Whether the edge page holds nothing but `value`, its last `but` bytes left out.
    pub fn edge_holds(&self, value: u8, but: usize) -> bool {
        let start: *const u8 = self.behind.page.wrapping_sub(1).cast();
        let length = size_of::<Page>().saturating_sub(but);
        // SAFETY: the first bytes of the edge page, which is ours and mapped. The reference ends here,
        // before the next hypercall.
        let bytes = unsafe { core::slice::from_raw_parts(start, length) };
        bytes.iter().all(|&byte| byte == value)
    }

    /// Writes `bytes` into the edge page so that they end `behind` bytes behind its end, cutting
    /// off what does not fit; returns the address of the first byte.
    pub fn write_at_edge(&self, bytes: &[u8], behind: usize) -> u64 {
        let length = bytes.len().saturating_sub(behind);
        let end: *mut u8 = self.behind.page.cast();
        let start = end.wrapping_sub(length);
        // SAFETY: the last `length` bytes of the edge page, which is ours and mapped; no caller's
        // block is longer than a page. Nobody holds a reference to that page.
        unsafe { start.copy_from_nonoverlapping(bytes.as_ptr(), length) };
        start.addr() as u64
    }
}

impl Place {
    fn fill(self, content: Content) {
        // SAFETY: a page of the arena, of which nobody holds a reference: they live inside `fill`
        // and `difference` only.
        unsafe { &mut *self.page }.fill(content);
    }

    fn difference(self, content: Content) -> Option<Difference> {
        // SAFETY: as in `fill`.
        unsafe { &*self.page }.difference(content)
    }
}

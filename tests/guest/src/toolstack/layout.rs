//! Where what is in a child's memory: the same for every kind of child.
//!
//! Addresses are page numbers times 4096: a PVH child in 32-bit mode has no paging, the others have
//! tables that map page N at N * 4096.

/// Bytes of a page, as a shift.
pub(super) const PAGE_SHIFT: u32 = 12;

/// vCPUs that a child can have.
pub(super) const VCPUS_MAX: u32 = 4;

/// The program.
pub(super) const CODE: usize = 16;
/// Xen's code for hypercalls.
pub(super) const HYPERCALLS: usize = 17;
/// Page tables, from the top level down; five pages.
pub(super) const TABLES: usize = 18;
/// vCPU 0's mailbox, and so on.
pub(super) const MAILBOXES: usize = 24;
/// The first of the pages that cases use.
pub(super) const DATA: usize = MAILBOXES + VCPUS_MAX as usize;
/// Pages that cases use.
pub const DATA_PAGES: usize = 36;
/// Pages of a child: those below [`CODE`] have no frame.
pub(super) const END: usize = DATA + DATA_PAGES;

/// The address of a page.
pub(super) const fn address(page: usize) -> u64 {
    (page as u64) << PAGE_SHIFT
}

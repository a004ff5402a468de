//! The page tables of a PVH guest: its first gigabyte, each address at the frame of the same number.
//!
//! The entry code fills them before paging is on. The first four megabytes, where the image lies,
//! are mapped page by page, so that single pages can be unmapped or put elsewhere.

use core::arch::asm;
use core::cell::UnsafeCell;

/// Entries of a table.
const ENTRIES: usize = 512;

/// Present, writable, accessed, dirty.
const PTE_DATA: u64 = 0x63;

/// Tables that map page by page.
const LOW_TABLES: usize = 2;

/// One page table.
#[repr(C, align(4096))]
struct Table([u64; ENTRIES]);

/// The tables, in the order in which the entry code addresses them: level 4, 3, 2, then those that
/// map pages.
#[repr(C)]
pub struct BootTables(UnsafeCell<[Table; 3 + LOW_TABLES]>);

// SAFETY: one vCPU; changed by the entry code and by `set_mapping` only.
unsafe impl Sync for BootTables {}

/// The page tables that the entry code switches to. All zeroes until then.
pub static BOOT_TABLES: BootTables =
    BootTables(UnsafeCell::new([const { Table([0; ENTRIES]) }; 3 + LOW_TABLES]));

/// What Xen would answer to a PV guest: no such place.
const NOT_MAPPED_BY_PAGES: i64 = -22;

/// Maps `frame` at `address`, or unmaps the page there; 0 if done.
///
/// # Safety
/// Nothing that is unmapped may be in use, and nothing that is mapped may alias memory in use.
pub(super) unsafe fn set_mapping(address: usize, frame: Option<u64>) -> i64 {
    let page = address >> 12;
    if page >= LOW_TABLES * ENTRIES {
        return NOT_MAPPED_BY_PAGES;
    }
    let first: *mut u64 = BOOT_TABLES.0.get().cast();
    let entry = first.wrapping_add(3 * ENTRIES + page);
    // SAFETY: inside the tables, by the test above; nobody holds a reference to them.
    unsafe { entry.write_volatile(frame.map_or(0, |frame| frame << 12 | PTE_DATA)) };
    // SAFETY: makes the CPU forget what the entry said before; no other CPU runs.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack)) };
    0
}

//! `memory_op` and `update_va_mapping`: giving frames back, taking them again, (un)mapping a page.

use super::hypercall::hypercall;
use xen_sys::{__HYPERVISOR_memory_op, __HYPERVISOR_update_va_mapping};

/// `XENMEM_decrease_reservation` (`xen/include/public/memory.h`, as the next two).
const DECREASE_RESERVATION: u64 = 1;
/// `XENMEM_maximum_ram_page`.
const MAXIMUM_RAM_PAGE: u64 = 2;
/// `XENMEM_populate_physmap`.
const POPULATE_PHYSMAP: u64 = 6;

/// `DOMID_SELF` (`xen/include/public/xen.h`).
const DOMID_SELF: u16 = 0x7ff0;

/// `UVMF_INVLPG` for the calling vCPU (`xen/include/public/xen.h`).
const FLUSH_THIS_PAGE: u64 = 2;

/// Present, writable, user, accessed, dirty: a data page of a 64-bit PV kernel.
const PTE_DATA: u64 = 0x67;

/// `struct xen_memory_reservation`, with order-0 extents.
#[repr(C)]
struct Reservation {
    extents: u64,
    nr_extents: u64,
    order: u32,
    memory_flags: u32,
    domain: u16,
}

fn reservation_op(command: u64, extents: &mut [u64]) -> usize {
    let mut request = Reservation {
        extents: extents.as_mut_ptr().expose_provenance() as u64,
        nr_extents: extents.len() as u64,
        order: 0,
        memory_flags: 0,
        domain: DOMID_SELF,
    };
    let place = (&raw mut request).expose_provenance() as u64;
    // SAFETY: the request describes a slice that we hold for writing. Frames that are given back
    // are this module's callers' to give: not mapped anywhere.
    let done = unsafe { hypercall(__HYPERVISOR_memory_op, [command, place, 0, 0]) };
    usize::try_from(done).unwrap_or(0)
}

/// Gives the machine frames back to Xen; returns how many, from the first, it took.
pub(super) fn give_back(frames: &mut [u64]) -> usize {
    reservation_op(DECREASE_RESERVATION, frames)
}

/// Asks for a machine frame for each of the guest frames in `frames`; returns how many, from the
/// first, were given, their machine frames replacing the guest frames.
pub(super) fn populate(frames: &mut [u64]) -> usize {
    reservation_op(POPULATE_PHYSMAP, frames)
}

/// The highest frame number of the machine's RAM.
pub fn highest_ram_frame() -> u64 {
    // SAFETY: takes no pointer.
    let frame = unsafe { hypercall(__HYPERVISOR_memory_op, [MAXIMUM_RAM_PAGE, 0, 0, 0]) };
    u64::try_from(frame).unwrap_or(0)
}

/// Maps machine frame `mfn` at `address`, or unmaps the page there. Returns Xen's answer, 0 if
/// done.
///
/// # Safety
/// Nothing that is unmapped may be in use, and nothing that is mapped may alias memory in use.
pub unsafe fn set_mapping(address: usize, mfn: Option<u64>) -> i64 {
    let entry = mfn.map_or(0, |mfn| mfn << 12 | PTE_DATA);
    // SAFETY: takes no pointer; what it does to our address space is the caller's promise.
    unsafe {
        hypercall(__HYPERVISOR_update_va_mapping, [address as u64, entry, FLUSH_THIS_PAGE, 0])
    }
}

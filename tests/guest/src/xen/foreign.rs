//! Another domain's memory, mapped here, and its time.

use super::hypercall::hypercall;
use xen_sys::{__HYPERVISOR_sched_op, __HYPERVISOR_update_va_mapping_otherdomain};

/// `UVMF_INVLPG` for the calling vCPU (`xen/include/public/xen.h`).
const FLUSH_THIS_PAGE: u64 = 2;
/// Present, writable, user, accessed, dirty: a data page of a 64-bit PV kernel.
const PTE_DATA: u64 = 0x67;

/// Maps domain `domid`'s frame (a guest frame, for a PV domain a machine frame) at `address`.
/// Returns Xen's answer, 0 if done.
///
/// # Safety
/// Nothing of what is at `address` may be in use.
pub unsafe fn map_foreign(address: usize, domid: u16, frame: u64) -> i64 {
    let arguments = [address as u64, frame << 12 | PTE_DATA, FLUSH_THIS_PAGE, u64::from(domid)];
    // SAFETY: takes no pointer; what it does to our address space is the caller's promise.
    unsafe { hypercall(__HYPERVISOR_update_va_mapping_otherdomain, arguments) }
}

/// Lets other vCPUs run (`SCHEDOP_yield`, 0).
pub fn give_way() {
    // SAFETY: takes no pointer.
    let _always_0 = unsafe { hypercall(__HYPERVISOR_sched_op, [0, 0, 0, 0]) };
}

/// `struct sched_poll` (`xen/include/public/sched.h`), for no event channels at all.
#[repr(C)]
struct Poll {
    ports: u64,
    nr_ports: u32,
    pad: u32,
    timeout: u64,
}

/// `SCHEDOP_poll`.
const POLL: u64 = 3;

/// Sleeps for some tens of microseconds. [`give_way`] leaves it to Xen's scheduler whether others
/// are let run; this does not.
pub fn rest() {
    // A time that is past already: the timer goes off at the next moment that Xen looks at it.
    let poll = Poll { ports: 0, nr_ports: 0, pad: 0, timeout: 1 };
    let place = (&raw const poll).expose_provenance() as u64;
    // SAFETY: reads the structure and nothing else.
    let _nobody_to_tell = unsafe { hypercall(__HYPERVISOR_sched_op, [POLL, place, 0, 0]) };
}

//! The end of the run, and its suspension.

use super::hypercall::hypercall;
use xen_sys::{__HYPERVISOR_sched_op, SCHEDOP_shutdown, SHUTDOWN_reboot, SHUTDOWN_suspend};

/// Asks Xen to reboot the machine, which ends QEMU when it runs with `-no-reboot`. (Powering off
/// would only halt it: Xen has no ACPI tables parsed by its first domain.)
pub fn reboot() -> ! {
    let reason: u32 = SHUTDOWN_reboot;
    let arguments =
        [u64::from(SCHEDOP_shutdown), (&raw const reason).expose_provenance() as u64, 0, 0];
    loop {
        // SAFETY: `shutdown` takes the address of a 32-bit reason, which it only reads.
        let _does_not_return = unsafe { hypercall(__HYPERVISOR_sched_op, arguments) };
    }
}

/// Suspends the domain. Comes back when it goes on: as another domain, or as this one if the toolstack
/// has given up.
pub(crate) fn suspend() {
    let reason: u32 = SHUTDOWN_suspend;
    let arguments =
        [u64::from(SCHEDOP_shutdown), (&raw const reason).expose_provenance() as u64, 0, 0];
    // SAFETY: `shutdown` takes the address of a 32-bit reason, which it only reads.
    let _whether_given_up = unsafe { hypercall(__HYPERVISOR_sched_op, arguments) };
}

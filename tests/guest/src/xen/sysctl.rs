//! `sysctl`: what a toolstack asks of the host as a whole. Structures after
//! `xen/include/public/sysctl.h`. An answer below 0 is Xen's errno, negated.

use super::hypercall::hypercall;
use super::release::Release;
use hypercall_abi::control::{self, CONTROL_BYTES};
use xen_sys::__HYPERVISOR_sysctl;

/// `XEN_SYSCTL_physinfo`.
const PHYSINFO: u32 = 3;
/// `XEN_SYSCTL_availheap`.
const AVAILHEAP: u32 = 9;

/// Bytes of the union `u`, in every release.
const BODY_BYTES: usize = 128;

/// `struct xen_sysctl`, for a body of any kind.
#[repr(C)]
struct Request {
    command: u32,
    interface_version: u32,
    body: [u64; BODY_BYTES / 8],
}

const _: () = assert!(size_of::<Request>() == 136);

/// In `struct xen_sysctl_physinfo`, in 64-bit words: `free_pages`, at byte 48.
const PHYSINFO_FREE_PAGES: usize = 48 / 8;

impl Release {
    fn sysctl(self, command: u32, body: &mut [u64; BODY_BYTES / 8]) -> i64 {
        let mut request = Request { command, interface_version: self.sysctl, body: *body };
        let place = (&raw mut request).expose_provenance() as u64;
        // SAFETY: reads and writes the request, which is ours; the commands sent from here name no
        // other memory.
        let answer = unsafe { hypercall(__HYPERVISOR_sysctl, [place, 0, 0, 0]) };
        *body = request.body;
        answer
    }

    /// Frames of the host that nobody has.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn free_pages(self) -> Result<u64, i64> {
        let mut body = [0; BODY_BYTES / 8];
        // `struct xen_sysctl_availheap`: widths of addresses, 0 for any; node, -1 for all; and the
        // answer in bytes.
        if let Some(node) = body.get_mut(1) {
            *node = u64::from(u32::MAX);
        }
        match self.sysctl(AVAILHEAP, &mut body) {
            0 => Ok(body.get(2).copied().unwrap_or_default() >> 12),
            answer => Err(answer),
        }
    }

    /// What toolstacks take for free: without what is claimed, with what can be evicted. In frames.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn promised_pages(self) -> Result<u64, i64> {
        let mut body = [0; BODY_BYTES / 8];
        match self.sysctl(PHYSINFO, &mut body) {
            0 => Ok(body.get(PHYSINFO_FREE_PAGES).copied().unwrap_or_default()),
            answer => Err(answer),
        }
    }
}

impl Release {
    /// Makes a control operation of tmem, given as its bytes, which are then as Xen left them; the raw
    /// answer.
    ///
    /// # Safety
    /// The buffer that the operation names, if any, must be memory that the compiler expects Xen to
    /// read or write: reached through a pointer whose address was exposed.
    pub unsafe fn tmem_control(self, op: &mut [u8; CONTROL_BYTES]) -> i64 {
        let mut request = control::sysctl_block(self.sysctl, op);
        let place = request.as_mut_ptr().expose_provenance() as u64;
        // SAFETY: reads and writes the request, which is ours; the rest is the caller's promise.
        let answer = unsafe { hypercall(__HYPERVISOR_sysctl, [place, 0, 0, 0]) };
        *op = control::sysctl_op(&request);
        answer
    }
}

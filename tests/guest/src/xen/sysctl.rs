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

/// `XEN_SYSCTL_cpu_hotplug`, and its operations `XEN_SYSCTL_CPU_HOTPLUG_ONLINE` and `..._OFFLINE`.
const CPU_HOTPLUG: u32 = 11;
const ONLINE: u64 = 0;
const OFFLINE: u64 = 1;

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

/// In `struct xen_sysctl_physinfo`, in 64-bit words: `nr_cpus`, the lower half at byte 8, `nr_nodes`, that
/// at byte 16, `free_pages`, at byte 48, and `outstanding_pages`, at byte 64.
const PHYSINFO_CPUS: usize = 1;
const PHYSINFO_NODES: usize = 16 / 8;
const PHYSINFO_FREE_PAGES: usize = 48 / 8;
const PHYSINFO_OUTSTANDING_PAGES: usize = 64 / 8;

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
        self.free_pages_at(0, u32::MAX)
    }

    /// Frames that nobody has and that lie below 2^`bits` bytes, if that is not 0, and on `node`, if
    /// that is not -1.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn free_pages_at(self, bits: u32, node: u32) -> Result<u64, i64> {
        let mut body = [0; BODY_BYTES / 8];
        // `struct xen_sysctl_availheap`: least and greatest width of addresses, 0 for any; node, -1 for
        // all; and the answer in bytes.
        let request = [u64::from(bits) << 32, u64::from(node)];
        body.iter_mut().zip(request).for_each(|(place, word)| *place = word);
        match self.sysctl(AVAILHEAP, &mut body) {
            0 => Ok(body.get(2).copied().unwrap_or_default() >> 12),
            answer => Err(answer),
        }
    }

    /// Processors that are online.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn processors(self) -> Result<u64, i64> {
        Ok(self.physinfo(PHYSINFO_CPUS)? & 0xffff_ffff)
    }

    /// Takes a processor into use, or out of use. Xen's answer, when that has been done.
    pub fn set_online(self, processor: u32, online: bool) -> i64 {
        let mut body = [0; BODY_BYTES / 8];
        let operation = if online { ONLINE } else { OFFLINE };
        if let Some(word) = body.first_mut() {
            *word = u64::from(processor) | operation << 32;
        }
        self.sysctl(CPU_HOTPLUG, &mut body)
    }

    /// Nodes that the host's memory lies on.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn nodes(self) -> Result<u64, i64> {
        Ok(self.physinfo(PHYSINFO_NODES)? & 0xffff_ffff)
    }

    /// What toolstacks take for free: what can be evicted included, and what is claimed. In frames.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn promised_pages(self) -> Result<u64, i64> {
        self.physinfo(PHYSINFO_FREE_PAGES)
    }

    /// Frames that are claimed and not yet given.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn claimed_pages(self) -> Result<u64, i64> {
        self.physinfo(PHYSINFO_OUTSTANDING_PAGES)
    }

    fn physinfo(self, word: usize) -> Result<u64, i64> {
        let mut body = [0; BODY_BYTES / 8];
        match self.sysctl(PHYSINFO, &mut body) {
            0 => Ok(body.get(word).copied().unwrap_or_default()),
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

/// Sends an address at which there may be no request at all: Xen must find out.
pub fn send_sysctl_address(address: u64) -> i64 {
    // SAFETY: Xen checks the address. What it writes, there and into the buffer that the request
    // names, is in pages of the rig's, which are reached through raw pointers whose addresses are
    // exposed; elsewhere the guest has nothing mapped at the addresses that cases send.
    unsafe { hypercall(__HYPERVISOR_sysctl, [address, 0, 0, 0]) }
}

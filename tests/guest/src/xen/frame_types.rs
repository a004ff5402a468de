//! What a toolstack or a device model does to the type of a PVH domain's frames: log-dirty, a device's
//! memory, read-only, claimed by an I/O request server, populated on demand.
//!
//! Structures after `xen/include/public/domctl.h`, `hvm/dm_op.h` and `memory.h`. An answer below 0 is
//! Xen's errno, negated.

use super::hypercall::hypercall;
use super::release::Release;
use xen_sys::{__HYPERVISOR_dm_op, __HYPERVISOR_memory_op};

/// `XEN_DOMCTL_shadow_op`, `XEN_DOMCTL_iomem_permission`, `XEN_DOMCTL_memory_mapping`.
const SHADOW_OP: u32 = 10;
/// See above.
const IOMEM_PERMISSION: u32 = 20;
/// See above.
const MEMORY_MAPPING: u32 = 39;

/// `XEN_DOMCTL_SHADOW_OP_OFF`, `..._ENABLE_LOGDIRTY`, `..._CLEAN`, `..._PEEK`, `..._SET_ALLOCATION`.
const LOG_DIRTY_OFF: u64 = 0;
/// See above.
const LOG_DIRTY_ON: u64 = 2;
/// See above.
const LOG_DIRTY_CLEAN: u64 = 11;
/// See above.
const LOG_DIRTY_PEEK: u64 = 12;
/// See above.
const SET_ALLOCATION: u64 = 31;

/// `XEN_DMOP_create_ioreq_server`, `XEN_DMOP_set_mem_type`, `XEN_DMOP_map_mem_type_to_ioreq_server`.
const CREATE_IOREQ_SERVER: u64 = 1;
/// See above.
const SET_MEM_TYPE: u64 = 12;
/// See above.
const MAP_MEM_TYPE: u64 = 15;
/// `XEN_DMOP_IOREQ_MEM_ACCESS_WRITE`.
const WRITES: u64 = 2;

/// `XENMEM_populate_physmap`, `XENMEM_set_pod_target`.
const POPULATE_PHYSMAP: u64 = 6;
/// See above.
const SET_POD_TARGET: u64 = 16;
/// `XENMEMF_populate_on_demand`.
const ON_DEMAND: u64 = 1 << 16;

/// The types that a device model can give to a frame (`hvmmem_type_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryType {
    /// Plain memory.
    Ram = 0,
    /// Memory that the guest can only read.
    ReadOnly = 1,
    /// No memory: every access goes to the device model.
    DeviceModel = 2,
    /// Memory of which an I/O request server sees the writes.
    IoreqServer = 4,
}

impl Release {
    /// Sets how many MiB a domain's shadow tables, and the log of what it writes, may take. What a PV
    /// domain has by itself is too little for the log.
    pub fn set_shadow_memory(self, domid: u16, mib: u32) -> i64 {
        self.with_words(SHADOW_OP, domid, [SET_ALLOCATION, mib.into(), 0, 0])
    }

    /// Begins, or ends, to log which of a domain's frames are written to.
    pub fn log_dirty(self, domid: u16, wanted: bool) -> i64 {
        let operation = if wanted { LOG_DIRTY_ON } else { LOG_DIRTY_OFF };
        self.with_words(SHADOW_OP, domid, [operation, 0, 0, 0])
    }

    /// A bit for each of a domain's frames 0 to 63: whether it was written to since the log was last
    /// cleaned; cleans the log if so wanted.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn dirty_frames(self, domid: u16, clean: bool) -> Result<u64, i64> {
        let mut bitmap = [0_u64; 2];
        let place = bitmap.as_mut_ptr().expose_provenance() as u64;
        let operation = if clean { LOG_DIRTY_CLEAN } else { LOG_DIRTY_PEEK };
        let answer = self.with_words(SHADOW_OP, domid, [operation, 0, place, 64]);
        match (answer, bitmap) {
            // Xen wrote there behind the compiler's back.
            (0, [first, _]) => Ok(core::hint::black_box(first)),
            (answer, _) => Err(answer),
        }
    }

    /// Puts the machine's frame `mfn`, a device's, at a domain's frame `gfn`.
    pub fn map_device(self, domid: u16, gfn: u64, mfn: u64) -> i64 {
        match self.with_words(IOMEM_PERMISSION, domid, [mfn, 1, 1]) {
            0 => self.with_words(MEMORY_MAPPING, domid, [gfn, mfn, 1, 1]),
            answer => answer,
        }
    }
}

/// Gives a domain's frame this type.
pub fn set_memory_type(domid: u16, gfn: u64, memory_type: MemoryType) -> i64 {
    let mut operation = [SET_MEM_TYPE, 1 | (memory_type as u64) << 32, gfn, 0, 0, 0, 0, 0];
    dm_op(domid, &mut operation)
}

/// Makes an I/O request server for a domain and lets it claim frames of its type.
pub fn claim_writes(domid: u16) -> i64 {
    let mut operation = [CREATE_IOREQ_SERVER, 0, 0, 0, 0, 0, 0, 0];
    let answer = dm_op(domid, &mut operation);
    if answer != 0 {
        return answer;
    }
    let [_, made, ..] = operation;
    let id = made >> 32 & 0xffff;
    let claim = id | (MemoryType::IoreqServer as u64) << 16 | WRITES << 32;
    dm_op(domid, &mut [MAP_MEM_TYPE, claim, 0, 0, 0, 0, 0, 0])
}

/// Sends a `struct xen_dm_op`, the union in it being as long as Xen's longest.
fn dm_op(domid: u16, operation: &mut [u64; 8]) -> i64 {
    let place = core::ptr::from_mut(operation).expose_provenance() as u64;
    let buffer = [place, size_of::<[u64; 8]>() as u64];
    let list = core::ptr::from_ref(&buffer).expose_provenance() as u64;
    // SAFETY: one buffer, which we hold for writing.
    let answer = unsafe { hypercall(__HYPERVISOR_dm_op, [u64::from(domid), 1, list, 0]) };
    // Xen may have written there behind the compiler's back.
    *operation = core::hint::black_box(*operation);
    answer
}

/// Promises a domain memory at frame `gfn`, to come when it is used. Returns 1 if done.
pub fn populate_on_demand(domid: u16, gfn: u64) -> i64 {
    let frame = [gfn];
    let list = frame.as_ptr().expose_provenance() as u64;
    // `struct xen_memory_reservation`: frames, count, order and flags, domain.
    let request = [list, 1, ON_DEMAND << 32, u64::from(domid)];
    let place = request.as_ptr().expose_provenance() as u64;
    // SAFETY: the request names one frame number, which Xen reads.
    unsafe { hypercall(__HYPERVISOR_memory_op, [POPULATE_PHYSMAP, place, 0, 0]) }
}

/// Gives a domain so many frames in all: what it has, and a stock for what was promised.
pub fn set_pod_target(domid: u16, frames: u64) -> i64 {
    // `struct xen_pod_target`: frames, three results, domain.
    let mut request = [frames, 0, 0, 0, u64::from(domid)];
    let place = request.as_mut_ptr().expose_provenance() as u64;
    // SAFETY: reads and writes the request, which is ours.
    unsafe { hypercall(__HYPERVISOR_memory_op, [SET_POD_TARGET, place, 0, 0]) }
}

//! Calls by which a child in 64-bit mode changes how much memory it has, a frame each time.

use super::child::{Call, block_address};
use xen_sys::__HYPERVISOR_memory_op;

/// `XENMEM_populate_physmap` (`xen/include/public/memory.h`).
const POPULATE_PHYSMAP: u64 = 6;
/// `DOMID_SELF` (`xen/include/public/xen.h`).
const DOMID_SELF: u64 = 0x7ff0;
/// Bytes of `struct xen_memory_reservation`. Behind it, in the same block, is its list of one extent:
/// where an operation of tmem has the index of a page, so that the puppet's step changes it.
const RESERVATION_BYTES: u64 = 32;

impl Call {
    /// Asks for memory at guest frame `frame`, and at the next one each time; answered 1 if there was
    /// some, else 0. It must be call `number` of the list of vCPU `vcpu`.
    pub fn populate(vcpu: usize, number: usize, frame: u64) -> Self {
        let list = block_address(vcpu, number) + RESERVATION_BYTES;
        // List, its length, order and flags, domain; the list.
        let words = [list, 1, 0, DOMID_SELF, frame, 0, 0, 0];
        let mut block = [0; 64];
        for (place, byte) in block.iter_mut().zip(words.iter().flat_map(|word| word.to_le_bytes()))
        {
            *place = byte;
        }
        Self {
            block: Some(block),
            pointer: 1,
            step: 1,
            ..Self::raw(__HYPERVISOR_memory_op, [POPULATE_PHYSMAP, 0, 0, 0, 0])
        }
    }
}

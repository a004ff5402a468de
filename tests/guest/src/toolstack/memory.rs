//! Calls by which a child changes how much memory it has, a frame each time.

use super::child::{Call, Child, block_address};
use crate::give_up;
use crate::verdict::CaseResult;
use xen_sys::__HYPERVISOR_memory_op;

/// `XENMEM_populate_physmap` (`xen/include/public/memory.h`).
const POPULATE_PHYSMAP: u64 = 6;
/// `DOMID_SELF` (`xen/include/public/xen.h`).
const DOMID_SELF: u64 = 0x7ff0;
/// Bytes before the list of one extent. `struct xen_memory_reservation` has as many from a 64-bit caller,
/// and fewer from one of 32 bits. The list is where an operation of tmem, of either layout, has the index
/// of a page, so that the puppet's step changes it.
const LIST_OFFSET: u64 = 32;

impl Child {
    /// Asks for memory at guest frame `frame`, and at the next one each time; answered 1 if there was
    /// some, else 0. It must be call `number` of the list of vCPU `vcpu`.
    ///
    /// # Errors
    /// Error, if the frame's number is too large for a 32-bit caller.
    pub fn populate_call(&self, vcpu: usize, number: usize, frame: u64) -> CaseResult<Call> {
        let list = block_address(vcpu, number) + LIST_OFFSET;
        // List, its length, order and flags, domain; the list. A 32-bit caller's words have four bytes.
        let words = if self.caller().is_wide() {
            [list, 1, 0, DOMID_SELF, frame, 0, 0, 0]
        } else if frame.max(list) <= u32::MAX.into() {
            [1 << 32 | list, 0, DOMID_SELF, 0, frame, 0, 0, 0]
        } else {
            give_up!("a 32-bit caller can't name frame {frame:#x}");
        };
        let mut block = [0; 64];
        for (place, byte) in block.iter_mut().zip(words.iter().flat_map(|word| word.to_le_bytes()))
        {
            *place = byte;
        }
        Ok(Call {
            block: Some(block),
            pointer: 1,
            step: 1,
            ..Call::raw(__HYPERVISOR_memory_op, [POPULATE_PHYSMAP, 0, 0, 0, 0])
        })
    }
}

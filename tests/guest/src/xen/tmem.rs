//! Hypercall 38, with a good block or with any other, from the mode that is set.

use super::caller::caller;
use super::hypercall::hypercall;
use hypercall_abi::{HYPERVISOR_TMEM_OP, OP_BYTES_32, OP_BYTES_64, Op};

/// The raw block of one operation in the 64-bit layout. Its first 52 bytes are the block of a
/// 32-bit caller: only the frame number, the last field, is shorter there.
pub type Block = [u8; OP_BYTES_64];

/// Sends an operation; returns Xen's answer.
pub fn send(op: &Op) -> i64 {
    send_block(&op.encode())
}

/// Sends a block as it is. Behind a 32-bit caller's block lies junk, so that a host that reads on
/// shows.
pub fn send_block(block: &Block) -> i64 {
    let mut block = *block;
    if caller().block_bytes() == OP_BYTES_32 {
        block.iter_mut().skip(OP_BYTES_32).for_each(|byte| *byte = 0xa5);
    }
    send_address(block.as_ptr().expose_provenance() as u64)
}

/// Sends the address of a good block from 64-bit mode, without a look at the mode that is set: for
/// loops in which each instruction counts.
#[inline(always)]
pub fn send_counted(address: u64) -> i64 {
    // SAFETY: as in `send_address`.
    unsafe { hypercall(HYPERVISOR_TMEM_OP, [address, 0, 0, 0]) }
}

/// Sends an address at which there may be no block at all: Xen must find out. It only reads there;
/// the page that a get writes into is named by the block, as a frame.
pub fn send_address(address: u64) -> i64 {
    // SAFETY: Xen checks the address and only reads there. A get writes into the frame that the
    // block names; `rig` names only frames of pages that it reaches through raw pointers whose
    // addresses are exposed, and frames that are in nobody's use.
    unsafe { caller().call(HYPERVISOR_TMEM_OP, address, 0) }
}

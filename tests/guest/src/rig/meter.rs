//! Counting what calls take: the same operation many times over, with little else in the loop.
//!
//! What is counted are the ticks of the cycle counter, which are instructions when the emulator
//! makes them so. Interrupts of Xen's own fall into a loop as they fall into any.

use super::calls::at;
use crate::fail;
use crate::verdict::CaseResult;
use crate::xen::clock::cycles;
use crate::xen::tmem::send_counted;
use crate::xen::version;
use core::mem::size_of;
use hypercall_abi::{GenArm64, Handle, OP_BYTES_64};

/// Calls in a loop.
pub const CALLS: u32 = 4000;

/// An operation as a 64-bit caller lays it out, in which the loop changes a field or two.
#[repr(C)]
pub struct Call {
    command: u32,
    pool_id: u32,
    arm: GenArm64,
}
const _: () = assert!(size_of::<Call>() == OP_BYTES_64);

impl Call {
    /// The operation `command` on page 0 of object `object`, without a frame.
    pub const fn new(command: u32, pool_id: u32, object: u64) -> Self {
        let Handle { object, .. } = at(pool_id, object, 0);
        let arm =
            GenArm64 { oid: object.0, index: 0, tmem_offset: 0, pfn_offset: 0, len: 0, cmfn: 0 };
        Self { command, pool_id, arm }
    }

    /// Another page of the object.
    #[inline(always)]
    pub const fn set_index(&mut self, index: u32) {
        self.arm.index = index;
    }

    /// Another object.
    #[inline(always)]
    pub const fn set_object(&mut self, object: u64) {
        self.arm.oid = at(0, object, 0).object.0;
    }

    /// Another frame of the guest's.
    #[inline(always)]
    pub const fn set_frame(&mut self, mfn: u64) {
        self.arm.cmfn = mfn;
    }

    /// Makes the call; Xen's answer.
    #[inline(always)]
    pub fn send(&mut self) -> i64 {
        send_counted((&raw mut *self).expose_provenance() as u64)
    }
}

/// Makes `call` [`CALLS`] times, each time changed by `vary`, which is told the call's number;
/// returns the ticks that all of them took.
///
/// # Errors
/// Failure, if any answer is not `want`.
#[inline(always)]
pub fn count(what: &str, call: Call, want: i64, vary: impl Fn(u32, &mut Call)) -> CaseResult<u64> {
    count_some(CALLS, what, call, want, vary)
}

/// The same with another number of calls.
///
/// # Errors
/// Failure, if any answer is not `want`.
#[inline(always)]
pub fn count_some(
    calls: u32,
    what: &str,
    mut call: Call,
    want: i64,
    vary: impl Fn(u32, &mut Call),
) -> CaseResult<u64> {
    let mut nr_wrong = 0;
    let start = cycles();
    for number in 0..calls {
        vary(number, &mut call);
        if call.send() != want {
            nr_wrong += 1;
        }
    }
    let ticks = cycles() - start;
    if nr_wrong > 0 {
        fail!("{what}: {nr_wrong} of {calls} calls were not answered by {want}");
    }
    Ok(ticks)
}

/// The same for a hypercall that does nothing.
pub fn count_null() -> u64 {
    let start = cycles();
    for _ in 0..CALLS {
        version::ask();
    }
    cycles() - start
}

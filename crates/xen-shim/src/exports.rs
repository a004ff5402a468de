//! The doorway: what Xen's C glue calls. `exports.txt` lists the names.
//!
//! Each function turns C's arguments into ours and our answer into C's. Must not know more.

use crate::host::{Toolstack, Xen};
use crate::{allocator, frames};
use hypercall_abi::control::{CONTROL_BYTES, ControlStatus};
use hypercall_abi::{OP_BYTES_32, OP_BYTES_64, OpBlock, Status};
use spin::Once;
use tmem_service::{ControlOutcome, DomainId, NoMemory, Outcome, Progress, Service};

/// Not a status: a slice of the work is done, call again (`TMEM_RS_AGAIN`).
const AGAIN: i64 = i32::MIN as i64;

/// Transcendent memory, once it is started.
static SERVICE: Once<Service<Xen>> = Once::new();

/// Starts the service with a random key for its hashes. Called once, before any other.
#[unsafe(no_mangle)]
extern "C" fn tmem_rs_init(key0: u64, key1: u64, key2: u64, key3: u64) -> i32 {
    assert_stack_aligned();
    let key = [key0, key1, key2, key3];
    match allocator::while_starting(|| SERVICE.try_call_once(|| Service::new(Xen, key))) {
        Ok(_) => 0,
        Err(NoMemory) => -12,
    }
}

/// Carries out one operation of domain `domid`, which runs now, or a slice of it.
///
/// # Safety
/// `block` points to the 56 bytes of a 64-bit caller's operation, which nobody changes during the
/// call.
#[unsafe(no_mangle)]
unsafe extern "C" fn tmem_rs_op(block: *const u8, domid: u16) -> i64 {
    // SAFETY: that many bytes, as the caller promises.
    op(unsafe { &*block.cast::<[u8; OP_BYTES_64]>() }, domid)
}

/// The same for a 32-bit caller.
///
/// # Safety
/// `block` points to the 52 bytes of its operation, which nobody changes during the call.
#[unsafe(no_mangle)]
unsafe extern "C" fn tmem_rs_op_compat(block: *const u8, domid: u16) -> i64 {
    // SAFETY: that many bytes, as the caller promises.
    op(unsafe { &*block.cast::<[u8; OP_BYTES_32]>() }, domid)
}

#[inline(always)]
fn op(block: &impl OpBlock, domid: u16) -> i64 {
    assert_stack_aligned();
    match SERVICE.get() {
        Some(service) => service.op_as::<Answer>(block, DomainId(domid)).0,
        None => Answer::from(Outcome::Done(Status::NoDevice)).0,
    }
}

/// An outcome as C takes it: a status, or [`AGAIN`].
struct Answer(i64);

impl From<Outcome> for Answer {
    #[inline(always)]
    fn from(outcome: Outcome) -> Self {
        Self(match outcome {
            Outcome::Done(status) => status.encode(),
            Outcome::Again => AGAIN,
        })
    }
}

/// Counts such a call by domain `domid` that took so long. `command` and `pool_id` are the
/// first two words of its operation: any numbers.
#[unsafe(no_mangle)]
extern "C" fn tmem_rs_measured(domid: u16, command: u32, pool_id: u32, nanoseconds: u64) {
    assert_stack_aligned();
    if let Some(service) = SERVICE.get() {
        service.measured(DomainId(domid), command, pool_id, nanoseconds);
    }
}

/// Gives back a slice of what a dying domain has. 1: there is more; 0: nothing is left.
#[unsafe(no_mangle)]
extern "C" fn tmem_rs_domain_destroy(domid: u16) -> i32 {
    assert_stack_aligned();
    match SERVICE.get().map(|service| service.destroy_domain(DomainId(domid))) {
        None | Some(Progress::Done) => 0,
        Some(Progress::More) => 1,
    }
}

/// Gives back a slice of what a domain has that starts anew. 1: there is more; 0: nothing is left.
#[unsafe(no_mangle)]
extern "C" fn tmem_rs_domain_reset(domid: u16) -> i32 {
    assert_stack_aligned();
    match SERVICE.get().map(|service| service.reset_domain(DomainId(domid))) {
        None | Some(Progress::Done) => 0,
        Some(Progress::More) => 1,
    }
}

/// Evicts up to `pages` pages for Xen's allocator, and tells how many frames that freed. May be
/// called in the middle of a call of ours into Xen.
#[unsafe(no_mangle)]
extern "C" fn tmem_rs_reclaim(pages: u32) -> u32 {
    assert_stack_aligned();
    SERVICE.get().map_or(0, |service| service.reclaim(pages))
}

/// Frames that [`tmem_rs_reclaim`] could free.
#[unsafe(no_mangle)]
extern "C" fn tmem_rs_freeable() -> u64 {
    assert_stack_aligned();
    SERVICE.get().map_or(0, Service::freeable_pages)
}

/// About as many, at a bounded price.
#[unsafe(no_mangle)]
extern "C" fn tmem_rs_freeable_estimate() -> u64 {
    assert_stack_aligned();
    SERVICE.get().map_or(0, Service::freeable_estimate)
}

/// Carries out the control operation in `block`, whose caller runs now, or a slice of it.
///
/// # Safety
/// `block` points to the 56 bytes of an operation, which nobody else uses during the call.
#[unsafe(no_mangle)]
unsafe extern "C" fn tmem_rs_control(block: *mut u8) -> i64 {
    assert_stack_aligned();
    let Some(service) = SERVICE.get() else {
        return ControlStatus::NoDevice.encode();
    };
    // SAFETY: that many bytes, ours alone, as the caller promises.
    let block = unsafe { &mut *block.cast::<[u8; CONTROL_BYTES]>() };
    match service.control(block, &Toolstack) {
        ControlOutcome::Done(status) => status.encode(),
        ControlOutcome::Again => AGAIN,
    }
}

/// Gives back what a CPU keeps.
///
/// # Safety
/// CPU `cpu` is offline and its per-CPU area still exists.
#[unsafe(no_mangle)]
unsafe extern "C" fn tmem_rs_cpu_dead(cpu: u32) {
    assert_stack_aligned();
    // SAFETY: as the caller promises.
    unsafe { frames::drain(cpu) }
}

/// In a debug build: that the glue has aligned the stack, as compiled Rust takes for granted.
fn assert_stack_aligned() {
    #[repr(align(16))]
    struct Aligned(u8);

    if cfg!(debug_assertions) {
        let local = Aligned(0);
        // The black box: the compiler "knows" the answer, which is the very thing in doubt.
        let address = core::hint::black_box(&raw const local.0).addr();
        assert_eq!(address % 16, 0, "the stack is not aligned to 16 bytes");
    }
}

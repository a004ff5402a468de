//! The glue's functions that Rust calls: declarations, and a safe wrapper where C's is unsafe.
//!
//! The other side of each is in `xen/include/xen/tmem-rs.h`. Must not know: why they are called.

use core::cell::Cell;
use core::ffi::c_void;
use hypercall_abi::control::LATENCY_BUCKETS;
use tmem_engine::{Frame, FrameId};

/// Bytes of per-CPU state that the glue keeps for us (`TMEM_PERCPU_BYTES`).
pub(crate) const PERCPU_BYTES: usize = 512;
/// Alignment of that state.
pub(crate) const PERCPU_ALIGN: usize = 64;

/// Frames that one call takes at most: a block of order 5, which Xen hands out in one round.
pub(crate) const BATCH: u32 = 32;

// SAFETY: the signatures are those of tmem-rs.h. The `safe` ones take any argument: a domain or a
// frame that does not exist is answered, not followed.
unsafe extern "C" {
    fn tmem_xen_take_frames(frames: *mut u32, nr: u32) -> u32;
    fn tmem_xen_keep_frames(frames: *const u32, nr: u32);
    fn tmem_xen_free_frame(frame: u64);
    fn tmem_xen_free_for_meta(frame: u64);
    pub(crate) safe fn tmem_xen_alloc_meta() -> *mut c_void;
    pub(crate) fn tmem_xen_free_meta(page: *mut c_void);
    pub(crate) safe fn tmem_xen_held_pages() -> u64;
    pub(crate) safe fn tmem_xen_ready_pages() -> u64;
    pub(crate) safe fn tmem_xen_alloc_boot(bytes: usize, align: usize) -> *mut c_void;
    pub(crate) safe fn tmem_xen_charge(domid: u16, nr: u32) -> bool;
    pub(crate) safe fn tmem_xen_uncharge(domid: u16, nr: u32);
    pub(crate) safe fn tmem_xen_domain_is_dying(domid: u16) -> bool;
    fn tmem_xen_copy_from_guest(cmfn: u64, frame: u64) -> i32;
    fn tmem_xen_copy_to_guest(frame: u64, cmfn: u64) -> i32;
    pub(crate) safe fn tmem_xen_set_measuring(on: bool);
    pub(crate) safe fn tmem_xen_is_measuring() -> bool;
    fn tmem_xen_latencies(operation: u32, buckets: *mut u64);
    fn tmem_xen_read_buffer(addr: u64, to: *mut u8, bytes: u32) -> i32;
    fn tmem_xen_write_buffer(addr: u64, from: *const u8, bytes: u32) -> i32;
    fn tmem_xen_read_page(addr: u64, frame: u64) -> i32;
    fn tmem_xen_write_page(addr: u64, frame: u64) -> i32;
    pub(crate) fn tmem_xen_percpu(cpu: u32) -> *mut c_void;
    pub(crate) safe fn tmem_xen_this_percpu() -> *mut c_void;
    #[cfg(target_os = "none")]
    fn tmem_xen_panic(file: *const u8, len: usize, line: u32) -> !;
}

/// Takes frames, as many as can be had and fit, and writes their numbers into the first `places`; how
/// many. They hold what their last owner left: for being overwritten in full only.
///
/// Each of the numbers stands for a [`Frame`]. No call comes back to us from this one: what it
/// allocates it allocates without asking tmem for room.
pub(crate) fn take_frames(places: &[Cell<u32>; BATCH as usize]) -> u32 {
    // SAFETY: room for BATCH numbers, which may be written through a shared reference, as cells.
    unsafe { tmem_xen_take_frames(places.as_ptr().cast_mut().cast(), BATCH) }
}

/// Gives frames back by their numbers: to whoever takes some next, on any CPU, or to Xen. No call
/// comes back to us from this one.
///
/// # Safety
/// Each number stands for a [`Frame`] that was taken and not given back, and ends here.
pub(crate) unsafe fn keep_frames(numbers: &[Cell<u32>]) {
    let nr = u32::try_from(numbers.len()).unwrap_or_default();
    // SAFETY: so many numbers are there, and the caller's promise.
    unsafe { tmem_xen_keep_frames(numbers.as_ptr().cast(), nr) }
}

/// Gives a frame back to Xen, which scrubs it before anybody else can read it.
pub(crate) fn free_frame(frame: Frame) {
    // SAFETY: a `Frame` is one that was taken and not given back, and it ends here.
    unsafe { tmem_xen_free_frame(u64::from(frame.into_id().get())) }
}

/// The same; the next page of metadata on this CPU may take its place.
pub(crate) fn free_for_meta(frame: Frame) {
    // SAFETY: as in `free_frame`.
    unsafe { tmem_xen_free_for_meta(u64::from(frame.into_id().get())) }
}

/// Copies the current domain's page `from` into frame `to`. `false`: no page to copy from.
pub(crate) fn copy_from_guest(from: u64, to: FrameId) -> bool {
    // SAFETY: `to` names a frame of ours (the engine names no others), which no guest can reach;
    // whoever gave us the name lets nobody else use the frame now. C checks `from`.
    unsafe { tmem_xen_copy_from_guest(from, u64::from(to.get())) == 0 }
}

/// Copies frame `from` into the current domain's page `to`. `false`: no page that may be written.
pub(crate) fn copy_to_guest(from: FrameId, to: u64) -> bool {
    // SAFETY: `from` names a frame of ours, which is only read; C checks that the guest may write
    // `to`.
    unsafe { tmem_xen_copy_to_guest(u64::from(from.get()), to) == 0 }
}

/// Reads the current domain's memory at `address`. `false`: it can't be read.
pub(crate) fn read_buffer(address: u64, into: &mut [u8]) -> bool {
    let Ok(bytes) = u32::try_from(into.len()) else { return false };
    // SAFETY: C writes that many bytes, which are ours; it checks `address`.
    unsafe { tmem_xen_read_buffer(address, into.as_mut_ptr(), bytes) == 0 }
}

/// Writes the current domain's memory at `address`. `false`: it can't be written.
pub(crate) fn write_buffer(address: u64, from: &[u8]) -> bool {
    let Ok(bytes) = u32::try_from(from.len()) else { return false };
    // SAFETY: C reads that many bytes; it checks `address`.
    unsafe { tmem_xen_write_buffer(address, from.as_ptr(), bytes) == 0 }
}

/// Reads a page of the current domain's memory at `address` into frame `to`. `false`: it can't be read.
pub(crate) fn read_page(address: u64, to: FrameId) -> bool {
    // SAFETY: `to` names a frame of ours, as in `copy_from_guest`; C checks `address`.
    unsafe { tmem_xen_read_page(address, u64::from(to.get())) == 0 }
}

/// Writes frame `from` to the current domain's memory at `address`. `false`: it can't be written.
pub(crate) fn write_page(address: u64, from: FrameId) -> bool {
    // SAFETY: `from` names a frame of ours, which is only read; C checks `address`.
    unsafe { tmem_xen_write_page(address, u64::from(from.get())) == 0 }
}

/// What all CPUs have measured of an operation, by its number among those that are timed.
pub(crate) fn latencies(operation: u32) -> [u64; LATENCY_BUCKETS] {
    let mut buckets = [0; LATENCY_BUCKETS];
    // SAFETY: C writes TMEM_LATENCY_BUCKETS words, and so many there are; it checks `operation`.
    unsafe { tmem_xen_latencies(operation, buckets.as_mut_ptr()) }
    buckets
}

/// Asks the CPU to have the beginning of `record` in its caches soon.
#[inline(always)]
pub(crate) fn prefetch<T>(record: &T) {
    // SAFETY: a prefetch changes nothing that the program sees, and every x86-64 CPU has it.
    unsafe {
        core::arch::asm!(
            "prefetcht0 [{}]",
            in(reg) core::ptr::from_ref(record),
            options(nostack, preserves_flags, readonly),
        );
    }
}

/// Stops the machine with the place of the fault on the console.
#[cfg(target_os = "none")]
pub(crate) fn stop(file: &str, line: u32) -> ! {
    // SAFETY: C reads `len` bytes of it at most.
    unsafe { tmem_xen_panic(file.as_ptr(), file.len(), line) }
}

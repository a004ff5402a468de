//! The machine as engine and service see it: Xen, by way of the glue.
//!
//! Must not know: how frames are kept ([`frames`]) or how C is called ([`ffi`]).

use crate::{ffi, frames};
use hypercall_abi::control::{Histogram, Timed};
use tmem_engine::{ChargeRefused, DomainId, Frame, FrameId, Host, Lru};
use tmem_service::{
    BadBuffer, BadFrame, Domains, Gfn, GuestPages, Holdings, Latencies, ToolstackMemory,
};

/// Xen. It has no state of its own: all of it is in Xen or in per-CPU areas.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Xen;

impl Host for Xen {
    type Policy = Lru;

    const REPORTS_EVICTIONS: bool = false;

    fn take_frame(&self) -> Option<Frame> {
        frames::take()
    }

    fn take_spare(&self) -> Option<Frame> {
        frames::take_spare()
    }

    fn give_frame(&self, frame: Frame) {
        frames::give(frame);
    }

    fn give_room(&self, frame: Frame) {
        ffi::free_for_meta(frame);
    }

    fn give_back(&self, frame: Frame) {
        ffi::free_frame(frame);
    }

    #[inline(always)]
    fn prefetch<T>(&self, record: &T) {
        ffi::prefetch(record);
    }

    /// Always: the limit is in the allocator, which leaves Xen its reserve.
    fn metadata_wanted(&self) -> bool {
        true
    }

    fn metadata_freed(&self) {}

    fn charge(&self, domain: DomainId, frames: u32) -> Result<(), ChargeRefused> {
        if ffi::tmem_xen_charge(domain.0, frames) { Ok(()) } else { Err(ChargeRefused) }
    }

    fn uncharge(&self, domain: DomainId, frames: u32) {
        ffi::tmem_xen_uncharge(domain.0, frames);
    }
}

/// Xen looks frames up for the domain that runs now, which is the caller.
impl GuestPages for Xen {
    fn copy_in(&self, _caller: DomainId, from: Gfn, to: FrameId) -> Result<(), BadFrame> {
        if ffi::copy_from_guest(from.0, to) { Ok(()) } else { Err(BadFrame) }
    }

    fn copy_out(&self, _caller: DomainId, from: FrameId, to: Gfn) -> Result<(), BadFrame> {
        if ffi::copy_to_guest(from, to.0) { Ok(()) } else { Err(BadFrame) }
    }
}

impl Domains for Xen {
    fn is_dying(&self, domain: DomainId) -> bool {
        ffi::tmem_xen_domain_is_dying(domain.0)
    }

    /// No: the glue has looked before it called us, and Xen pauses a domain before it lets it die.
    #[inline(always)]
    fn is_caller_dying(&self, _caller: DomainId) -> bool {
        false
    }
}

/// Counted by the glue, where it asks Xen's heap.
impl Holdings for Xen {
    fn held_frames(&self) -> u64 {
        ffi::tmem_xen_held_pages()
    }

    fn ready_frames(&self) -> u64 {
        ffi::tmem_xen_ready_pages()
    }
}

/// Measured by the glue, around each call of the library.
impl Latencies for Xen {
    fn set_measuring(&self, on: bool) {
        ffi::tmem_xen_set_measuring(on);
    }

    fn is_measuring(&self) -> bool {
        ffi::tmem_xen_is_measuring()
    }

    fn latencies(&self, of: Timed) -> Histogram {
        Histogram(ffi::latencies(of as u32))
    }
}

/// The memory of the domain that runs now, whose control operation is being carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toolstack;

impl ToolstackMemory for Toolstack {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), BadBuffer> {
        if ffi::read_buffer(address, into) { Ok(()) } else { Err(BadBuffer) }
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), BadBuffer> {
        if ffi::write_buffer(address, bytes) { Ok(()) } else { Err(BadBuffer) }
    }

    fn read_page(&self, address: u64, into: FrameId) -> Result<(), BadBuffer> {
        if ffi::read_page(address, into) { Ok(()) } else { Err(BadBuffer) }
    }

    fn write_page(&self, address: u64, from: FrameId) -> Result<(), BadBuffer> {
        if ffi::write_page(address, from) { Ok(()) } else { Err(BadBuffer) }
    }
}

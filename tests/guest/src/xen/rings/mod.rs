//! What the toolstack gives to a domain beside its memory: pages with rings in them, and ports to tell
//! that something was written there.
//!
//! A PVH domain asks for page and port each time: they may be others after the domain was saved and
//! restored, and the page is then empty. A PV domain was told at its start; it is not saved here.

pub mod console;
pub mod store;

use super::hvm_param::{self, Param};
use super::hypercall::hypercall;
use super::memory::set_mapping;
use super::start::StartInfo;
use crate::plain::content::Page;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use xen_sys::{__HYPERVISOR_event_channel_op, SIF_INITDOMAIN};

/// `EVTCHNOP_send` (`xen/include/public/event_channel.h`).
const SEND: u64 = 4;

/// What a PV domain was told, by [`place_of`]; of no meaning for another.
static TOLD: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
static IS_TOLD: AtomicBool = AtomicBool::new(false);

const fn place_of(param: Param) -> Option<usize> {
    match param {
        Param::StoreFrame => Some(0),
        Param::StorePort => Some(1),
        Param::ConsoleFrame => Some(2),
        Param::ConsolePort => Some(3),
        Param::CallbackIrq => None,
    }
}

/// Takes from a PV domain's start what it has of a toolstack: the first domain has nothing of the kind.
pub(super) fn take_told(info: &StartInfo) {
    if info.flags & SIF_INITDOMAIN != 0 {
        return;
    }
    // SAFETY: two numbers in either case; this is no first domain, so that they are these.
    let console = unsafe { info.console.domU };
    let told = [info.store_mfn, info.store_evtchn.into(), console.mfn, console.evtchn.into()];
    TOLD.iter().zip(told).for_each(|(place, number)| place.store(number, Ordering::Relaxed));
    IS_TOLD.store(true, Ordering::Relaxed);
}

/// A frame, in the terms of this kind of guest, or a port; `None` if there is none.
fn get(param: Param) -> Option<u64> {
    if !IS_TOLD.load(Ordering::Relaxed) {
        return hvm_param::get(param);
    }
    TOLD.get(place_of(param)?).map(|number| number.load(Ordering::Relaxed))
}

/// A page in whose place a ring is mapped.
struct Place(UnsafeCell<Page>);

// SAFETY: only its address is used, and what is mapped there is atomic.
unsafe impl Sync for Place {}

impl Place {
    const fn new() -> Self {
        Self(UnsafeCell::new(Page::ZERO))
    }

    /// Maps the frame that `param` names; whether there is one.
    fn map(&self, param: Param) -> bool {
        let Some(frame) = get(param).filter(|&frame| frame != 0) else { return false };
        // SAFETY: nobody uses the page but for the ring, and the ring is nobody's memory.
        unsafe { set_mapping(self.0.get().expose_provenance(), Some(frame)) == 0 }
    }

    /// What is mapped there.
    ///
    /// # Safety
    /// `map` said that there is something, and `T` is what it is: atomic, and within a page.
    unsafe fn get<T>(&self) -> &T {
        // SAFETY: a page is mapped there for good; the rest is the caller's promise.
        unsafe { &*self.0.get().cast() }
    }
}

/// Puts `byte` into a ring if there is room; whether there was. Both counters run on and wrap.
fn produce(bytes: &[AtomicU8], consumer: &AtomicU32, producer: &AtomicU32, byte: u8) -> bool {
    let at = producer.load(Ordering::Acquire);
    let used = at.wrapping_sub(consumer.load(Ordering::Acquire)) as usize;
    if used >= bytes.len() {
        return false;
    }
    if let Some(place) = bytes.get(at as usize % bytes.len()) {
        place.store(byte, Ordering::Relaxed);
    }
    producer.store(at.wrapping_add(1), Ordering::Release);
    true
}

/// Takes the next byte out of a ring, if there is one.
fn consume(bytes: &[AtomicU8], consumer: &AtomicU32, producer: &AtomicU32) -> Option<u8> {
    let at = consumer.load(Ordering::Acquire);
    if at == producer.load(Ordering::Acquire) {
        return None;
    }
    let byte = bytes.get(at as usize % bytes.len())?.load(Ordering::Relaxed);
    consumer.store(at.wrapping_add(1), Ordering::Release);
    Some(byte)
}

/// Tells the other end, by the port that `param` names.
fn notify(param: Param) {
    let Some(port) = get(param).and_then(|port| u32::try_from(port).ok()) else { return };
    let arguments = [SEND, (&raw const port).expose_provenance() as u64, 0, 0];
    // SAFETY: `send` takes the address of a port, which it only reads.
    let _nobody_to_tell = unsafe { hypercall(__HYPERVISOR_event_channel_op, arguments) };
}

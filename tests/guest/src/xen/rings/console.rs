//! The console that the toolstack gives to a domain. Xen's own takes lines from its first domain
//! alone.

use super::super::foreign::give_way;
use super::super::hvm_param::Param;
use super::{Place, notify, produce};
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

/// `struct xencons_interface` (`xen/include/public/io/console.h`).
#[repr(C)]
struct Ring {
    _in_bytes: [AtomicU8; 1024],
    out: [AtomicU8; 2048],
    _in_consumer: AtomicU32,
    _in_producer: AtomicU32,
    out_consumer: AtomicU32,
    out_producer: AtomicU32,
}

static PLACE: Place = Place::new();
static IS_IN_USE: AtomicBool = AtomicBool::new(false);

/// Has lines go to the toolstack's console from now on; whether there is one.
pub(crate) fn begin() -> bool {
    let is_there = PLACE.map(Param::ConsoleFrame);
    IS_IN_USE.store(is_there, Ordering::Relaxed);
    is_there
}

/// Whether lines go there.
pub(in crate::xen) fn is_in_use() -> bool {
    IS_IN_USE.load(Ordering::Relaxed)
}

/// Writes all of `bytes`, waiting for room as long as it takes.
pub(in crate::xen) fn write(bytes: &[u8]) {
    // SAFETY: `is_in_use` was asked; it is a console's ring.
    let ring: &Ring = unsafe { PLACE.get() };
    for &byte in bytes {
        while !produce(&ring.out, &ring.out_consumer, &ring.out_producer, byte) {
            notify(Param::ConsolePort);
            give_way();
        }
    }
    notify(Param::ConsolePort);
}

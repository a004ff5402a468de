//! The static library that Xen links: tmem's engine and service, made into a part of Xen.
//!
//! Holds the functions that Xen's C glue calls ([`exports`]), the functions of the glue that are
//! called from here ([`ffi`]), the frames kept per CPU ([`frames`]), the allocator of metadata
//! ([`allocator`]), the host that the engine sees ([`host`]) and the end of everything ([`panic`]).
//! The glue itself is C, in `xen/`.
//!
//! Must not know: pools, objects, pages, statuses and their meaning. Nothing is decided here.
//!
//! # Safety of the whole
//! Xen is not preemptible: from entry to return a call stays on its CPU, and no interrupt handler
//! calls in. Any call into Xen may come back in on the same CPU (an allocation that asks tmem for
//! memory), so no reference to per-CPU state is exclusive, and none is used across such a call
//! unless its CPU is gone.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

mod allocator;
mod exports;
mod ffi;
mod frames;
mod host;
mod panic;

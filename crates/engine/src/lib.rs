//! The engine of transcendent memory: pools, objects, pages, and the eviction of pages.
//!
//! Holds everything that is true of tmem on any host: clients with up to sixteen pools, pools
//! private or shared and ephemeral or persistent, objects named by 192 bits, pages named by 32 bits
//! in an object, put, get, flush, destroy, the least-recently-used order, and what all this costs.
//!
//! Must not know: what a hypercall is, what a status number is, how a guest's memory is reached,
//! one word of Xen. It asks a [`Host`] for frames and for the right to use them. It has no
//! `unsafe`, and it allocates nothing bigger than one frame after start-up.
//!
//! # Locking
//!
//! See [`sync`]: a call holds at most one engine lock at any moment, and none while it calls the
//! host, copies a page, allocates or frees. Start reading with [`Engine`], then [`pool`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod frame;
mod host;

pub use frame::{Frame, FrameId};
pub use host::{ChargeRefused, DomainId, EvictedPage, Host};

//! The engine's own code under loom: a host that loom watches, the calls of a guest, and a judge of
//! what they answered.
//!
//! loom runs a test once for each order in which the steps of its threads can follow one another,
//! up to a number of preemptions, and for each value that an unordered load may yield. The engine
//! is the one that runs in Xen: under `cfg(loom)` only its locks and atomics (`sync.rs`) and the
//! number of its records (`limits.rs`) differ. Nothing of this crate exists without `--cfg loom`;
//! `cargo xtask loom` sets it.
//!
//! What only the host itself needs to know (charges, what was evicted, which locks are held) is in
//! std's cells: loom runs one thread at a time, so they are right, and they add no steps to explore.
#![cfg(loom)]
#![forbid(unsafe_code)]

mod explore;
mod frames;
mod guest;
mod history;
mod host;
mod save;

pub use explore::{Call, explore, race};
pub use guest::{Guest, Page};
pub use history::{About, Before, Event, Told, judge};
pub use host::LoomHost;
pub use save::{Copied, Toolstack};

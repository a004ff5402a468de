//! Measures the service on a lean host, as ratios to a page copy in the same run.
//!
//! Holds the workloads (`workloads/`), the guest that makes their calls (`guest.rs`), the copy floor
//! (`floor.rs`) and the clock that pairs the two (`meter.rs`). What the figures mean is told in
//! `docs/benchmarks.md`.
//!
//! Must not know: how the engine does it. It calls the service with the bytes of an operation, as a
//! hypercall would.
#![forbid(unsafe_code)]

pub mod files;
pub mod floor;
pub mod guest;
pub mod meter;
pub mod rng;
pub mod stats;
pub mod workloads;

//! Measures the service on a lean host, as ratios to a page copy in the same run.
//!
//! Holds the workloads (`workloads/`), the guest that makes their calls (`guest.rs`), the copy floor
//! (`floor.rs`), the clock that pairs the two (`meter.rs`), and the figures' names (`report.rs`).
//! `traces/` replays cache traces. What the figures mean is told in `docs/benchmarks.md`. Start with [`run::run`].
//!
//! Must not know: how the engine does it. It calls the service with the bytes of an operation, as a
//! hypercall would.
#![forbid(unsafe_code)]

pub mod clock;
pub mod duet;
pub mod files;
pub mod floor;
pub mod guest;

pub mod instructions;
pub mod meter;
pub mod original;
pub mod report;
pub mod rng;
pub mod run;
pub mod stats;
pub mod system;
pub mod traces;
pub mod workloads;
pub mod zipf;

/// Metadata lies where it lies in a hypervisor: each block in a page of its own.
#[global_allocator]
static ALLOCATOR: tmem_host_sim::MetadataAllocator = tmem_host_sim::MetadataAllocator;

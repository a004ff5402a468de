//! A host of many domains in memory: what a hypervisor gives tmem, for tests, benches, fuzzing
//! and the replay of traces.
//!
//! Holds [`SimHost`], which implements the engine's `Host` and the service's `GuestPages` and
//! `Domains` over ordinary memory, and which watches the engine while it does so:
//!
//! - a host call made with an engine lock held fails the test;
//! - a frame that is read while it is written, freed while it is read, freed twice or used without
//!   having been handed out fails the test; freed frames are poisoned;
//! - every eviction is logged by handle, every refusal is counted by its cause;
//! - the n-th frame, metadata request, copy or charge fails on request ([`Fault`]);
//! - code can be run in the middle of a copy, as if another CPU had run it
//!   ([`SimHost::on_next_copy`]).
//!
//! and [`LeanHost`], which serves the same traits for measurements: huge pages, no watching.
//!
//! Must not know: pools, objects, statuses. Start with [`SimHost::builder`].
#![deny(unsafe_code)]

mod builder;
mod content;
mod cpu;
mod domain;
mod faults;
mod frames;
mod hooks;
mod host;
mod latencies;
mod lean;
mod locks;
mod memory;
mod serve;
mod toolstack;

pub use builder::{Builder, DomainSpec};
pub use content::Content;
pub use cpu::{current_cpu, on_cpu};
pub use domain::{GfnKind, SimDomain};
pub use faults::{Fault, Refusals};
pub use hooks::Direction;
pub use host::SimHost;
pub use lean::{GFNS_PER_DOMAIN, LeanHost, LeanToolstack};
pub use memory::{Arena, Memory, MetadataAllocator, PAGE_WORDS, PageBytes, PageWords};
pub use memory::{Reading, Writing};
pub use memory::{copy_page, copy_page_words};
pub use toolstack::SimToolstack;

//! The engine of transcendent memory: pools, objects, pages, and the eviction of pages.
//!
//! Holds everything that is true of tmem on any host: clients with up to sixteen pools, pools
//! private or shared and ephemeral or persistent, objects named by 192 bits, pages named by 32 bits
//! in an object, put, get, flush, destroy, the order of eviction, and what all this costs.
//!
//! Must not know: what a hypercall is, what a status number is, how a guest's memory is reached,
//! one word of Xen. It asks a [`Host`] for frames and for the right to use them. It has no
//! `unsafe`, and it allocates nothing bigger than one frame after start-up.
//!
//! Where things are, from the outside in: [`Engine`] (`engine.rs`) with a file for each call
//! (`put.rs`, `get.rs`, `flush.rs`, `destroy.rs`, `evict.rs`, `registry.rs`), who may have how much
//! (`policy.rs`, `share.rs`), saving and restoring a domain (`save.rs`, `save_calls.rs`,
//! `save_log.rs`, `restore.rs`), how long calls took (`latency.rs`), the records (`client.rs`,
//! `pool.rs`), one lock's worth of a pool (`shard/`) with its parts (`index.rs`, `table.rs`,
//! `block.rs`, `page_set.rs`, `page.rs`, `age_log.rs`, `age_chunk.rs`), and memory (`slab.rs`, `chunk_info.rs`,
//! `paged.rs`, `meta.rs`, `stock.rs`, `garbage.rs`, `directory.rs`).
//! The locks and their rule are in `sync.rs`.
//!
//! A hypervisor's stack is small: calls that are not on the data path are kept out of line, so that
//! their stack frames don't add up in one caller.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(loom)]
extern crate std;

mod age_chunk;
mod age_log;
mod audit;
mod audit_slices;
mod auths;
mod block;
mod broken;
mod chunk_info;
mod client;
mod destroy;
mod directory;
mod engine;
mod evict;
mod figures;
mod flush;
mod frame;
mod garbage;
mod get;
mod hash;
mod host;
mod index;
mod latency;
mod limits;
mod member;
mod meta;
mod page;
mod page_set;
mod paged;
mod policy;
mod pool;
mod put;
mod rare;
mod reclaim;
mod registry;
mod restore;
mod save;
mod save_calls;
mod save_log;
mod shard;
mod share;
mod slab;
mod stats;
mod stock;
mod sync;
mod table;

pub use audit::AuditError;
pub use audit_slices::{AuditAt, Audited};
pub use auths::{AuthError, NotAClient};
pub use client::{AUTHS_PER_CLIENT, Caller, POOLS_PER_CLIENT};
pub use destroy::Destroyed;
pub use engine::{Engine, NoPool};
pub use figures::{ClientView, Figures, HostFigures, Next, PoolView};
pub use flush::Flushed;
pub use frame::{Frame, FrameId};
pub use get::{GetError, GetOutcome};
pub use host::{ChargeRefused, DomainId, EvictedPage, Host};
pub use latency::{LATENCY_BUCKETS, Measured};
pub use policy::{Age, Event, Fifo, Lru, Policy, Share, Victim};
pub use pool::{Lifetime, PoolKind};
pub use put::{PutError, PutOutcome};
pub use rare::RareCounts;
pub use registry::{ClientState, NewPoolError};
pub use restore::BeginRestoreError;
pub use save::{BeginSaveError, NotSaving, RemovalsError};
pub use save::{SaveEnded, SaveError, Saved};
pub use save_calls::PutSaving;
pub use save_log::Removal;
pub use stats::{PoolStats, Totals};

/// There is no memory for the engine's own needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

//! How many records there may be, and in what groups they come.
//!
//! Under `cfg(loom)` there are few of them. loom watches each atomic by itself and makes all of them
//! anew for each of the thousands of interleavings that it tries, and it tries another one for each
//! place where two CPUs touch the same record; so a model has as many records as its few CPUs need
//! to meet in. These numbers, and the locks and atomics of `sync.rs`, are all that differs there.

pub use self::numbers::POOLS_PER_CLIENT;
pub(crate) use self::numbers::*;

#[cfg(not(loom))]
mod numbers {
    /// Domain numbers.
    pub(crate) const DOMAINS: usize = 1 << 16;
    /// Clients that may exist at once.
    pub(crate) const CLIENTS_MAX: u32 = 4096;
    /// Clients' records in a frame.
    pub(crate) const CLIENTS_PER_SEGMENT: u32 = 4;
    /// Pools that may exist at once.
    pub(crate) const POOLS_MAX: u32 = 8192;
    /// Pools that a client may have.
    pub const POOLS_PER_CLIENT: u32 = 16;
    /// log2 of a pool's shards.
    pub(crate) const SHARD_BITS: u32 = 3;
    /// Words for counts of rare events in a shard's part of the pool's record.
    pub(crate) const RARE_PER_SHARD: usize = 3;
    /// Histograms of latencies in a frame.
    pub(crate) const HISTOGRAMS_PER_FRAME: u32 = 3;
    /// Places in a shard for frames that are read and have no page any more.
    pub(crate) const ORPHANS_MAX: usize = 4;
    /// Pages that one slice of a long call may visit or free.
    pub(crate) const SLICE_PAGES_MAX: usize = 32;
}

#[cfg(loom)]
mod numbers {
    pub(crate) const DOMAINS: usize = 4;
    pub(crate) const CLIENTS_MAX: u32 = 3;
    pub(crate) const CLIENTS_PER_SEGMENT: u32 = 1;
    pub(crate) const POOLS_MAX: u32 = 3;
    /// Pools that a client may have.
    pub const POOLS_PER_CLIENT: u32 = 2;
    pub(crate) const SHARD_BITS: u32 = 0;
    pub(crate) const RARE_PER_SHARD: usize = 5;
    pub(crate) const HISTOGRAMS_PER_FRAME: u32 = 1;
    /// One, so that three CPUs can fill the place.
    pub(crate) const ORPHANS_MAX: usize = 1;
    /// One, so that other calls can come between the slices of few pages.
    pub(crate) const SLICE_PAGES_MAX: usize = 1;
}

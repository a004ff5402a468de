//! A pool's record: its kind, its owner, its shards.

use crate::broken;
use crate::directory::Directory;
pub(crate) use crate::limits::{POOLS_PER_SEGMENT, SHARD_BITS};
use crate::meta::boxed;
use crate::shard::{Aging, Shard};
use crate::sync::Once;
use crate::sync::atomic::Ordering::Relaxed;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64};
use alloc::boxed::Box;

/// A pool's shards: as many CPUs as can work in one pool without meeting, at a frame a pool.
pub(crate) const SHARDS: usize = 1 << SHARD_BITS;

/// All pools' records.
pub(crate) type Pools = Directory<Pool, { POOLS_PER_SEGMENT as usize }>;

/// How long pages stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// May vanish at any time.
    Ephemeral,
    /// Stay until flushed; charged to the domain.
    Persistent,
}

/// What a client wants a new pool to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// One client's own.
    Private(Lifetime),
    /// All that join with this uuid, if they are authorised; ephemeral.
    Shared([u64; 2]),
}

/// Values of [`Pool::state`].
pub(crate) const FREE: u8 = 0;
/// In some client's slot.
pub(crate) const IN_USE: u8 = 1;
/// In no slot any more, but a call is still reading a page of it.
pub(crate) const DRAINED: u8 = 2;

/// What a pool is, in one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Private and ephemeral.
    Private = 0,
    /// Private and persistent.
    Persistent = 1,
    /// Shared and ephemeral.
    Shared = 2,
}

impl Kind {
    /// Whether the pool's pages are in the age list.
    pub(crate) const fn aging(self) -> Aging {
        match self {
            Self::Persistent => Aging::Ageless,
            Self::Private | Self::Shared => Aging::Aged,
        }
    }
}

/// The record. Changes under the registry's lock only; the data path reads it without.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    pub(crate) state: AtomicU8,
    /// [`Kind`].
    pub(crate) kind: AtomicU8,
    /// Whether the eviction queue has an entry for this record (under the queue's lock).
    pub(crate) queued: AtomicBool,
    /// The owner's client number: who answers for freezing and who is charged.
    pub(crate) owner: AtomicU16,
    /// Goes up each time the record is reused.
    pub(crate) generation: AtomicU32,
    /// Clients that have left a shared pool and whose objects are not swept yet.
    pub(crate) nr_leaving: AtomicU32,
    /// Frames of metadata that the pool has, the shards' own apart.
    pub(crate) nr_metadata: AtomicU32,
    /// What the pool last told of its pages to the host's count (`share.rs`).
    pub(crate) settled: AtomicU64,
    /// Next in the list of free records.
    pub(crate) next_free: AtomicU32,
    shards: Once<Box<[Shard; SHARDS]>>,
}

impl Default for Shard {
    fn default() -> Self {
        Self::new()
    }
}

impl Pool {
    /// The shards; made before the record is used first.
    pub(crate) fn shards(&self) -> &[Shard; SHARDS] {
        match self.shards.get() {
            Some(shards) => shards,
            None => broken::no_shards(),
        }
    }

    /// The shards, if they were ever made.
    pub(crate) fn shards_if_made(&self) -> Option<&[Shard; SHARDS]> {
        self.shards.get().map(Box::as_ref)
    }

    /// Makes the shards, a frame, if this record never had any. No lock is held, and nobody else
    /// has the record. `false`: no memory.
    pub(crate) fn make_shards(&self) -> bool {
        if self.shards.is_completed() {
            return true;
        }
        let Some(shards) = boxed() else { return false };
        self.shards.call_once(|| shards);
        true
    }

    pub(crate) fn aging(&self) -> Aging {
        self.kind().aging()
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.kind.load(Relaxed) {
            1 => Kind::Persistent,
            2 => Kind::Shared,
            _ => Kind::Private,
        }
    }

    pub(crate) fn is_persistent(&self) -> bool {
        self.kind() == Kind::Persistent
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.kind() == Kind::Shared
    }

    /// Pages that could be found a moment ago.
    pub(crate) fn nr_live(&self) -> u64 {
        self.shards().iter().map(|shard| u64::from(shard.nr_live())).sum()
    }

    /// Whether no page can be found, a moment ago.
    pub(crate) fn is_empty(&self) -> bool {
        self.shards().iter().all(|shard| shard.nr_live() == 0)
    }
}

//! A pool's record: its kind, its owner, its shards.

use crate::NoMemory;
use crate::directory::Directory;
use crate::host::Host;
use crate::limits::POOLS_MAX;
use crate::limits::RARE_PER_SHARD;
pub(crate) use crate::limits::SHARD_BITS;
use crate::shard::{Aging, Shard};
use crate::sync::atomic::Ordering::Relaxed;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64};
use core::ops::Deref;

/// A pool's shards: as many CPUs as can work in one pool without meeting, at a frame a pool.
pub(crate) const SHARDS: usize = 1 << SHARD_BITS;

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
    pub(crate) const fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::Persistent,
            2 => Self::Shared,
            _ => Self::Private,
        }
    }

    /// Whether the pool's pages are in the log of ages.
    pub(crate) const fn aging(self) -> Aging {
        match self {
            Self::Persistent => Aging::Ageless,
            Self::Private | Self::Shared => Aging::Aged,
        }
    }
}

/// What a pool is, beside its shards. Changes under the registry's lock only; the data path reads it
/// without.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Record {
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
    /// Counts of rare events, in the records of other shards than the first (`rare.rs`).
    pub(crate) rare: [AtomicU64; RARE_PER_SHARD],
}

/// All pools there ever were. Each is a frame that is reused and never given back.
#[derive(Debug)]
pub(crate) struct Pools(Directory<Shard, SHARDS, { POOLS_MAX as usize }>);

impl Pools {
    /// No pools.
    pub(crate) fn new() -> Result<Self, NoMemory> {
        Directory::new().map(Self)
    }

    /// The pool that a client's word names.
    #[inline(always)]
    pub(crate) fn known(&self, number: u32) -> Option<Pool<'_>> {
        self.0.known_segment(number as usize).map(Pool)
    }

    /// Pool `number`, if it was ever made.
    #[inline(always)]
    pub(crate) fn get(&self, number: u32) -> Option<Pool<'_>> {
        self.0.segment(number as usize).map(Pool)
    }

    /// Sees to it that pool `number` exists. No lock is held.
    pub(crate) fn grow<H: Host>(&self, number: u32, host: &H) -> Result<(), NoMemory> {
        self.0.grow(number as usize, host)
    }

    /// Pools ever made, each a frame.
    pub(crate) fn nr_frames(&self) -> u64 {
        self.0.nr_segments()
    }
}

/// A pool: its shards, the first of which also has the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool<'a>(&'a [Shard; SHARDS]);

impl Deref for Pool<'_> {
    type Target = Record;
    fn deref(&self) -> &Record {
        &self.0[0].record
    }
}

impl<'a> Pool<'a> {
    /// The pool with these shards.
    pub(crate) const fn of(shards: &'a [Shard; SHARDS]) -> Self {
        Self(shards)
    }

    #[inline(always)]
    pub(crate) const fn shards(self) -> &'a [Shard; SHARDS] {
        self.0
    }

    /// Frames of metadata that the pool has.
    pub(crate) const fn nr_metadata(self) -> &'a AtomicU32 {
        &self.0[0].record.nr_metadata
    }

    /// Whether both are the same one.
    pub(crate) fn is(self, other: Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }

    pub(crate) fn aging(self) -> Aging {
        self.kind().aging()
    }

    pub(crate) fn kind(self) -> Kind {
        Kind::from_bits(self.kind.load(Relaxed))
    }

    pub(crate) fn is_persistent(self) -> bool {
        self.kind() == Kind::Persistent
    }

    pub(crate) fn is_shared(self) -> bool {
        self.kind() == Kind::Shared
    }

    /// Pages that could be found a moment ago.
    pub(crate) fn nr_live(self) -> u64 {
        self.0.iter().map(|shard| u64::from(shard.nr_live())).sum()
    }

    /// Whether no page can be found, a moment ago. Rarely asked.
    #[cold]
    #[inline(never)]
    pub(crate) fn is_empty(self) -> bool {
        self.0.iter().all(|shard| shard.nr_live() == 0)
    }
}

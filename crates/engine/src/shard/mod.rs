//! A shard: one lock's worth of a pool, with its index, blocks, pages and log of ages.
//!
//! Everything here happens under the shard's lock and touches nothing outside: no host, no guest,
//! no allocator. What must be allocated comes in as a `Stock`, what must be freed goes out as
//! `Garbage`. The calls that take the lock are in `put.rs`, `get.rs`, `flush.rs`, `evict.rs`.

mod ages;
mod audit;
mod audit_slice;
mod dead;
mod find;
mod foresight;
mod get;
mod orphans;
mod put;
mod remove;
mod save;

pub(crate) use audit_slice::{Counted, Walk};
pub(crate) use find::{FullName, PageName};
pub(crate) use get::{Pinned, Taking};
pub(crate) use put::{Put, PutStep, Unput};
pub(crate) use remove::{Evicted, Removed};
pub(crate) use save::{NextPage, Place};

use self::find::RecentHead;
use self::foresight::Foresight;
use self::orphans::Orphans;
use crate::age_log::AgeLog;
use crate::block::Blocks;
use crate::index::Index;
use crate::page_set::Maps;
use crate::pool::Record;
use crate::slab::{Slab, SlotId};
use crate::stats::ShardStats;
use crate::sync::Lock;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
#[cfg(not(loom))]
use crate::{meta::BLOCK_BYTES_MAX, pool::SHARDS};

/// A shard: the lock, and figures that others read without it.
///
/// In this order, so that nothing that a CPU writes under the lock lies in a cache line of another
/// shard, or in that of the pool's record, which all CPUs read.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Shard {
    pub(crate) state: Lock<State>,
    /// No page's stamp is less; `u64::MAX` when there is none.
    oldest: AtomicU64,
    /// Pages that can be found.
    nr_live: AtomicU32,
    /// Whether there are heads of large objects; dead ones count until they are freed, so that a
    /// flush looks here.
    has_heads: AtomicBool,
    /// Whether there are dead blocks or heads whose pages wait to be freed.
    has_dead: AtomicBool,
    /// The pool's, in its first shard.
    pub(crate) record: Record,
}

/// A pool is a frame.
#[cfg(not(loom))]
const _: () = assert!(size_of::<Shard>() * SHARDS <= BLOCK_BYTES_MAX);

impl Default for Shard {
    fn default() -> Self {
        Self::new()
    }
}

impl Shard {
    pub(crate) fn new() -> Self {
        Self {
            state: Lock::new(State::new()),
            oldest: AtomicU64::new(u64::MAX),
            nr_live: AtomicU32::new(0),
            has_heads: AtomicBool::new(false),
            has_dead: AtomicBool::new(false),
            record: Record::default(),
        }
    }

    /// A lower bound of the stamps of its pages a moment ago; `u64::MAX` when there was none.
    pub(crate) fn oldest(&self) -> u64 {
        // The bound of a shard that has been emptied by gets stands still.
        if self.nr_live() == 0 && !self.has_dead() { u64::MAX } else { self.oldest.load(Relaxed) }
    }

    /// Pages that could be found a moment ago.
    pub(crate) fn nr_live(&self) -> u32 {
        self.nr_live.load(Relaxed)
    }

    /// Whether there was a large object's head a moment ago.
    pub(crate) fn has_heads(&self) -> bool {
        self.has_heads.load(Relaxed)
    }

    /// Whether pages waited to be freed a moment ago.
    pub(crate) fn has_dead(&self) -> bool {
        self.has_dead.load(Relaxed)
    }

    /// Tells others what has become of the pages; at the end of each hold of the lock that changed
    /// them.
    #[inline(always)]
    pub(crate) fn publish_pages(&self, state: &State, aging: Aging) {
        if aging == Aging::Aged {
            self.oldest.store(state.ages.bound(), Relaxed);
        }
        self.nr_live.store(state.nr_live, Relaxed);
    }

    /// Tells others what `state` has become; at the end of each hold of the lock in which anything
    /// may have changed.
    pub(crate) fn publish(&self, state: &State) {
        self.publish_pages(state, Aging::Aged);
        self.has_heads.store(state.nr_heads > 0, Relaxed);
        self.has_dead.store(state.nr_dead > 0, Relaxed);
    }
}

/// Whether the pool's pages are in the log of ages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aging {
    /// Ephemeral: pages are aged and may be evicted.
    Aged,
    /// Persistent: pages stay.
    Ageless,
}

/// What the lock protects.
#[derive(Debug)]
pub(crate) struct State {
    index: Index,
    blocks: Blocks,
    maps: Maps,
    ages: AgeLog,
    /// First of the blocks and heads that were flushed and whose pages wait to be freed.
    dead: SlotId,
    /// How many these are.
    nr_dead: u32,
    /// Heads, dead ones too.
    nr_heads: u32,
    recent_head: RecentHead,
    foresight: Foresight,
    /// Whether heads or dead ones came or went, or a chunk or a table was left empty, since the last
    /// [`collect`](Self::collect).
    has_news: bool,
    /// The block that has kept its map, though few pages are left in it, since it was the last to
    /// come to that; it may have more again.
    thinned: SlotId,
    /// Pages of live blocks.
    nr_live: u32,
    /// Pages of dead blocks.
    nr_dead_pages: u32,
    /// Frames of pages that are gone and still read by somebody.
    orphans: Orphans,
    pub(crate) stats: ShardStats,
}

impl State {
    fn new() -> Self {
        Self {
            index: Index::new(),
            blocks: Slab::new(),
            maps: Slab::new(),
            ages: AgeLog::new(),
            dead: SlotId::NONE,
            nr_dead: 0,
            nr_heads: 0,
            recent_head: RecentHead::none(),
            foresight: Foresight::default(),
            has_news: false,
            thinned: SlotId::NONE,
            nr_live: 0,
            nr_dead_pages: 0,
            orphans: Orphans::default(),
            stats: ShardStats::default(),
        }
    }

    pub(crate) const fn nr_live(&self) -> u32 {
        self.nr_live
    }

    /// Pages, reachable or not.
    pub(crate) const fn nr_pages(&self) -> u32 {
        self.nr_live + self.nr_dead_pages
    }

    /// Whether there is any page, reachable or not.
    pub(crate) const fn has_pages(&self) -> bool {
        self.nr_pages() > 0
    }

    pub(crate) const fn has_dead(&self) -> bool {
        self.nr_dead > 0
    }
}

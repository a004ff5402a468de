//! Events off the data path, counted for each pool.
//!
//! They have no place under the shards' locks: who counts them holds none. Each pool's words lie in
//! the records of its second and third shard, which serve nothing else, so that counting disturbs
//! neither those who read the pool's record nor those who hold a lock.

use crate::client::SlotWord;
use crate::engine::Engine;
use crate::host::Host;
use crate::limits::RARE_PER_SHARD;
use crate::pool::{Pool, SHARDS};
use crate::sync::atomic::AtomicU64;
use crate::sync::atomic::Ordering::Relaxed;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rare {
    /// A put was refused for want of memory; the handle held nothing.
    NoMemory,
    /// The same, and the handle held a page.
    NoSpace,
    /// A put was refused because the owner is frozen.
    Frozen,
    /// The frame of a put could not be read.
    BadFrame,
    /// A page was evicted for the sake of a put.
    EvictionCaused,
}

/// How often each happened in a pool, since it was created, or in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RareCounts {
    /// Puts that found no memory; the handle held nothing.
    pub puts_no_memory: u64,
    /// Puts that found no memory, and the page that the handle held is gone.
    pub puts_no_space: u64,
    /// Puts that were refused because the owner is frozen.
    pub puts_frozen: u64,
    /// Puts whose frame could not be read.
    pub puts_bad_frame: u64,
    /// Pages of whomever that were evicted for the sake of a put here.
    pub evictions_caused: u64,
}

impl RareCounts {
    pub(crate) const NONE: Self = Self {
        puts_no_memory: 0,
        puts_no_space: 0,
        puts_frozen: 0,
        puts_bad_frame: 0,
        evictions_caused: 0,
    };

    /// Each of a pool's counts, as `read` reads it.
    fn of(pool: Pool<'_>, read: impl Fn(&AtomicU64) -> u64) -> Self {
        let count = |what| read(pool.rare_count(what));
        Self {
            puts_no_memory: count(Rare::NoMemory),
            puts_no_space: count(Rare::NoSpace),
            puts_frozen: count(Rare::Frozen),
            puts_bad_frame: count(Rare::BadFrame),
            evictions_caused: count(Rare::EvictionCaused),
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let Self { puts_no_memory, puts_no_space, puts_frozen, puts_bad_frame, evictions_caused } =
            *other;
        self.puts_no_memory += puts_no_memory;
        self.puts_no_space += puts_no_space;
        self.puts_frozen += puts_frozen;
        self.puts_bad_frame += puts_bad_frame;
        self.evictions_caused += evictions_caused;
    }
}

impl<'a> Pool<'a> {
    fn rare_count(self, what: Rare) -> &'a AtomicU64 {
        let at = what as usize;
        let shard = &self.shards()[(1 + at / RARE_PER_SHARD) % SHARDS];
        &shard.record.rare[at % RARE_PER_SHARD]
    }

    /// What was counted.
    pub(crate) fn rare_counts(self) -> RareCounts {
        RareCounts::of(self, |count| count.load(Relaxed))
    }

    /// What was counted, and begins anew.
    pub(crate) fn take_rare_counts(self) -> RareCounts {
        RareCounts::of(self, |count| count.swap(0, Relaxed))
    }
}

impl<H: Host> Engine<H> {
    /// Counts an event in the pool that a client's word names.
    #[cold]
    #[inline(never)]
    pub(crate) fn count_rare(&self, word: SlotWord, what: Rare) {
        if let Some(pool) = self.pools.get(word.pool()) {
            pool.rare_count(what).fetch_add(1, Relaxed);
        }
    }
}

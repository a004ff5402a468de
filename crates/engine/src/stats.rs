//! What is counted: events per shard, added up on demand.

/// Events in one shard since its pool was created; under the shard's lock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ShardStats {
    pub(crate) puts_stored: u64,
    pub(crate) puts_replaced: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) flushes: u64,
    pub(crate) evicted: u64,
}

impl ShardStats {
    /// Events that pages come and go by: a number that changes from one to the next.
    pub(crate) const fn nr_changes(&self) -> u64 {
        let Self { puts_stored, hits, flushes, evicted, .. } = *self;
        puts_stored.wrapping_add(hits).wrapping_add(flushes).wrapping_add(evicted)
    }
}

/// Events in a pool since it was created, in a client's pools, or on the whole host, and what is
/// held now.
///
/// Exact when no call is under way; otherwise each shard is exact by itself. The sums agree: what
/// was stored is there or was removed (the audit asserts it for each shard), and the host's figures
/// are those of its pools and of the pools that are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Puts that added a page.
    pub puts_stored: u64,
    /// Puts that replaced a page.
    pub puts_replaced: u64,
    /// Gets that found the page and delivered it.
    pub hits: u64,
    /// Gets that did not find the page in a pool with pages (R16: not those on an empty pool).
    pub misses: u64,
    /// Calls of flush-page, and of flush-object.
    pub flushes: u64,
    /// Pages that eviction took.
    pub evicted: u64,
    /// Pages that are gone, for whatever reason: taken by a get, flushed, dropped by a put that
    /// failed, destroyed with the pool, evicted.
    pub removed: u64,
    /// Pages that can be found now.
    pub pages: u64,
}

impl PoolStats {
    pub(crate) const fn new() -> Self {
        Self {
            puts_stored: 0,
            puts_replaced: 0,
            hits: 0,
            misses: 0,
            flushes: 0,
            evicted: 0,
            removed: 0,
            pages: 0,
        }
    }

    /// Adds a shard's, which holds `pages` pages, unreachable ones too.
    pub(crate) fn add(&mut self, shard: &ShardStats, pages: u32) {
        self.puts_stored += shard.puts_stored;
        self.puts_replaced += shard.puts_replaced;
        self.hits += shard.hits;
        self.misses += shard.misses;
        self.flushes += shard.flushes;
        self.evicted += shard.evicted;
        // What was stored and is not there was removed.
        self.removed += shard.puts_stored - u64::from(pages);
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        let Self { puts_stored, puts_replaced, hits, misses, flushes, evicted, removed, pages } =
            *other;
        self.puts_stored += puts_stored;
        self.puts_replaced += puts_replaced;
        self.hits += hits;
        self.misses += misses;
        self.flushes += flushes;
        self.evicted += evicted;
        self.removed += removed;
        self.pages += pages;
    }
}

/// What the whole engine holds, counted anew by the audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Clients.
    pub clients: u64,
    /// Pools, each shared one once; dying ones included.
    pub pools: u64,
    /// Shared pools that can be joined.
    pub shared_pools: u64,
    /// Objects that can be found; one that is spread over several shards counts in each.
    pub objects: u64,
    /// Pages that can be found.
    pub pages: u64,
    /// Of these, in ephemeral pools.
    pub ephemeral_pages: u64,
    /// Of these, in persistent pools.
    pub persistent_pages: u64,
    /// Frames held, those of unreachable pages that wait to be freed included.
    pub frames: u64,
    /// Frames of metadata in use for pages and objects.
    pub metadata_frames: u64,
    /// Frames of metadata kept for the records of clients and pools and for their histograms, reused
    /// and never given back.
    pub kept_frames: u64,
}

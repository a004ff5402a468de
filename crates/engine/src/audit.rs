//! The audit: walks everything and compares what is said twice. For tests and for the operator.

use crate::client::{DYING, LIVE, SlotState, SlotWord};
use crate::engine::{CLIENTS_MAX, Engine, NoPool, POOLS_MAX};
use crate::host::Host;
use crate::pool;
use crate::stats::{PoolStats, Totals};
use crate::sync::atomic::Ordering::{Acquire, Relaxed};
use crate::{ClientId, Lifetime};

/// What does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditError {
    /// A slot in use holds no page.
    VacantPage,
    /// A hooked page is not at its place in its block.
    PageNotInBlock,
    /// A live block or head can't be found by its name.
    BlockNotIndexed,
    /// A block holds no page.
    EmptyBlock,
    /// A slot in use holds no block.
    VacantBlock,
    /// A head's list is broken.
    BlockList,
    /// The age list is out of order, or not the hooked pages.
    AgeList,
    /// A counter is not what it counts.
    Counters,
    /// A client's pool id stands for a pool that is not in use.
    Slot,
}

/// What one shard holds, counted anew.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ShardAudit {
    pub(crate) objects: u64,
    pub(crate) pages: u64,
    pub(crate) frames: u64,
    pub(crate) metadata_frames: u64,
}

impl<H: Host> Engine<H> {
    /// Counts everything anew.
    ///
    /// Holds each shard's lock for a walk of all its pages: not for use while guests wait.
    ///
    /// # Errors
    /// The first disagreement.
    pub fn audit(&self) -> Result<Totals, AuditError> {
        let mut totals = Totals {
            kept_frames: self.clients.nr_segments() + self.pools.nr_segments(),
            ..Totals::default()
        };
        for client in (0..CLIENTS_MAX).filter_map(|at| self.clients.get(at)) {
            totals.clients += u64::from(matches!(client.state.load(Relaxed), LIVE | DYING));
            for slot in &client.slots {
                let word = SlotWord(slot.word.load(Acquire));
                let pool = self.pools.get(word.pool());
                let in_use = pool.is_some_and(|p| p.state.load(Acquire) == pool::IN_USE);
                if matches!(word.state(), SlotState::Live | SlotState::Dying) && !in_use {
                    return Err(AuditError::Slot);
                }
            }
        }
        for pool in (0..POOLS_MAX).filter_map(|at| self.pools.get(at)) {
            let Some(shards) = pool.shards_if_made() else {
                continue;
            };
            totals.kept_frames += 1;
            totals.pools += u64::from(pool.state.load(Acquire) == pool::IN_USE);
            for shard in shards {
                let found = shard.state.lock(&self.host).audit(&self.key, pool.aging())?;
                totals.objects += found.objects;
                totals.pages += found.pages;
                totals.frames += found.frames;
                totals.metadata_frames += found.metadata_frames;
                if pool.persistent.load(Relaxed) {
                    totals.persistent_pages += found.pages;
                } else {
                    totals.ephemeral_pages += found.pages;
                }
            }
        }
        let registry = self.registry.lock(&self.host);
        totals.shared_pools = registry.shared.iter().flatten().count() as u64;
        Ok(totals)
    }

    /// What happened in a client's pool, and what it holds.
    ///
    /// # Errors
    /// No such pool.
    pub fn pool_stats(&self, client: ClientId, pool_id: u32) -> Result<PoolStats, NoPool> {
        let access = self.open(client, pool_id)?;
        let mut stats = PoolStats::default();
        for shard in access.pool.shards() {
            let state = shard.state.lock(&self.host);
            stats.add(&state.stats);
            stats.pages += u64::from(state.nr_live());
        }
        Ok(stats)
    }

    /// How long a client's pool keeps its pages.
    ///
    /// # Errors
    /// No such pool.
    pub fn pool_lifetime(&self, client: ClientId, pool_id: u32) -> Result<Lifetime, NoPool> {
        let access = self.open(client, pool_id)?;
        let persistent = access.pool.persistent.load(Relaxed);
        Ok(if persistent { Lifetime::Persistent } else { Lifetime::Ephemeral })
    }
}

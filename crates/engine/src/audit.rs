//! The audit: walks everything and compares what is said twice. For tests and for the operator.

use crate::Lifetime;
use crate::client::{Caller, ClientId};
use crate::client::{DYING, LIVE, SlotState, SlotWord};
use crate::engine::{CLIENTS_MAX, Engine, NoPool, POOLS_MAX};
use crate::host::Host;
use crate::pool::{self, Pool};
use crate::shard::Aging;
use crate::share::Holdings;
use crate::stats::{PoolStats, Totals};
use crate::sync::atomic::Ordering::{Acquire, Relaxed};

/// What does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditError {
    /// A record of age names a place where its page is not.
    PageNotInBlock,
    /// A live block or head can't be found by its name.
    BlockNotIndexed,
    /// A block holds no page, or not as many as it says.
    PageCount,
    /// A slot in use holds no block.
    VacantBlock,
    /// A head's list is broken.
    BlockList,
    /// The log of ages is out of order, or has not all records.
    AgeLog,
    /// A counter is not what it counts.
    Counters,
    /// What pools, clients and host say of themselves does not add up.
    Sums,
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
        let mut totals = Totals { kept_frames: self.kept_frames(), ..Totals::default() };
        for client in (0..CLIENTS_MAX).filter_map(|at| self.clients.get(at)) {
            totals.clients += u64::from(matches!(client.state.load(Relaxed), LIVE | DYING));
            let nr_blocks = client.save_log.lock(&self.host).nr_blocks();
            totals.metadata_frames += u64::from(nr_blocks);
            for slot in &client.slots {
                let word = SlotWord(slot.word.load(Acquire));
                let pool = self.pools.get(word.pool());
                let in_use = pool.is_some_and(|p| p.state.load(Acquire) == pool::IN_USE);
                if matches!(word.state(), SlotState::Live | SlotState::Saving | SlotState::Dying)
                    && !in_use
                {
                    return Err(AuditError::Slot);
                }
            }
        }
        for pool in (0..POOLS_MAX).filter_map(|at| self.pools.get(at)) {
            totals.pools += u64::from(pool.state.load(Acquire) == pool::IN_USE);
            let before = totals;
            for shard in pool.shards() {
                let found = shard.state.lock(&self.host).audit(&self.key, pool.aging())?;
                totals.objects += found.objects;
                totals.pages += found.pages;
                totals.frames += found.frames;
                totals.metadata_frames += found.metadata_frames;
                if pool.is_persistent() {
                    totals.persistent_pages += found.pages;
                } else {
                    totals.ephemeral_pages += found.pages;
                }
            }
            let metadata_frames = totals.metadata_frames - before.metadata_frames;
            let is_told_right = metadata_frames == u64::from(pool.nr_metadata.load(Relaxed))
                && totals.pages - before.pages == pool.nr_live();
            if !is_told_right {
                return Err(AuditError::Sums);
            }
        }
        self.audit_sums(&totals)?;
        let registry = self.registry.lock(&self.host);
        totals.shared_pools = registry.shared.iter().flatten().count() as u64;
        Ok(totals)
    }

    /// That clients and host come to the same sums.
    fn audit_sums(&self, totals: &Totals) -> Result<(), AuditError> {
        let mut held = Holdings::default();
        let (mut of_clients, mut weights) = (PoolStats::new(), 0);
        for client in self.live_clients() {
            of_clients.add_all(&self.stats_owned(client));
            let holdings = self.holdings(client);
            held.pages += holdings.pages;
            weights += self.client(client).map_or(0, |c| u64::from(c.weight.load(Relaxed)));
        }
        // Pools that are being destroyed, or drained and still read, belong to nobody.
        let nobodys = |pool: &Pool<'_>| !self.is_owned(*pool);
        let mut of_nobody = self.registry.lock(&self.host).retired;
        let mut settled = 0;
        for pool in (0..POOLS_MAX).filter_map(|at| self.pools.get(at)) {
            settled += pool.settled.load(Relaxed);
            if nobodys(&pool) {
                of_nobody.add_all(&self.stats_of(pool));
            }
        }
        of_nobody.add_all(&of_clients);
        let is_right = of_nobody == self.host_stats()
            && of_nobody.pages == totals.pages
            && held.pages <= totals.ephemeral_pages
            && weights == self.weight_sum.load(Relaxed)
            && settled == self.ephemeral_pages.load(Relaxed);
        if is_right { Ok(()) } else { Err(AuditError::Sums) }
    }

    fn live_clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        let all = (0..CLIENTS_MAX).filter_map(|at| Some((at, self.clients.get(at)?)));
        let live = all.filter(|(_, client)| matches!(client.state.load(Relaxed), LIVE | DYING));
        live.filter_map(|(at, _)| u16::try_from(at).ok().map(ClientId))
    }

    /// Whether some client's live pool id stands for the pool, by its owner.
    fn is_owned(&self, pool: Pool<'_>) -> bool {
        let owner = ClientId(pool.owner.load(Relaxed));
        self.owned(owner).any(|owned| owned.is(pool))
    }

    /// What happened in a client's pool, and what it holds.
    ///
    /// # Errors
    /// No such pool.
    pub fn pool_stats(&self, caller: Caller, pool_id: u32) -> Result<PoolStats, NoPool> {
        let access = self.open_saving(caller, pool_id)?;
        Ok(self.stats_of(access.pool()))
    }

    /// What happened in the pools that a client owns now, and what they hold.
    pub fn client_stats(&self, caller: Caller) -> PoolStats {
        self.stats_owned(caller.client)
    }

    fn stats_owned(&self, client: ClientId) -> PoolStats {
        let mut stats = PoolStats::new();
        for pool in self.owned(client) {
            stats.add_all(&self.stats_of(pool));
        }
        stats
    }

    /// What happened in all pools there are and there were, and what is held.
    pub fn host_stats(&self) -> PoolStats {
        let mut stats = self.registry.lock(&self.host).retired;
        for pool in (0..POOLS_MAX).filter_map(|at| self.pools.get(at)) {
            stats.add_all(&self.stats_of(pool));
        }
        stats
    }

    fn stats_of(&self, pool: Pool<'_>) -> PoolStats {
        let mut stats = PoolStats::new();
        for shard in pool.shards() {
            let state = shard.state.lock(&self.host);
            stats.add(&state.stats, state.nr_pages());
            stats.pages += u64::from(state.nr_live());
        }
        stats
    }

    /// How long a client's pool keeps its pages.
    ///
    /// # Errors
    /// No such pool.
    pub fn pool_lifetime(&self, caller: Caller, pool_id: u32) -> Result<Lifetime, NoPool> {
        let access = self.open_saving(caller, pool_id)?;
        Ok(match access.aging() {
            Aging::Ageless => Lifetime::Persistent,
            Aging::Aged => Lifetime::Ephemeral,
        })
    }
}

//! The audit in slices, for the operator of a host whose guests go on.
//!
//! Pool by pool and shard by shard, then client by client. Nothing is remembered between two slices
//! but what the caller keeps. See `shard/audit_slice.rs` for what is compared, and
//! [`Engine::audit`] for the one that stops all others and compares more.

use crate::audit::AuditError;
use crate::client::{FREE, SlotState, SlotWord};
use crate::engine::{CLIENTS_MAX, Engine, POOLS_MAX};
use crate::host::{DomainId, Host};
use crate::limits::CLIENTS_PER_SEGMENT;
use crate::pool::{self, Pool, SHARDS};
use crate::shard::{Counted, Walk};
use crate::slab::SlotId;
use crate::sync::atomic::Ordering::{Acquire, Relaxed};

/// Records of pools and of clients that one slice passes over.
const RECORDS_PER_SLICE: u32 = 16;

/// How far an audit came. Any value is good for going on; a wrong one spoils its own audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditAt {
    /// Number of a pool's record; beyond those, of a client's.
    pub record: u32,
    /// The shard of that pool.
    pub shard: u32,
    /// 0: the records of age are walked; 1: blocks; 2: frames of metadata.
    pub walk: u32,
    /// Where in these.
    pub slot: u32,
    /// What was counted in this shard, in one word; of clients, the sum of their weights.
    pub counted: u64,
    /// What the shard's events were when its audit began; how often weights had changed when that of
    /// the clients began.
    pub changes: u64,
}

/// What one slice of an audit counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// Pools in use that it is done with.
    pub pools: u64,
    /// Objects that can be found.
    pub objects: u64,
    /// Pages in ephemeral pools that can be found.
    pub ephemeral_pages: u64,
    /// Pages in persistent pools that can be found.
    pub persistent_pages: u64,
    /// Frames that hold pages.
    pub frames: u64,
    /// Frames of metadata of these.
    pub metadata_frames: u64,
    /// As many say the pools that it is done with. A call that is under way may have some more in
    /// hand, so it is not for us to say that a difference is wrong.
    pub metadata_told: u64,
    /// Shards whose sums were not compared, since calls changed them meanwhile.
    pub busy_shards: u64,
}

impl<H: Host> Engine<H> {
    /// Carries out a slice of an audit that came as far as `at`, and moves `at` on. `true`: that was
    /// the last one.
    ///
    /// # Errors
    /// A disagreement; `at` tells where.
    #[inline(never)]
    pub fn audit_slice(&self, at: &mut AuditAt, found: &mut Audited) -> Result<bool, AuditError> {
        for _ in 0..RECORDS_PER_SLICE {
            if at.record >= POOLS_MAX {
                return self.audit_clients(at);
            }
            let Some(pool) = self.pools.get(at.record) else {
                *at = AuditAt { record: POOLS_MAX, ..AuditAt::default() };
                continue;
            };
            if pool.state.load(Acquire) == pool::FREE || at.shard as usize >= SHARDS {
                *at = AuditAt { record: at.record + 1, ..AuditAt::default() };
                continue;
            }
            self.audit_pool(pool, at, found)?;
            return Ok(false);
        }
        Ok(false)
    }

    /// The domain that owns the pool of this record, or last owned it; the domain of a client's record.
    pub fn owner_of(&self, record: u32) -> Option<DomainId> {
        let client = match record.checked_sub(POOLS_MAX) {
            Some(client) => client,
            None => self.pools.get(record)?.owner.load(Relaxed).into(),
        };
        Some(DomainId(self.clients.get(client)?.domain.load(Relaxed)))
    }

    #[inline(never)]
    fn audit_pool(
        &self,
        pool: Pool<'_>,
        at: &mut AuditAt,
        found: &mut Audited,
    ) -> Result<(), AuditError> {
        let Some(shard) = pool.shards().get(at.shard as usize) else { return Ok(()) };
        if at.walk > 1 {
            let (count, next) = shard.state.lock(&self.host).count_blocks(at.slot);
            found.metadata_frames += u64::from(count);
            match next {
                Some(next) => at.slot = next,
                None => leave_shard(pool, at, found),
            }
            return Ok(());
        }
        let mut state = shard.state.lock(&self.host);
        if (at.walk, at.slot) == (0, 0) {
            (at.counted, at.changes) = (0, state.change_count());
        }
        let walk = if at.walk == 0 { Walk::Ages } else { Walk::Blocks };
        let mut counted = Counted::default();
        let next = state.audit_slice(&self.key, walk, SlotId(at.slot), &mut counted)?;
        at.counted = at.counted.wrapping_add(counted.word());
        let is_last = next.is_none() && walk == Walk::Blocks;
        if is_last {
            found.frames += u64::from(state.nr_orphans());
            if state.change_count() != at.changes {
                found.busy_shards += 1;
            } else if at.counted != state.told(pool.aging()).word() {
                return Err(AuditError::Counters);
            }
        }
        drop(state);
        found.objects += counted.objects;
        found.frames += counted.live_pages + counted.dead_pages;
        if pool.is_persistent() {
            found.persistent_pages += counted.live_pages;
        } else {
            found.ephemeral_pages += counted.live_pages;
        }
        match next {
            Some(next) => at.slot = next.0,
            None => (at.walk, at.slot) = (at.walk + 1, 0),
        }
        Ok(())
    }

    /// That clients' pool ids stand for pools in use, of that generation; and that their weights are
    /// the sum that is said.
    #[inline(never)]
    fn audit_clients(&self, at: &mut AuditAt) -> Result<bool, AuditError> {
        for _ in 0..RECORDS_PER_SLICE.max(CLIENTS_PER_SEGMENT) {
            let number = at.record - POOLS_MAX;
            // Words, pools and weights change under this lock.
            let registry = self.registry.lock(&self.host);
            if number == 0 {
                (at.counted, at.changes) = (0, registry.nr_weight_changes);
            }
            let Some(client) = self.clients.get(number).filter(|_| number < CLIENTS_MAX) else {
                let is_same = registry.nr_weight_changes == at.changes;
                let is_right = at.counted == self.weight_sum.load(Relaxed);
                return if is_same && !is_right { Err(AuditError::Sums) } else { Ok(true) };
            };
            at.counted = at.counted.wrapping_add(client.weight.load(Relaxed).into());
            for slot in &client.slots {
                let word = SlotWord(slot.word.load(Acquire));
                let is_used = word != SlotWord::EMPTY;
                let is_free = client.state.load(Relaxed) == FREE;
                let is_sound = match word.state() {
                    SlotState::Empty => !is_used,
                    // The others may have destroyed it meanwhile.
                    SlotState::Leaving => true,
                    SlotState::Live | SlotState::Saving | SlotState::Dying => {
                        self.pools.get(word.pool()).is_some_and(|pool| {
                            pool.state.load(Relaxed) == pool::IN_USE
                                && word.is_of(pool.generation.load(Relaxed))
                        })
                    }
                };
                if !is_sound || is_used && is_free {
                    return Err(AuditError::Slot);
                }
            }
            at.record += 1;
        }
        Ok(false)
    }
}

/// Goes on to the next shard, or is done with the pool.
fn leave_shard(pool: Pool<'_>, at: &mut AuditAt, found: &mut Audited) {
    *at = AuditAt { record: at.record, shard: at.shard + 1, ..AuditAt::default() };
    if at.shard as usize == SHARDS {
        found.pools += u64::from(pool.state.load(Relaxed) == pool::IN_USE);
        found.metadata_told += u64::from(pool.nr_metadata.load(Relaxed));
    }
}

#[cfg(test)]
mod tests;

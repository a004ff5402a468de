//! Destroying pools, leaving shared ones, and the death of a client: at once to the guest, in
//! slices to the host.

use crate::block::Membership;
use crate::client::{
    Caller, ClientId, DYING, LIVE, NO_MEMBER, POOLS_PER_CLIENT, Slot, SlotState, SlotWord,
};
use crate::engine::Engine;
use crate::garbage::Garbage;
use crate::host::{DomainId, Host};
use crate::member::Members;
use crate::meta::{Payer, SLICE_PAGES_MAX};
use crate::pool::{self, Pool};
use crate::registry::{Registry, member, member_parts};
use crate::shard::Shard;
use crate::slab::SlotId;
use crate::stats::ShardStats;
use crate::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// How far a destruction came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a destruction that is not done wants to be called again"]
pub enum Destroyed {
    /// The pool id names no pool.
    Nothing,
    /// Done; the id is free.
    Done,
    /// Unreachable already; call again to free more. Until then the id is neither usable nor free.
    More,
}

/// The shard and the slot that [`Slot::swept`] stands for.
#[expect(clippy::cast_possible_truncation, reason = "takes the two halves")]
const fn sweep_cursor(swept: u64) -> (usize, SlotId) {
    ((swept >> 32) as usize, SlotId(swept as u32))
}

/// What a slice of freeing came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slice {
    Done,
    More,
}

impl<H: Host> Engine<H> {
    /// Destroys the client's pool, or leaves it if it is shared with others.
    pub fn destroy_pool(&self, caller: Caller, pool_id: u32) -> Destroyed {
        self.destroy_slot(caller, pool_id, LIVE)
    }

    /// Destroys a slice of what a domain has. `true` when nothing of it is left.
    pub fn destroy_client(&self, domain: DomainId) -> bool {
        let Some(client) = self.begin_client_death(domain) else { return true };
        for pool_id in 0..POOLS_PER_CLIENT {
            match self.destroy_slot(Caller { client, domain }, pool_id, DYING) {
                Destroyed::Nothing => {}
                // Each pool's last slice ends this call as well: a call frees one slice.
                Destroyed::Done | Destroyed::More => return false,
            }
        }
        if !self.drain_save_log(Caller { client, domain }) {
            return false;
        }
        self.end_client(domain, client)
    }

    /// Destroys a slice of the pools that a domain has, which goes on living and stays a client with
    /// its settings and rights (a guest that starts anew: R30). `true` when it has none left.
    pub fn destroy_pools(&self, domain: DomainId) -> bool {
        let Some(caller) = self.client_of(domain) else { return true };
        (0..POOLS_PER_CLIENT)
            .all(|pool_id| self.destroy_pool(caller, pool_id) == Destroyed::Nothing)
    }

    /// Destroys a slice of what a pool id stands for. A live pool is begun with only while the
    /// client is in state `expected`: the record of a dead client may serve another by now.
    #[inline(never)]
    fn destroy_slot(&self, caller: Caller, pool_id: u32, expected: u8) -> Destroyed {
        let client = caller.client;
        let Some(slot) = self.slot(client, pool_id) else { return Destroyed::Nothing };
        let mut word = SlotWord(slot.word.load(Acquire));
        if word.is_usable() {
            match self.begin_leaving(caller, pool_id, slot, expected) {
                Some(begun) => word = begun,
                None => return Destroyed::Done,
            }
        }
        let Some(pool) = self.pools.get(word.pool()) else { return Destroyed::Nothing };
        let slice = match word.state() {
            SlotState::Empty | SlotState::Live | SlotState::Saving => return Destroyed::Nothing,
            SlotState::Dying => self.drain_pool(slot, word, pool, self.payer(client, pool)),
            SlotState::Leaving => self.sweep_pool(client, slot, word, pool),
        };
        if slice == Slice::More {
            return Destroyed::More;
        }
        self.finish_leaving(slot, word, pool);
        if word.state() == SlotState::Dying {
            self.recycle_if_drained(pool, word.pool(), self.payer(client, pool));
        }
        Destroyed::Done
    }

    /// Makes the pool unreachable through this slot, and hands it on if others share it.
    ///
    /// Returns the slot's word from now on; `None` if there is nothing left to do, because the
    /// client is in the shared pool by another id too.
    fn begin_leaving(
        &self,
        Caller { client, domain }: Caller,
        pool_id: u32,
        slot: &Slot,
        expected: u8,
    ) -> Option<SlotWord> {
        let mut registry = self.registry.lock(&self.host);
        let word = SlotWord(slot.word.load(Relaxed));
        let is_expected = self.client(client).is_some_and(|client| {
            client.state.load(Relaxed) == expected && client.domain.load(Relaxed) == domain.0
        });
        let Some(pool) = self.pools.get(word.pool()).filter(|_| is_expected && word.is_usable())
        else {
            // Another CPU was first.
            return Some(word);
        };
        self.note_pool_gone(client, pool_id);
        let others = pool.is_shared()
            && self.unlink_member(&mut registry, word.pool(), member(client, pool_id), slot);
        if !others {
            let word = word.with_state(SlotState::Dying);
            slot.word.store(word.0, Release);
            return Some(word);
        }
        slot.swept.store(0, Relaxed);
        slot.word.store(SlotWord::EMPTY.0, Release);
        if self.epoch_in(client, word.pool()).is_some() {
            return None;
        }
        // First the count, then the word: who sees the pool without us also sees that it must ask.
        pool.nr_leaving.fetch_add(1, AcqRel);
        let word = word.with_state(SlotState::Leaving);
        slot.word.store(word.0, Release);
        let entry = registry.shared.iter().flatten().find(|entry| entry.pool == word.pool());
        if let Some(entry) = entry
            && pool.owner.load(Relaxed) == client.0
        {
            // R37: the longest-joined member owns the pool from now on.
            pool.owner.store(member_parts(entry.first).0.0, Relaxed);
        }
        Some(word)
    }

    /// Takes a member out of a shared pool's list. Whether others stay; if not, the uuid is free.
    fn unlink_member(&self, registry: &mut Registry, pool: u32, own: u32, slot: &Slot) -> bool {
        let is_it =
            |entry: &Option<crate::registry::SharedPool>| entry.is_some_and(|e| e.pool == pool);
        let Some(place) = registry.shared.iter_mut().find(|entry| is_it(entry)) else {
            return false;
        };
        let (earlier, later) = (slot.earlier.load(Relaxed), slot.later.load(Relaxed));
        if let Some(earlier) = self.member_slot(earlier) {
            earlier.later.store(later, Relaxed);
        }
        if let Some(later) = self.member_slot(later) {
            later.earlier.store(earlier, Relaxed);
        }
        if let Some(entry) = place {
            if entry.first == own {
                entry.first = later;
            }
            if entry.last == own {
                entry.last = earlier;
            }
            entry.nr_members -= 1;
            if entry.first != NO_MEMBER {
                return true;
            }
        }
        *place = None;
        false
    }

    /// Frees a slice of a pool that nobody can reach.
    ///
    /// Another CPU may be at the same pool, may finish it, and the record may be reused. It first
    /// changes the slot's word and then takes each shard's lock, so a look at the word under the
    /// lock tells.
    #[inline(never)]
    fn drain_pool(&self, slot: &Slot, word: SlotWord, pool: Pool<'_>, payer: Payer<'_>) -> Slice {
        let mut budget = SLICE_PAGES_MAX;
        let mut garbage = Garbage::<SLICE_PAGES_MAX>::new();
        for shard in pool.shards() {
            let mut state = shard.state.lock(&self.host);
            if slot.word.load(Acquire) != word.0 {
                return Slice::Done;
            }
            state.drain(&self.key, pool.aging(), &mut budget, &mut garbage);
            let has_pages = state.has_pages();
            let mut is_bare = false;
            while !has_pages && !is_bare && !garbage.is_full() {
                is_bare = state.dismantle(&mut garbage);
            }
            shard.publish(&state);
            drop(state);
            garbage.free(&self.host, payer);
            if !is_bare {
                return Slice::More;
            }
        }
        Slice::Done
    }

    /// Frees a slice of what the leaving client used last in a pool that others keep (R36).
    ///
    /// The others may destroy the pool meanwhile, and its record may be reused: then it is of
    /// another generation, which a reuse makes known before it takes each shard's lock.
    #[inline(never)]
    fn sweep_pool(&self, client: ClientId, slot: &Slot, word: SlotWord, pool: Pool<'_>) -> Slice {
        let mut budget = SLICE_PAGES_MAX;
        let mut garbage = Garbage::<SLICE_PAGES_MAX>::new();
        let own = Membership { client: client.0, epoch: slot.epoch.load(Relaxed) };
        let members = Members::new(&self.clients, word.pool(), own, true);
        let payer = self.payer(client, pool);
        let swept = slot.swept.load(Relaxed);
        let (from_shard, mut from) = sweep_cursor(swept);
        for (at, shard) in pool.shards().iter().enumerate().skip(from_shard) {
            let mut state = shard.state.lock(&self.host);
            let is_of_pool = word.is_of(pool.generation.load(Acquire));
            if !is_of_pool || slot.word.load(Acquire) != word.0 {
                return Slice::Done;
            }
            state.drain_dead(&self.key, pool.aging(), &mut budget, &mut garbage);
            let next = state.sweep(&self.key, &members, from, &mut budget, &mut garbage);
            state.drain_dead(&self.key, pool.aging(), &mut budget, &mut garbage);
            let has_dead = state.has_dead();
            shard.publish(&state);
            drop(state);
            garbage.free(&self.host, payer);
            let next = match (next, has_dead) {
                (Some(next), _) => next,
                // Swept to the end; what it found waits to be freed.
                (None, true) => SlotId(u32::MAX - 1),
                (None, false) => {
                    from = SlotId(0);
                    continue;
                }
            };
            slot.swept.store((at as u64) << 32 | u64::from(next.0), Relaxed);
            return Slice::More;
        }
        Slice::Done
    }

    /// Frees the pool id, and the pool's record if it was the last one's.
    fn finish_leaving(&self, slot: &Slot, word: SlotWord, pool: Pool<'_>) {
        let _registry = self.registry.lock(&self.host);
        if slot.word.load(Relaxed) != word.0 {
            // Another CPU was first.
            return;
        }
        let is_this = word.is_of(pool.generation.load(Relaxed));
        match word.state() {
            SlotState::Dying => {
                pool.generation.fetch_add(1, AcqRel);
                pool.state.store(pool::DRAINED, Release);
            }
            SlotState::Leaving if is_this => drop(pool.nr_leaving.fetch_sub(1, AcqRel)),
            _ => {}
        }
        slot.word.store(SlotWord::EMPTY.0, Release);
    }

    /// Makes a drained pool's record free for reuse, unless some call is still reading a page of
    /// it; then that call comes here when it is done.
    #[inline(never)]
    pub(crate) fn recycle_if_drained(&self, pool: Pool<'_>, number: u32, payer: Payer<'_>) {
        if pool.state.load(Acquire) != pool::DRAINED {
            return;
        }
        if !pool.shards().iter().all(|shard| self.strip(pool, shard, payer)) {
            return;
        }
        let mut registry = self.registry.lock(&self.host);
        if pool.state.load(Relaxed) == pool::DRAINED {
            self.settle(pool);
            registry.retired_rare.add(&pool.take_rare_counts());
            pool.state.store(pool::FREE, Release);
            pool.next_free.store(registry.free_pool, Relaxed);
            registry.free_pool = number;
        }
    }

    /// Frees the last blocks of a drained pool's shard. `false`: some call is still reading there,
    /// or another CPU has recycled the pool.
    #[inline(never)]
    fn strip(&self, pool: Pool<'_>, shard: &Shard, payer: Payer<'_>) -> bool {
        let mut garbage = Garbage::<1>::new();
        loop {
            let mut state = shard.state.lock(&self.host);
            // Under the lock: a reused record's shards get blocks under the lock only.
            if pool.state.load(Acquire) != pool::DRAINED || state.nr_orphans() > 0 {
                return false;
            }
            let mut is_bare = false;
            while !is_bare && !garbage.is_full() {
                is_bare = state.dismantle(&mut garbage);
            }
            let mut stats = ShardStats::default();
            if is_bare {
                stats = core::mem::take(&mut state.stats);
            }
            drop(state);
            garbage.free(&self.host, payer);
            if is_bare {
                self.registry.lock(&self.host).retired.add(&stats, 0);
                return true;
            }
        }
    }
}

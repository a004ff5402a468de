//! The registry: clients come, pools are created and joined.
//!
//! Off the data path. One lock protects the slots' words and the members of shared pools; what
//! must be allocated is allocated before the lock is taken.

use crate::NoMemory;
use crate::client::{
    CLIENTS_PER_SEGMENT, Caller, Client, ClientId, DYING, FREE, LIVE, NO_MEMBER, Slot, SlotState,
    SlotWord,
};
use crate::engine::{CLIENTS_MAX, Engine, NO_CLIENT, POOLS_MAX};
use crate::evict::Effort;
use crate::host::{DomainId, Host};
use crate::latency::Whose;
use crate::pool::{self, Kind, Lifetime, Pool, PoolKind};
use crate::put::EVICTIONS_PER_PUT_MAX;
use crate::rare::RareCounts;
use crate::save::Saving;
use crate::stats::PoolStats;
use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Shared pools that may exist on the host.
pub(crate) const SHARED_POOLS: usize = 16;

/// No record, in the lists of free ones.
pub(crate) const NO_RECORD: u32 = u32::MAX;

/// A shared pool that can be joined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedPool {
    pub(crate) uuid: [u64; 2],
    pub(crate) pool: u32,
    /// First and last member, in the order of joining: `client << 4 | pool id`.
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// How many there are.
    pub(crate) nr_members: u32,
}

/// What the registry's lock protects, beside the words in the records.
#[derive(Debug)]
pub(crate) struct Registry {
    /// Records ever made, and the first of those that are free.
    nr_clients: u32,
    pub(crate) free_client: u32,
    nr_pools: u32,
    pub(crate) free_pool: u32,
    /// [`SHARED_POOLS`] places; boxed, so that no large value crosses the small stack at start-up.
    pub(crate) shared: Box<[Option<SharedPool>]>,
    next_epoch: u32,
    /// What happened in pools that are gone.
    pub(crate) retired: PoolStats,
    pub(crate) retired_rare: RareCounts,
    /// Clients that there are, dying ones too.
    pub(crate) nr_living: u32,
    /// How often weights have changed.
    pub(crate) nr_weight_changes: u64,
}

/// Why there is no new pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewPoolError {
    /// The client has as many pools as it may.
    NoPoolId,
    /// As many shared pools exist as may.
    NoSharedPool,
    /// No memory for the pool's records.
    NoMemory,
    /// The client is dying.
    Dying,
}

/// A client as the toolstack sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientState {
    /// Pool ids in use, those of pools that are being destroyed included.
    pub nr_pools: u32,
    /// Whether its puts of new pages are refused.
    pub frozen: bool,
    /// Its part of ephemeral memory against others' weights.
    pub weight: u32,
    /// Whether it is being saved while it runs.
    pub migrating: bool,
}

impl Registry {
    pub(crate) fn new() -> Result<Self, NoMemory> {
        let mut shared = Vec::new();
        shared.try_reserve_exact(SHARED_POOLS).map_err(|_| NoMemory)?;
        shared.resize(SHARED_POOLS, None);
        Ok(Self {
            nr_clients: 0,
            free_client: NO_RECORD,
            nr_pools: 0,
            free_pool: NO_RECORD,
            shared: shared.into_boxed_slice(),
            next_epoch: 1,
            retired: PoolStats::new(),
            retired_rare: RareCounts::NONE,
            nr_living: 0,
            nr_weight_changes: 0,
        })
    }

    fn epoch(&mut self) -> u32 {
        let epoch = self.next_epoch;
        self.next_epoch = epoch.wrapping_add(1);
        epoch
    }
}

/// A member of a shared pool: a client's pool id.
pub(crate) const fn member(client: ClientId, pool_id: u32) -> u32 {
    (client.0 as u32) << 4 | pool_id
}

/// The client and the pool id of a member.
#[expect(clippy::cast_possible_truncation, reason = "a client's number was shifted in")]
pub(crate) const fn member_parts(member: u32) -> (ClientId, u32) {
    (ClientId((member >> 4) as u16), member & 15)
}

impl<H: Host> Engine<H> {
    /// The client that `domain` is, made now if it was none.
    ///
    /// The caller makes sure, afterwards, that the domain is not dying, and destroys the client
    /// again if it is.
    ///
    /// # Errors
    /// No memory for the record.
    pub fn create_client(&self, domain: DomainId) -> Result<Caller, NoMemory> {
        self.create_client_anew(domain).map(|(client, _)| client)
    }

    /// The same, and whether it was none.
    #[inline(never)]
    pub(crate) fn create_client_anew(&self, domain: DomainId) -> Result<(Caller, bool), NoMemory> {
        let place = self.domains.get(usize::from(domain.0)).ok_or(NoMemory)?;
        if let Some(client) = self.client_of(domain) {
            return Ok((client, false));
        }
        let (id, client) = self.take_client()?;
        // What the record's last user was authorised for. Nobody else has the record now.
        client.auth.lock(&self.host).uuids = Default::default();
        self.forget_latencies(Whose::Client(id.0.into()));

        let mut registry = self.registry.lock(&self.host);
        if let Some(existing) = self.client_of(domain) {
            // Another CPU was first.
            client.next_free.store(registry.free_client, Relaxed);
            registry.free_client = u32::from(id.0);
            return Ok((existing, false));
        }
        client.domain.store(domain.0, Relaxed);
        client.frozen.store(false, Relaxed);
        client.is_asked_frozen.store(false, Relaxed);
        client.saving.store(Saving::No as u8, Relaxed);
        client.weight.store(0, Relaxed);
        client.state.store(LIVE, Relaxed);
        place.store(id.0, Release);
        registry.nr_living += 1;
        Ok((Caller { client: id, domain }, true))
    }

    /// A free client record, out of the list of free ones.
    fn take_client(&self) -> Result<(ClientId, &Client), NoMemory> {
        loop {
            let mut registry = self.registry.lock(&self.host);
            let number = registry.free_client;
            if let Some(client) = self.clients.get(number) {
                registry.free_client = client.next_free.load(Relaxed);
                #[expect(clippy::cast_possible_truncation, reason = "below CLIENTS_MAX")]
                return Ok((ClientId(number as u16), client));
            }
            let first = registry.nr_clients;
            drop(registry);
            if first >= CLIENTS_MAX {
                return Err(NoMemory);
            }
            let segment = (first / CLIENTS_PER_SEGMENT) as usize;
            self.evicting(EVICTIONS_PER_PUT_MAX, || self.clients.grow(segment, &self.host))?;
            let mut registry = self.registry.lock(&self.host);
            if registry.nr_clients == first {
                registry.nr_clients += CLIENTS_PER_SEGMENT;
                for at in (first..registry.nr_clients).rev() {
                    if let Some(client) = self.clients.get(at) {
                        client.next_free.store(registry.free_client, Relaxed);
                        registry.free_client = at;
                    }
                }
            }
        }
    }

    /// Does what needs a frame of metadata, evicting up to so many pages if the host has no memory: a
    /// new domain is to find room on a host that others have filled.
    pub(crate) fn evicting(
        &self,
        evictions_max: u32,
        grow: impl Fn() -> Result<(), NoMemory>,
    ) -> Result<(), NoMemory> {
        let mut effort = Effort::of(evictions_max);
        while grow().is_err() {
            let frame = self.evict_oldest(&mut effort).ok_or(NoMemory)?;
            self.host.give_room(frame);
        }
        Ok(())
    }

    /// Freezes or thaws a domain. `false`: it is no client, or no longer.
    pub fn set_frozen(&self, domain: DomainId, frozen: bool) -> bool {
        // The lock keeps the record from being reused for another domain meanwhile.
        let _registry = self.registry.lock(&self.host);
        let client = self.living(domain).map(|(_, client)| client);
        if let Some(client) = client {
            // A save keeps it frozen, whatever the toolstack asks meanwhile (R66).
            client.is_asked_frozen.store(frozen, Relaxed);
            client.frozen.store(frozen || client.saving().is_on(), Relaxed);
        }
        client.is_some()
    }

    /// Sets a domain's weight: its part of the host's ephemeral memory against others' weights.
    /// `false`: it is no client, or no longer.
    pub fn set_weight(&self, domain: DomainId, weight: u32) -> bool {
        let mut registry = self.registry.lock(&self.host);
        let client = self.living(domain).map(|(_, client)| client);
        if let Some(client) = client {
            self.change_weight(&mut registry, client, weight);
        }
        client.is_some()
    }

    /// A domain's weight; `None` if it is no client.
    pub fn weight(&self, domain: DomainId) -> Option<u32> {
        let client = self.client_of(domain).and_then(|caller| self.client(caller.client))?;
        Some(client.weight.load(Relaxed))
    }

    /// A domain's state as a client; `None` if it is none.
    pub fn client_state(&self, domain: DomainId) -> Option<ClientState> {
        // The lock keeps the record from being reused for another domain meanwhile.
        let _registry = self.registry.lock(&self.host);
        let client = self.client(self.client_of(domain)?.client)?;
        let is_used = |slot: &&Slot| slot.word.load(Relaxed) != SlotWord::EMPTY.0;
        Some(ClientState {
            nr_pools: client.slots.iter().filter(is_used).fold(0, |nr, _| nr + 1),
            frozen: client.frozen.load(Relaxed),
            migrating: client.saving() == Saving::Live,
            weight: client.weight.load(Relaxed),
        })
    }

    /// Changes a weight, and the sum along with it (R46).
    fn change_weight(&self, registry: &mut Registry, client: &Client, weight: u32) {
        registry.nr_weight_changes = registry.nr_weight_changes.wrapping_add(1);
        let before = client.weight.swap(weight, Relaxed);
        let sum = self.weight_sum.load(Relaxed) - u64::from(before) + u64::from(weight);
        self.weight_sum.store(sum, Relaxed);
    }

    /// Creates a pool, or joins a shared one. Returns the client's lowest free pool id, now taken.
    ///
    /// A shared pool that the client may not join, and the uuid of all ones, give a private
    /// ephemeral pool without a word (R32).
    ///
    /// # Errors
    /// [`NewPoolError`]; nothing has changed.
    pub fn new_pool(&self, caller: Caller, kind: PoolKind) -> Result<u8, NewPoolError> {
        self.new_pool_at(caller, None, kind)
    }

    /// As [`new_pool`](Self::new_pool), with the id that is wanted, if one is: the guest of a restored
    /// domain knows its pools by the ids that they had.
    ///
    /// # Errors
    /// [`NewPoolError`]; nothing has changed. `NoPoolId`: the id is taken, or none of a client's.
    #[inline(never)]
    pub fn new_pool_at(
        &self,
        caller: Caller,
        wanted: Option<u32>,
        kind: PoolKind,
    ) -> Result<u8, NewPoolError> {
        let client = caller.client;
        let record = self.client(client).ok_or(NewPoolError::Dying)?;
        record.free_slot(wanted).ok_or(NewPoolError::NoPoolId)?;
        let (lifetime, uuid) = match kind {
            PoolKind::Private(lifetime) => (lifetime, None),
            PoolKind::Shared(uuid) => {
                let may_join = uuid != [u64::MAX; 2]
                    && record.auth.lock(&self.host).uuids.contains(&Some(uuid));
                (Lifetime::Ephemeral, may_join.then_some(uuid))
            }
        };
        let (number, pool) = self.take_pool().map_err(|NoMemory| NewPoolError::NoMemory)?;

        let mut registry = self.registry.lock(&self.host);
        let fresh = (number, pool);
        let placed = self.place_pool(&mut registry, caller, wanted, fresh, lifetime, uuid);
        let is_used = pool.state.load(Relaxed) == pool::IN_USE;
        if !is_used {
            pool.next_free.store(registry.free_pool, Relaxed);
            registry.free_pool = number;
        }
        drop(registry);
        if is_used && lifetime == Lifetime::Ephemeral {
            self.queue_pool(number, pool);
        }
        placed
    }

    /// Finds the client's lowest free pool id, or takes the one that is `wanted`, and gives it a shared pool that exists, or the free
    /// record `fresh`, which is then in use.
    fn place_pool(
        &self,
        registry: &mut Registry,
        Caller { client, domain }: Caller,
        wanted: Option<u32>,
        fresh: (u32, Pool<'_>),
        lifetime: Lifetime,
        uuid: Option<[u64; 2]>,
    ) -> Result<u8, NewPoolError> {
        let record = self.client(client).ok_or(NewPoolError::Dying)?;
        // The toolstack may ask for a domain that dies meanwhile, whose record serves another then.
        if record.state.load(Relaxed) != LIVE || record.domain.load(Relaxed) != domain.0 {
            return Err(NewPoolError::Dying);
        }
        let (pool_id, slot) = record.free_slot(wanted).ok_or(NewPoolError::NoPoolId)?;
        let own = member(client, u32::from(pool_id));
        let mut epoch = registry.epoch();

        let existing = registry.shared.iter_mut().flatten().find(|entry| uuid == Some(entry.uuid));
        let target = if let Some(entry) = existing {
            // A client that joins twice has one stay: it has left when both ids have.
            epoch = self.epoch_in(client, entry.pool).unwrap_or(epoch);
            self.append_member(entry, own, slot);
            entry.pool
        } else {
            let (number, pool) = fresh;
            if let Some(uuid) = uuid {
                let vacant = registry.shared.iter_mut().find(|entry| entry.is_none());
                *vacant.ok_or(NewPoolError::NoSharedPool)? =
                    Some(SharedPool { uuid, pool: number, first: own, last: own, nr_members: 1 });
                slot.earlier.store(NO_MEMBER, Relaxed);
                slot.later.store(NO_MEMBER, Relaxed);
            }
            let kind = match (lifetime, uuid) {
                (_, Some(_)) => Kind::Shared,
                (Lifetime::Persistent, None) => Kind::Persistent,
                (Lifetime::Ephemeral, None) => Kind::Private,
            };
            pool.kind.store(kind as u8, Relaxed);
            pool.owner.store(client.0, Relaxed);
            pool.nr_leaving.store(0, Relaxed);
            self.forget_latencies(Whose::Pool(number));
            pool.state.store(pool::IN_USE, Release);
            number
        };
        let pool = self.pools.get(target).ok_or(NewPoolError::NoMemory)?;
        let (generation, kind) = (pool.generation.load(Relaxed), pool.kind());
        slot.epoch.store(epoch, Relaxed);
        slot.swept.store(0, Relaxed);
        slot.word.store(SlotWord::new(target, kind, generation, SlotState::Live).0, Release);
        Ok(pool_id)
    }

    /// The epoch of the client's stay in a pool, if it is in it.
    pub(crate) fn epoch_in(&self, client: ClientId, pool: u32) -> Option<u32> {
        let slots = &self.client(client)?.slots;
        let is_in = |word: SlotWord| word.state() == SlotState::Live && word.pool() == pool;
        let slot = slots.iter().find(|slot| is_in(SlotWord(slot.word.load(Acquire))))?;
        Some(slot.epoch.load(Relaxed))
    }

    /// Puts a member at the end of a shared pool's list.
    fn append_member(&self, entry: &mut SharedPool, own: u32, slot: &Slot) {
        slot.earlier.store(entry.last, Relaxed);
        slot.later.store(NO_MEMBER, Relaxed);
        if let Some(last) = self.member_slot(entry.last) {
            last.later.store(own, Relaxed);
        }
        entry.last = own;
        entry.nr_members += 1;
    }

    /// The slot of a member of a shared pool.
    pub(crate) fn member_slot(&self, member: u32) -> Option<&Slot> {
        if member == NO_MEMBER {
            return None;
        }
        let (client, pool_id) = member_parts(member);
        self.slot(client, pool_id)
    }

    /// A free pool, out of the list of free ones.
    #[inline(never)]
    fn take_pool(&self) -> Result<(u32, Pool<'_>), NoMemory> {
        loop {
            let mut registry = self.registry.lock(&self.host);
            let number = registry.free_pool;
            if let Some(pool) = self.pools.get(number) {
                registry.free_pool = pool.next_free.load(Relaxed);
                return Ok((number, pool));
            }
            let next = registry.nr_pools;
            drop(registry);
            if next >= POOLS_MAX {
                return Err(NoMemory);
            }
            self.evicting(EVICTIONS_PER_PUT_MAX, || self.pools.grow(next, &self.host))?;
            let mut registry = self.registry.lock(&self.host);
            if registry.nr_pools == next
                && let Some(pool) = self.pools.get(next)
            {
                registry.nr_pools += 1;
                pool.next_free.store(registry.free_pool, Relaxed);
                registry.free_pool = next;
            }
        }
    }

    /// Marks the client that `domain` is as dying: it gets no new pools. `None`: it is no client.
    pub(crate) fn begin_client_death(&self, domain: DomainId) -> Option<ClientId> {
        let _registry = self.registry.lock(&self.host);
        let id = self.client_of(domain)?.client;
        let client = self.client(id)?;
        client.state.store(DYING, Release);
        // Nothing is logged any more, and what was is freed with the client.
        client.saving.store(Saving::Ending as u8, Release);
        Some(id)
    }

    /// Frees the record of a dying client without pools. `true` when the domain is no client now.
    pub(crate) fn end_client(&self, domain: DomainId, id: ClientId) -> bool {
        let mut registry = self.registry.lock(&self.host);
        if self.client_of(domain).map(|caller| caller.client) != Some(id) {
            // Another CPU was first, and the record may serve another domain by now.
            return true;
        }
        let Some(client) = self.client(id) else { return true };
        let has_pools =
            client.slots.iter().any(|slot| slot.word.load(Relaxed) != SlotWord::EMPTY.0);
        if has_pools || client.state.load(Relaxed) != DYING {
            return false;
        }
        if let Some(place) = self.domains.get(usize::from(domain.0)) {
            place.store(NO_CLIENT, Release);
        }
        self.change_weight(&mut registry, client, 0);
        registry.nr_living -= 1;
        client.state.store(FREE, Release);
        client.next_free.store(registry.free_client, Relaxed);
        registry.free_client = u32::from(id.0);
        true
    }
}

//! The engine as a whole, and the way from a client's pool id to a shard.

use crate::NoMemory;
use crate::block::Membership;
use crate::client::{Caller, Client, ClientId, Clients, POOLS_PER_CLIENT, Slot};
use crate::client::{SlotState, SlotWord};
use crate::directory::Directory;
use crate::evict::EvictionQueue;
use crate::frame::Frame;
use crate::garbage::Garbage;
use crate::hash::HashKey;
use crate::host::{DomainId, Host};
use crate::latency::AllLatencies;
use crate::limits::DOMAINS;
pub(crate) use crate::limits::{CLIENTS_MAX, POOLS_MAX};
use crate::member::Members;
use crate::meta::Payer;
use crate::pool::{Kind, Pool, Pools, SHARDS};
use crate::registry::Registry;
use crate::shard::{Aging, PageName, Shard, State};
use crate::sync::atomic::Ordering::{Acquire, Relaxed};
use crate::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};
use crate::sync::{Guard, Lock};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// The client has no such pool, or it is being destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPool;

/// In cache lines of its own: what many CPUs write beside what all of them read.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Apart<T>(pub(crate) T);

/// In place of a client's number: there are not so many.
pub(crate) const NO_CLIENT: u16 = u16::MAX;

/// Transcendent memory on a host.
///
/// All calls may be made from any CPU at any time. `fill` and `drain` of the data path are called
/// with no lock held and may take as long as they need.
pub struct Engine<H: Host> {
    pub(crate) host: H,
    pub(crate) key: HashKey,
    /// Counts creations and refreshments of ephemeral pages: their age.
    pub(crate) clock: Apart<AtomicU64>,
    /// Pages in ephemeral pools, as each pool last told (`share.rs`).
    pub(crate) ephemeral_pages: AtomicU64,
    /// Sum of the clients' weights; changes under the registry's lock.
    pub(crate) weight_sum: AtomicU64,
    /// The client that last paid for its own put, since it holds more than its share. A hint; no
    /// client has the greatest number.
    pub(crate) exceeding: AtomicU16,
    /// The pool record whose pages are counted next (`share.rs`).
    pub(crate) settle_turn: AtomicU32,
    /// Client number by domain; [`NO_CLIENT`] for none.
    pub(crate) domains: Box<[AtomicU16; DOMAINS]>,
    pub(crate) clients: Clients,
    pub(crate) pools: Pools,
    pub(crate) registry: Lock<Registry>,
    pub(crate) queue: Lock<EvictionQueue>,
    /// How long the calls of each client, and on each pool, took (`latency.rs`).
    pub(crate) latencies: AllLatencies,
    /// The number of the measurement that is under way, or was the last; 0 before the first.
    pub(crate) measurement: AtomicU64,
}

/// One client's way into one of its pools, as it was when the call began. Rare ways take it by value,
/// so that on the common one it stays in registers.
#[derive(Clone, Copy)]
pub(crate) struct Access<'a> {
    caller: Caller,
    client: &'a Client,
    slot: &'a Slot,
    word: SlotWord,
    shards: &'a [Shard; SHARDS],
}

impl<H: Host> Engine<H> {
    /// An engine without clients. `hash_key` should be random; see `hash.rs`.
    ///
    /// # Errors
    /// No memory for the tables of clients and pools: about 400 KiB, in blocks of up to 128 KiB,
    /// the only allocations that are bigger than a frame.
    pub fn new(host: H, hash_key: [u64; 4]) -> Result<Self, NoMemory> {
        let mut domains = Vec::new();
        domains.try_reserve_exact(DOMAINS).map_err(|_| NoMemory)?;
        domains.resize_with(DOMAINS, || AtomicU16::new(NO_CLIENT));
        Ok(Self {
            host,
            key: HashKey::new(hash_key),
            clock: Apart(AtomicU64::new(1)),
            ephemeral_pages: AtomicU64::new(0),
            weight_sum: AtomicU64::new(0),
            exceeding: AtomicU16::new(NO_CLIENT),
            settle_turn: AtomicU32::new(0),
            domains: domains.into_boxed_slice().try_into().map_err(|_| NoMemory)?,
            clients: Directory::new()?,
            pools: Pools::new()?,
            registry: Lock::new(Registry::new()?),
            queue: Lock::new(EvictionQueue::new(POOLS_MAX as usize)?),
            latencies: Directory::new()?,
            measurement: AtomicU64::new(0),
        })
    }

    /// The host below.
    pub const fn host(&self) -> &H {
        &self.host
    }

    /// The client that `domain` is, if it is one.
    #[inline(always)]
    pub fn client_of(&self, domain: DomainId) -> Option<Caller> {
        let number = self.domains.get(usize::from(domain.0))?.load(Acquire);
        (number != NO_CLIENT).then_some(Caller { client: ClientId(number), domain })
    }

    pub(crate) fn client(&self, client: ClientId) -> Option<&Client> {
        self.clients.get(u32::from(client.0))
    }

    /// The slot of a pool id, whatever it holds.
    pub(crate) fn slot(&self, client: ClientId, pool_id: u32) -> Option<&Slot> {
        // The mask keeps a mispredicted bound from reading past the slots.
        let masked = pool_id % POOLS_PER_CLIENT;
        if masked != pool_id {
            return None;
        }
        self.client(client)?.slots.get(masked as usize)
    }

    /// Opens a live pool.
    #[inline(always)]
    pub(crate) fn open(&self, caller: Caller, pool_id: u32) -> Result<Access<'_>, NoPool> {
        // The mask keeps a mispredicted bound from reading past the slots.
        let masked = pool_id % POOLS_PER_CLIENT;
        if masked != pool_id {
            return Err(NoPool);
        }
        let client = self.clients.known(u32::from(caller.client.0)).ok_or(NoPool)?;
        let slot = &client.slots[masked as usize];
        let word = SlotWord(slot.word.load(Acquire));
        if !word.is_live() {
            return Err(NoPool);
        }
        let shards = self.pools.known(word.pool()).ok_or(NoPool)?.shards();
        Ok(Access { caller, client, slot, word, shards })
    }

    /// Opens a pool, also of a domain that is being saved while it runs.
    #[cold]
    #[inline(never)]
    pub(crate) fn open_saving(&self, caller: Caller, pool_id: u32) -> Result<Access<'_>, NoPool> {
        let slot = self.slot(caller.client, pool_id).ok_or(NoPool)?;
        let word = SlotWord(slot.word.load(Acquire));
        if !word.is_usable() {
            return Err(NoPool);
        }
        // As if it were live: whether it is must be asked again under the shard's lock.
        let word = word.with_state(SlotState::Live);
        let access = self.reopen(caller, pool_id, word).ok_or(NoPool)?;
        // The record of a domain that has died since may serve another, and the slot is that one's then.
        let is_its = access.client.domain.load(Relaxed) == caller.domain.0;
        if is_its { Ok(access) } else { Err(NoPool) }
    }

    /// A pool that the call opened, opened again where the first time is not at hand; as it was then,
    /// so [`Access::is_current`] tells whether it still is.
    pub(crate) fn reopen(
        &self,
        caller: Caller,
        pool_id: u32,
        word: SlotWord,
    ) -> Option<Access<'_>> {
        let client = self.client(caller.client)?;
        let slot = client.slots.get(pool_id as usize)?;
        let shards = self.pools.known(word.pool())?.shards();
        Some(Access { caller, client, slot, word, shards })
    }

    /// Whose account the pool's metadata goes to.
    pub(crate) fn payer<'a>(&self, client: ClientId, pool: Pool<'a>) -> Payer<'a> {
        let domain = if pool.is_persistent() {
            self.client(client).map(|client| DomainId(client.domain.load(Relaxed)))
        } else {
            None
        };
        Payer { domain, nr_metadata: Some(pool.nr_metadata()) }
    }

    /// The members of a shared pool, as a caller who holds one of its shards' locks sees them;
    /// `None` in a private pool.
    #[inline(always)]
    pub(crate) fn members(&self, access: &Access<'_>) -> Option<Members<'_>> {
        (access.is_kind(Kind::Shared)).then(|| {
            let somebody_left = access.pool().nr_leaving.load(Acquire) > 0;
            Members::new(&self.clients, access.word.pool(), access.own(), somebody_left)
        })
    }

    /// Whether the pool's owner is frozen.
    #[inline(always)]
    pub(crate) fn is_frozen(&self, access: &Access<'_>) -> bool {
        if access.is_kind(Kind::Shared) {
            return self.client(access.owner()).is_some_and(|owner| owner.frozen.load(Relaxed));
        }
        access.client.frozen.load(Relaxed)
    }

    /// Ends a hold of a shard's lock in which something changed: tells others, releases the lock,
    /// and frees what was left empty.
    #[inline(always)]
    pub(crate) fn release(&self, shard: &Shard, state: Guard<'_, State, H>, access: &Access<'_>) {
        shard.publish_pages(&state, access.aging());
        if state.has_news() {
            self.release_all(shard, state, access.payer());
        }
    }

    /// As `release`, where more than pages may have changed.
    #[cold]
    #[inline(never)]
    pub(crate) fn release_all(
        &self,
        shard: &Shard,
        mut state: Guard<'_, State, H>,
        payer: Payer<'_>,
    ) {
        let mut garbage = Garbage::<0>::new();
        shard.publish(&state);
        state.collect(&mut garbage);
        drop(state);
        garbage.free(&self.host, payer);
    }

    /// Gives a frame back, and takes back its charge if it has one.
    #[inline]
    pub(crate) fn free_frame(&self, frame: Frame, charged: Option<DomainId>) {
        self.host.give_frame(frame);
        if let Some(domain) = charged {
            self.host.uncharge(domain, 1);
        }
    }

    /// The next stamp of age.
    pub(crate) fn tick(&self) -> u64 {
        self.clock.0.fetch_add(1, Relaxed)
    }
}

impl<'a> Access<'a> {
    /// Whether the pool id still stands for the pool. To be asked under the shard's lock: who
    /// destroys the pool or leaves it changes the id first and takes each shard's lock then.
    #[inline(always)]
    pub(crate) fn is_current(&self) -> bool {
        self.slot.word.load(Acquire) == self.word.0
    }

    /// Whether the pool id still stands for the pool, and the domain is being saved while it runs: to
    /// be asked in the same way as [`is_current`](Self::is_current), which then denies.
    pub(crate) fn is_saving(&self) -> bool {
        self.slot.word.load(Acquire) == self.word.with_state(SlotState::Saving).0
    }

    /// Whether the pool id still stands for the pool, saved or not; to be asked in the same way.
    pub(crate) fn is_usable(&self) -> bool {
        let word = SlotWord(self.slot.word.load(Acquire));
        word.is_usable() && word.with_state(SlotState::Live) == self.word
    }

    /// The client and domain that call.
    #[inline(always)]
    pub(crate) const fn caller(&self) -> Caller {
        self.caller
    }

    /// What the pool id stood for when the call began.
    #[inline(always)]
    pub(crate) const fn word(&self) -> SlotWord {
        self.word
    }

    /// The domain that calls.
    #[inline(always)]
    pub(crate) const fn domain(&self) -> DomainId {
        self.caller.domain
    }

    /// What the pool is.
    pub(crate) const fn kind(&self) -> Kind {
        if self.is_kind(Kind::Persistent) {
            Kind::Persistent
        } else if self.is_kind(Kind::Shared) {
            Kind::Shared
        } else {
            Kind::Private
        }
    }

    /// Whether the pool is of this kind.
    #[inline(always)]
    pub(crate) const fn is_kind(&self, kind: Kind) -> bool {
        self.word.is_kind(kind)
    }

    /// The pool.
    #[inline(always)]
    pub(crate) const fn pool(&self) -> Pool<'a> {
        Pool::of(self.shards)
    }

    /// The client that answers for the pool.
    pub(crate) fn owner(&self) -> ClientId {
        ClientId(self.pool().owner.load(Relaxed))
    }

    /// Who pays for the pool's frames and metadata.
    pub(crate) const fn payer(&self) -> Payer<'a> {
        Payer { domain: self.charged(), nr_metadata: Some(self.pool().nr_metadata()) }
    }

    /// The domain that is charged for the pool's frames.
    #[inline(always)]
    pub(crate) const fn charged(&self) -> Option<DomainId> {
        if self.is_kind(Kind::Persistent) { Some(self.caller.domain) } else { None }
    }

    /// Whether the pool's pages are in the log of ages.
    #[inline(always)]
    pub(crate) const fn aging(&self) -> Aging {
        if self.is_kind(Kind::Persistent) { Aging::Ageless } else { Aging::Aged }
    }

    /// The client that calls.
    pub(crate) const fn client(&self) -> ClientId {
        self.caller.client
    }

    /// The pool's record number.
    pub(crate) const fn pool_number(&self) -> u32 {
        self.word.pool()
    }

    /// The client's stay in the pool.
    #[inline(always)]
    pub(crate) fn own(&self) -> Membership {
        Membership { client: self.caller.client.0, epoch: self.slot.epoch.load(Relaxed) }
    }

    /// The shard that holds the page of this name.
    #[inline(always)]
    pub(crate) const fn shard(&self, name: &PageName) -> &'a Shard {
        &self.shards[name.block_hash.shard() % SHARDS]
    }
}

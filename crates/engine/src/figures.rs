//! What the operator is told: of a pool, of a client, of a group of pools.
//!
//! Nothing here waits for more than one shard's lock at a time, which is held for the reading of its
//! few counters. So the figures of one shard are exact, and their sums are as exact as the calls that
//! come in between let them be.

use crate::Lifetime;
use crate::client::{Client, ClientId, LIVE, NO_MEMBER, Slot, SlotState, SlotWord};
use crate::engine::{Engine, POOLS_MAX};
use crate::host::{DomainId, Host};
use crate::limits::{CLIENTS_MAX, DOMAINS};
use crate::pool::{self, Pool};
use crate::rare::RareCounts;
use crate::registry::{Registry, SharedPool, member_parts};
use crate::stats::PoolStats;
use crate::sync::atomic::Ordering::{Acquire, Relaxed};

/// What a pool or several of them hold, and what happened there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Pages in ephemeral pools that can be found.
    pub ephemeral_pages: u64,
    /// Pages in persistent pools that can be found.
    pub persistent_pages: u64,
    /// Pages that can't be found any more and wait to be freed.
    pub unreachable_pages: u64,
    /// Frames that hold pages, findable or not.
    pub frames: u64,
    /// Frames of metadata for pages and objects.
    pub metadata_frames: u64,
    /// Events on the data path.
    pub stats: PoolStats,
    /// Other events.
    pub rare: RareCounts,
}

impl Figures {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.ephemeral_pages += other.ephemeral_pages;
        self.persistent_pages += other.persistent_pages;
        self.unreachable_pages += other.unreachable_pages;
        self.frames += other.frames;
        self.metadata_frames += other.metadata_frames;
        self.stats.add_all(&other.stats);
        self.rare.add(&other.rare);
    }
}

/// A pool as the toolstack sees it, by a client's id for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolView {
    /// How long it keeps its pages.
    pub lifetime: Lifetime,
    /// Its name, if it is shared.
    pub uuid: Option<[u64; 2]>,
    /// Whether it is being destroyed, or left by the client.
    pub is_dying: bool,
    /// The domain that owns it.
    pub owner: DomainId,
    /// The owner's weight.
    pub weight: u32,
    /// Whether the owner is frozen.
    pub frozen: bool,
    /// Ids, of whatever client, that stand for it.
    pub nr_members: u32,
}

/// A client as the toolstack sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientView {
    /// Pool ids in use, those of pools that are being destroyed included.
    pub nr_pools: u32,
    /// Whether its puts of new pages are refused.
    pub frozen: bool,
    /// Whether it is dying.
    pub is_dying: bool,
    /// Its part of ephemeral memory against others' weights.
    pub weight: u32,
}

/// What the host has that no pool has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostFigures {
    /// Clients that there are.
    pub nr_clients: u32,
    /// Sum of their weights.
    pub weight_sum: u64,
    /// Frames of the records of clients and pools, and of their histograms.
    pub record_frames: u64,
}

/// What a search by number found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This one.
    Found(DomainId),
    /// Nothing yet; go on from this one.
    GoOnFrom(DomainId),
    /// There is none.
    End,
}

/// Domain numbers that one step of a search looks at.
const NUMBERS_PER_STEP: usize = 4096;
/// Pools that one step of a sum looks at.
const POOLS_PER_STEP: u32 = 32;
/// Clients' records that one step looks at.
const CLIENTS_PER_STEP: u32 = 64;

impl<H: Host> Engine<H> {
    /// The client with the least number at or after `from`, looking at a bounded part of the numbers.
    pub fn next_client(&self, from: DomainId) -> Next {
        let from = usize::from(from.0);
        let end = (from + NUMBERS_PER_STEP).min(DOMAINS);
        for number in from..end {
            let Ok(number) = u16::try_from(number) else { return Next::End };
            if self.client_of(DomainId(number)).is_some() {
                return Next::Found(DomainId(number));
            }
        }
        u16::try_from(end).map_or(Next::End, |next| Next::GoOnFrom(DomainId(next)))
    }

    /// Calls `visit` for the domains of some of the clients, in no order. Returns where to go on;
    /// `None` at the end. Clients that come or go between two steps may be missed.
    pub fn visit_clients(&self, from: u32, mut visit: impl FnMut(DomainId)) -> Option<u32> {
        let end = from.saturating_add(CLIENTS_PER_STEP).min(CLIENTS_MAX);
        for number in from..end {
            let client = self.clients.get(number)?;
            let domain = DomainId(client.domain.load(Relaxed));
            let is_it = |caller: crate::client::Caller| u32::from(caller.client.0) == number;
            if self.client_of(domain).is_some_and(is_it) {
                visit(domain);
            }
        }
        (end < CLIENTS_MAX).then_some(end)
    }

    /// A client, if the domain is one.
    #[inline(never)]
    pub fn client_view(&self, domain: DomainId) -> Option<ClientView> {
        let state = self.client_state(domain)?;
        let client = self.client(self.client_of(domain)?.client)?;
        Some(ClientView {
            nr_pools: state.nr_pools,
            frozen: state.frozen,
            weight: state.weight,
            is_dying: client.state.load(Relaxed) != LIVE,
        })
    }

    /// What a client's pools, those that it owns, hold in sum: ephemeral ones, then persistent ones.
    /// Pools that are being destroyed count. Nothing, if the domain is no client.
    #[inline(never)]
    pub fn client_figures(&self, domain: DomainId, lifetime: Lifetime) -> Figures {
        let mut sum = Figures::default();
        let Some(caller) = self.client_of(domain) else { return sum };
        let Some(client) = self.client(caller.client) else { return sum };
        for (at, slot) in client.slots.iter().enumerate() {
            let word = SlotWord(slot.word.load(Acquire));
            if let Some(pool) = self.pool_owned(caller.client, client, at, word)
                && pool.is_persistent() == (lifetime == Lifetime::Persistent)
            {
                let figures = self.figures_of(pool);
                // The record may have been reused for another's pool meanwhile.
                if is_same_pool(slot, word) {
                    sum.add(&figures);
                }
            }
        }
        sum
    }

    /// The pool that a client's word stands for, if the client owns it and has no earlier id for it.
    fn pool_owned(
        &self,
        id: ClientId,
        client: &Client,
        at: usize,
        word: SlotWord,
    ) -> Option<Pool<'_>> {
        if !matches!(word.state(), SlotState::Live | SlotState::Saving | SlotState::Dying) {
            return None;
        }
        let pool = self.pools.get(word.pool())?;
        let is_earlier = |slot: &Slot| SlotWord(slot.word.load(Acquire)) == word;
        let is_counted = pool.is_shared() && client.slots.iter().take(at).any(is_earlier);
        (pool.owner.load(Relaxed) == id.0 && !is_counted).then_some(pool)
    }

    /// A client's pool, if there is one by this id, what it holds and what happened there.
    #[inline(never)]
    pub fn pool_view(&self, domain: DomainId, pool_id: u32) -> Option<(PoolView, Figures)> {
        let slot = self.slot(self.client_of(domain)?.client, pool_id)?;
        let word = SlotWord(slot.word.load(Acquire));
        let pool = self.pools.get(word.pool()).filter(|_| word != SlotWord::EMPTY)?;
        let figures = self.figures_of(pool);
        let registry = self.registry.lock(&self.host);
        // One that is being left may be gone, and its record reused.
        if !is_same_pool(slot, word) || !word.is_of(pool.generation.load(Acquire)) {
            return None;
        }
        let word = SlotWord(slot.word.load(Relaxed));
        let entry = shared_entry(&registry, word);
        let owner = self.client(ClientId(pool.owner.load(Relaxed)))?;
        let view = PoolView {
            lifetime: if pool.is_persistent() { Lifetime::Persistent } else { Lifetime::Ephemeral },
            uuid: pool.is_shared().then(|| entry.map_or([0; 2], |entry| entry.uuid)),
            is_dying: !word.is_usable(),
            owner: DomainId(owner.domain.load(Relaxed)),
            weight: owner.weight.load(Relaxed),
            frozen: owner.frozen.load(Relaxed),
            nr_members: entry.map_or(1, |entry| entry.nr_members),
        };
        Some((view, figures))
    }

    /// The shared pool in a place of the host's table: its name, a domain and that one's id for it,
    /// how many members there are.
    pub fn shared_pool(&self, place: usize) -> Option<([u64; 2], DomainId, u32, u32)> {
        let registry = self.registry.lock(&self.host);
        let entry = registry.shared.get(place).copied().flatten()?;
        let (client, pool_id) = member_parts(entry.first);
        let domain = DomainId(self.client(client)?.domain.load(Relaxed));
        Some((entry.uuid, domain, pool_id, entry.nr_members))
    }

    /// The domains of a shared pool's first members, in the order of joining; as many as `into` has
    /// room for. Returns how many.
    #[inline(never)]
    pub fn sharers(&self, place: usize, into: &mut [DomainId]) -> usize {
        let registry = self.registry.lock(&self.host);
        let Some(entry) = registry.shared.get(place).copied().flatten() else { return 0 };
        let (mut at, mut nr_found) = (entry.first, 0);
        for place in into {
            let (client, _) = member_parts(at);
            let (false, Some(record), Some(slot)) =
                (at == NO_MEMBER, self.client(client), self.member_slot(at))
            else {
                break;
            };
            *place = DomainId(record.domain.load(Relaxed));
            nr_found += 1;
            at = slot.later.load(Relaxed);
        }
        nr_found
    }

    /// Shared pools that the host may have: places of [`shared_pool`](Self::shared_pool).
    pub const SHARED_PLACES: usize = crate::registry::SHARED_POOLS;

    /// Adds to `sum` what some of the pools hold, and what happened there; at the beginning, from 0,
    /// also what happened in pools that are gone. Returns how many of them are in use and where to go
    /// on, `None` at the end.
    ///
    /// A pool that goes between two steps may be missing in the sum, or count twice.
    #[inline(never)]
    pub fn sum_pools(&self, from: u32, sum: &mut Figures) -> (u32, Option<u32>) {
        if from == 0 {
            let registry = self.registry.lock(&self.host);
            let (stats, rare) = (registry.retired, registry.retired_rare);
            drop(registry);
            sum.stats.add_all(&stats);
            sum.rare.add(&rare);
        }
        let mut nr_used = 0;
        let end = from.saturating_add(POOLS_PER_STEP).min(POOLS_MAX);
        for number in from..end {
            let Some(pool) = self.pools.get(number) else { return (nr_used, None) };
            let state = pool.state.load(Acquire);
            if state != pool::FREE {
                nr_used += u32::from(state == pool::IN_USE);
                sum.add(&self.figures_of(pool));
            }
        }
        (nr_used, (end < POOLS_MAX).then_some(end))
    }

    /// Frames that are never given back: the records of clients and pools, and their histograms.
    pub(crate) fn kept_frames(&self) -> u64 {
        self.clients.nr_segments() + self.pools.nr_frames() + self.latencies.nr_segments()
    }

    /// What the host has that no pool has.
    pub fn host_figures(&self) -> HostFigures {
        HostFigures {
            nr_clients: self.registry.lock(&self.host).nr_living,
            weight_sum: self.weight_sum.load(Relaxed),
            record_frames: self.kept_frames(),
        }
    }

    #[inline(never)]
    fn figures_of(&self, pool: Pool<'_>) -> Figures {
        let mut figures = Figures {
            metadata_frames: u64::from(pool.nr_metadata.load(Relaxed)),
            rare: pool.rare_counts(),
            ..Figures::default()
        };
        for shard in pool.shards() {
            let state = shard.state.lock(&self.host);
            let (stats, nr_pages, nr_live) = (state.stats, state.nr_pages(), state.nr_live());
            let nr_orphans = state.nr_orphans();
            drop(state);
            figures.stats.add(&stats, nr_pages);
            figures.stats.pages += u64::from(nr_live);
            figures.unreachable_pages += u64::from(nr_pages - nr_live);
            figures.frames += u64::from(nr_pages) + u64::from(nr_orphans);
        }
        if pool.is_persistent() {
            figures.persistent_pages = figures.stats.pages;
        } else {
            figures.ephemeral_pages = figures.stats.pages;
        }
        figures
    }
}

/// Whether a slot still stands for the pool that it stood for, be it dying meanwhile.
fn is_same_pool(slot: &Slot, before: SlotWord) -> bool {
    let now = SlotWord(slot.word.load(Acquire));
    now.state() != SlotState::Empty
        && now.with_state(SlotState::Empty) == before.with_state(SlotState::Empty)
}

/// The entry of a shared pool that can be joined.
fn shared_entry(registry: &Registry, word: SlotWord) -> Option<SharedPool> {
    registry.shared.iter().flatten().find(|entry| entry.pool == word.pool()).copied()
}

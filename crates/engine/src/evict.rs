//! Eviction: which page goes when the host has no frame.
//!
//! The order is least recently used: age counts from the put that created a page, a duplicate put
//! does not refresh it, a get in a shared pool does (R42). An exclusive get removes the page, so in
//! private pools this is first in, first out.
//!
//! Each shard keeps its pages in the order of their stamps, which one counter gives out under the
//! shard's lock. So the host's oldest page is the oldest among the shards' oldest. Each shard tells,
//! without a lock, a lower bound of its oldest stamp; and to find the least of many, a heap holds one
//! for each ephemeral pool. New pages are younger than all that exist, so an oldest stamp only grows
//! and a bound stays a bound without anybody keeping it up to date: a put or a get touches neither
//! the heap nor, if it removes the oldest page, the shard's bound. Eviction looks at the pool and the
//! shard with the least bounds; if the true oldest page there is younger, the bound is raised and
//! the choice made again.
//!
//! The order is exact for calls that do not overlap, unless many shards have lost their oldest page
//! since eviction was last there. Where calls overlap, a page may be passed over by as many as are
//! being put at that moment.

use crate::NoMemory;
use crate::client::{ClientId, SlotState, SlotWord};
use crate::engine::Engine;
use crate::frame::Frame;
use crate::host::{DomainId, EvictedPage, Host};
use crate::meta::Payer;
use crate::pool::{FREE, Pool, SHARDS};
use crate::shard::{Aging, Evicted, Shard};
use crate::sync::atomic::Ordering::{Acquire, Relaxed};
use alloc::collections::BinaryHeap;
use alloc::collections::binary_heap::PeekMut;
use core::cmp::Reverse;

/// Raised bounds that one eviction pays for. Each is the price of an earlier removal, so only a
/// guest with very many pools makes one call come near this, and the next call goes on from there.
const RAISES_PER_EVICTION_MAX: u32 = 256;

/// Shards' bounds that a call may raise for each page that it may evict. Each takes a shard's lock, and
/// is the price of an earlier removal. A call that has spent all of them takes the oldest page of the
/// shard that it has come to.
const SHARD_RAISES_PER_EVICTION: u32 = 4;

/// Pools that one eviction passes over because all that it saw there is being read.
const PASSED_OVER_MAX: usize = 3;

/// A pool with a lower bound of its oldest stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bound {
    stamp: u64,
    pool: u32,
}

/// A pool with its oldest page: the shard that has it, and a lower bound of its stamp.
struct Choice<'a> {
    pool: Pool<'a>,
    shard: usize,
    stamp: u64,
}

impl<'a> Choice<'a> {
    /// Looks at all shards of `pool`; `None` when it had no page a moment ago.
    fn of(pool: Pool<'a>) -> Option<Self> {
        let oldest = pool.shards().iter().map(Shard::oldest).enumerate();
        let (shard, stamp) = oldest.min_by_key(|&(_, stamp)| stamp)?;
        (stamp != u64::MAX).then_some(Self { pool, shard, stamp })
    }
}

/// What became of a choice.
enum Attempt {
    /// This frame has come of it.
    Evicted(Frame),
    /// The oldest page there is younger than was thought, and another may be older.
    Younger,
    /// Pages are being read, or gone.
    Nothing,
}

/// What one call may still spend on evictions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Pages that it may evict, or try to.
    evictions: u32,
    /// Shards' bounds that it may raise.
    raises: u32,
}

impl Effort {
    /// For a call that may evict so many pages.
    pub(crate) const fn of(evictions: u32) -> Self {
        Self { evictions, raises: evictions.saturating_mul(SHARD_RAISES_PER_EVICTION) }
    }

    /// Whether no page may be evicted any more.
    pub(crate) const fn is_spent(&self) -> bool {
        self.evictions == 0
    }

    /// What the chosen page's stamp must not be above.
    const fn bound(&self, choice: &Choice<'_>) -> u64 {
        if self.raises > 0 { choice.stamp } else { u64::MAX }
    }
}

/// The order in which pools are asked for their oldest page.
#[derive(Debug)]
pub(crate) struct EvictionQueue {
    heap: BinaryHeap<Reverse<Bound>>,
}

impl EvictionQueue {
    /// A queue with room for `pools_max` pools, all of it allocated now.
    pub(crate) fn new(pools_max: usize) -> Result<Self, NoMemory> {
        let mut heap = BinaryHeap::new();
        heap.try_reserve_exact(pools_max).map_err(|_| NoMemory)?;
        Ok(Self { heap })
    }
}

impl<H: Host> Engine<H> {
    /// Enters an ephemeral pool into the queue. No page in it is older than `now`.
    pub(crate) fn queue_pool(&self, number: u32, pool: Pool<'_>) {
        let stamp = self.clock.0.load(Relaxed);
        let mut queue = self.queue.lock(&self.host);
        // A record that was used before may still be there, with a bound that is low enough.
        if !pool.queued.swap(true, Relaxed) {
            queue.heap.push(Reverse(Bound { stamp, pool: number }));
        }
    }

    /// Evicts the page that the policy chooses, for `requester` needs a frame, and yields its
    /// frame: the host's oldest that nobody is reading, or the oldest of a client that holds more
    /// than its share, be it the requester or another.
    ///
    /// Does nothing if `effort` [is spent](Effort::is_spent).
    #[inline(never)]
    pub(crate) fn evict(&self, requester: ClientId, effort: &mut Effort) -> Option<Frame> {
        if let Some(payer) = self.payer_for(requester)
            && let Some(frame) = self.evict_own(payer, effort)
        {
            return Some(frame);
        }
        self.evict_oldest(effort)
    }

    /// Evicts the oldest page of the pools that `client` owns; as [`evict`](Self::evict).
    #[inline(never)]
    pub(crate) fn evict_own(&self, client: ClientId, effort: &mut Effort) -> Option<Frame> {
        while !effort.is_spent() {
            let oldest =
                self.owned_ephemeral(client).filter_map(Choice::of).min_by_key(|own| own.stamp)?;
            match self.evict_from(&oldest, effort) {
                Attempt::Evicted(frame) => return Some(frame),
                Attempt::Younger => {}
                Attempt::Nothing => break,
            }
        }
        None
    }

    /// Evicts the host's oldest page; as [`evict`](Self::evict).
    pub(crate) fn evict_oldest(&self, effort: &mut Effort) -> Option<Frame> {
        let mut passed_over = [None; PASSED_OVER_MAX];
        let mut frame = None;
        let mut nr_passed = 0;
        while !effort.is_spent()
            && let Some(place) = passed_over.get_mut(nr_passed)
            && let Some((bound, choice)) = self.oldest_pool()
        {
            match self.evict_from(&choice, effort) {
                Attempt::Evicted(evicted) => {
                    frame = Some(evicted);
                    break;
                }
                Attempt::Younger => {}
                Attempt::Nothing => {
                    *place = Some(bound);
                    nr_passed += 1;
                    self.unqueue(bound, choice.pool);
                }
            }
        }
        for bound in passed_over.into_iter().flatten() {
            if let Some(pool) = self.pools.get(bound.pool) {
                let mut queue = self.queue.lock(&self.host);
                if !pool.queued.swap(true, Relaxed) {
                    queue.heap.push(Reverse(bound));
                }
            }
        }
        frame
    }

    /// The pool with the oldest page, with its true stamp; `None` when no pool has a page.
    #[inline(never)]
    fn oldest_pool(&self) -> Option<(Bound, Choice<'_>)> {
        let mut queue = self.queue.lock(&self.host);
        let now = self.clock.0.load(Relaxed);
        for _ in 0..RAISES_PER_EVICTION_MAX {
            let mut top = queue.heap.peek_mut()?;
            let bound = top.0;
            let pool = self.pools.get(bound.pool)?;
            if pool.state.load(Acquire) == FREE || pool.is_persistent() {
                pool.queued.store(false, Relaxed);
                PeekMut::pop(top);
                continue;
            }
            let choice = Choice::of(pool);
            let oldest = choice.as_ref().map_or(u64::MAX, |choice| choice.stamp);
            if let Some(choice) = choice
                && oldest <= bound.stamp
            {
                return Some((Bound { stamp: oldest, ..bound }, choice));
            }
            if bound.stamp >= now {
                // The least bound of all is the present: there is no page.
                return None;
            }
            // An empty pool's next page will be younger than all there are.
            top.0.stamp = oldest.min(now);
        }
        None
    }

    /// Takes a pool out of the queue, if it is at the top with this pool's number.
    #[inline(never)]
    fn unqueue(&self, bound: Bound, pool: Pool<'_>) {
        let mut queue = self.queue.lock(&self.host);
        if let Some(top) = queue.heap.peek_mut()
            && top.0.pool == bound.pool
        {
            pool.queued.store(false, Relaxed);
            PeekMut::pop(top);
        }
    }

    /// Evicts the chosen page; if all that is old there is being read, one of another shard. Spends a
    /// page of `effort`, or if another page may be older, a raise.
    fn evict_from(&self, choice: &Choice<'_>, effort: &mut Effort) -> Attempt {
        let Choice { pool, shard, .. } = *choice;
        let shards = pool.shards();
        let mut attempt =
            self.evict_from_shard(pool, &shards[shard % SHARDS], effort.bound(choice));
        if matches!(attempt, Attempt::Younger) {
            effort.raises -= 1;
            return attempt;
        }
        effort.evictions -= 1;
        for at in shard + 1..shard + SHARDS {
            if matches!(attempt, Attempt::Evicted(_)) {
                break;
            }
            attempt = self.evict_from_shard(pool, &shards[at % SHARDS], u64::MAX);
        }
        if self.weight_sum.load(Relaxed) > 0 {
            self.settle(pool);
        }
        attempt
    }

    #[inline(never)]
    fn evict_from_shard(&self, pool: Pool<'_>, shard: &Shard, bound: u64) -> Attempt {
        let mut state = shard.state.lock(&self.host);
        // The record may have been reused for a persistent pool since it was chosen.
        if pool.aging() == Aging::Ageless {
            return Attempt::Nothing;
        }
        let evicted = state.evict(&self.key, bound, H::REPORTS_EVICTIONS);
        if matches!(evicted, Evicted::Younger) {
            shard.publish_pages(&state, Aging::Aged);
            return Attempt::Younger;
        }
        let payer = Payer { domain: None, nr_metadata: Some(pool.nr_metadata()) };
        self.release_all(shard, state, payer);
        match evicted {
            Evicted::Page(frame, name) => {
                if H::REPORTS_EVICTIONS
                    && let Some((object, index)) = name
                {
                    self.report(pool, object, index);
                }
                Attempt::Evicted(frame)
            }
            Evicted::Younger | Evicted::Nothing => Attempt::Nothing,
        }
    }

    /// Tells the host the name of an evicted page, as the pool's owner knows it.
    fn report(&self, pool: Pool<'_>, object: [u64; 3], index: u32) {
        let owner = ClientId(pool.owner.load(Relaxed));
        let Some(client) = self.client(owner) else {
            return;
        };
        let domain = DomainId(client.domain.load(Relaxed));
        let is_it = |word: SlotWord| {
            word.state() == SlotState::Live
                && self.pools.get(word.pool()).is_some_and(|other| other.is(pool))
        };
        for (pool_id, slot) in (0..).zip(&client.slots) {
            if is_it(SlotWord(slot.word.load(Acquire))) {
                self.host.page_evicted(EvictedPage { owner: domain, pool_id, object, index });
                return;
            }
        }
    }
}

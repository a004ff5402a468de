//! What a client holds of ephemeral memory: for weights (R45) and for the bound on its metadata.

use crate::client::{ClientId, Slot, SlotWord};
use crate::engine::Engine;
use crate::host::Host;
use crate::policy::{Policy, Share, Victim};
use crate::pool::Pool;
use crate::sync::atomic::Ordering::{Acquire, Relaxed};

/// Frames of metadata that a client's ephemeral pools may always have. A shard that once held much
/// keeps up to 19 when it is empty (a chunk, and root and leaf of two arrays, for ages, blocks and
/// maps; the index's directory, root, leaf and first table), so sixteen pools keep 2432, and one who
/// has flushed all must be able to begin again.
const METADATA_FRAMES_FLOOR: u64 = 2560;
/// Beyond that, one frame of metadata for so many pages that the client holds. Even scattered pages
/// need a fifth of this.
const PAGES_PER_METADATA_FRAME: u64 = 8;

/// What a client holds in the ephemeral pools that it owns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) pages: u64,
    pub(crate) metadata_frames: u64,
}

impl Holdings {
    /// Whether the client may not have more metadata, for it holds too few pages for what it has.
    pub(crate) const fn is_metadata_exhausted(&self) -> bool {
        self.metadata_frames >= METADATA_FRAMES_FLOOR + self.pages / PAGES_PER_METADATA_FRAME
    }
}

impl<H: Host> Engine<H> {
    /// The ephemeral pools that a client owns, each once.
    pub(crate) fn owned_ephemeral(&self, client: ClientId) -> impl Iterator<Item = Pool<'_>> {
        self.owned(client).filter(|pool| !pool.is_persistent())
    }

    /// The pools that a client owns, each once.
    pub(crate) fn owned(&self, client: ClientId) -> impl Iterator<Item = Pool<'_>> {
        let slots = self.client(client).map_or(&[][..], |client| &client.slots);
        let word = |slot: &Slot| SlotWord(slot.word.load(Acquire));
        slots.iter().enumerate().filter_map(move |(at, slot)| {
            let own = word(slot);
            // Most slots are empty, and this is asked at each fetching of metadata.
            if own == SlotWord::EMPTY || !own.is_usable() {
                return None;
            }
            let pool = self.pools.get(own.pool())?;
            let is_owned = pool.owner.load(Relaxed) == client.0;
            // A pool that was joined twice counts at its first id.
            let is_first = || !slots.iter().take(at).any(|earlier| word(earlier) == own);
            (is_owned && (!pool.is_shared() || is_first())).then_some(pool)
        })
    }

    /// What a client holds, exact when no call is under way in its pools.
    pub(crate) fn holdings(&self, client: ClientId) -> Holdings {
        let mut held = Holdings::default();
        for pool in self.owned_ephemeral(client) {
            held.pages += self.settle(pool);
            held.metadata_frames += u64::from(pool.nr_metadata.load(Relaxed));
        }
        held
    }

    /// Brings the host's count of ephemeral pages up to date with one pool; tells the pool's.
    ///
    /// The host's count is a sum of what each pool told last, so that puts and gets need not write
    /// to a place that all CPUs share.
    pub(crate) fn settle(&self, pool: Pool<'_>) -> u64 {
        let now = pool.nr_live();
        let before = pool.settled.swap(now, Relaxed);
        if now != before {
            self.ephemeral_pages.fetch_add(now.wrapping_sub(before), Relaxed);
        }
        now
    }

    /// What a client holds and is entitled to; `None` unless it has a weight beside others.
    fn share(&self, client: ClientId) -> Option<Share> {
        let weight_sum = self.weight_sum.load(Relaxed);
        let weight = self.client(client).map_or(0, |client| client.weight.load(Relaxed));
        if weight == 0 || u64::from(weight) == weight_sum {
            return None;
        }
        let held_pages = self.holdings(client).pages;
        let all_pages = self.ephemeral_pages.load(Relaxed);
        Some(Share { held_pages, all_pages, weight, weight_sum })
    }

    /// Whose oldest page goes when `requester` needs a frame; `None`: the host's oldest.
    #[inline(never)]
    pub(crate) fn payer_for(&self, requester: ClientId) -> Option<ClientId> {
        let share = self.share(requester)?;
        self.settle_next();
        match H::Policy::victim(share) {
            Victim::Host => None,
            Victim::Requester => {
                // One who pays for itself is who can pay for others.
                self.exceeding.store(requester.0, Relaxed);
                Some(requester)
            }
            Victim::Exceeding => {
                // A hint: the client may have shrunk or died since.
                let other = ClientId(self.exceeding.load(Relaxed));
                let pays = H::Policy::victim(self.share(other)?) == Victim::Requester;
                pays.then_some(other)
            }
        }
    }

    /// Settles the next pool in turn: the host's count must hear of pages that were put without
    /// need of eviction, in pools that nobody evicts from, too.
    pub(crate) fn settle_next(&self) {
        let turn = self.settle_turn.fetch_add(1, Relaxed);
        match self.pools.get(turn) {
            Some(pool) if !pool.is_persistent() => {
                self.settle(pool);
            }
            Some(_) => {}
            None => self.settle_turn.store(0, Relaxed),
        }
    }
}

//! What the host may have back, and giving it: the other half of memory that no guest owns.
//!
//! The host calls this where its own allocator is about to fail, perhaps with locks of its own held.
//! Nothing here allocates, charges or gives back a charge: it evicts, and frees what that leaves.

use crate::engine::Engine;
use crate::evict::Effort;
use crate::host::Host;
use crate::pool::FREE;
use crate::sync::atomic::Ordering::{Acquire, Relaxed};

/// Pools that one estimate counts anew.
const POOLS_PER_ESTIMATE: u32 = 16;

impl<H: Host> Engine<H> {
    /// Evicts up to `pages` of the host's oldest pages and gives their frames back, not into a stock
    /// ([`Host::give_back`]). Returns how many frames that were; fewer when no page is left, or when
    /// those looked at are being read.
    ///
    /// The time that it takes is that of `pages` evictions, whatever is stored. It may be called on a
    /// CPU whose own call has called into the host, since no such call is made with a lock held.
    pub fn reclaim(&self, pages: u32) -> u32 {
        let mut effort = Effort::of(pages);
        let mut freed = 0;
        while let Some(frame) = self.evict_oldest(&mut effort) {
            self.host.give_back(frame);
            freed += 1;
        }
        freed
    }

    /// Pages that eviction can take, and frames that it would give back: those of ephemeral pools
    /// which can be found now, no metadata. Exact when no call is under way.
    ///
    /// Takes no lock. Its time grows with the number of pools that there ever were, which is bounded.
    pub fn freeable_pages(&self) -> u64 {
        let pools = (0..).map_while(|number| self.pools.get(number));
        let ephemeral =
            pools.filter(|pool| pool.state.load(Acquire) != FREE && !pool.is_persistent());
        ephemeral.map(|pool| self.settle(pool)).sum()
    }

    /// About as many: each pool as it was when it was last counted, some of them anew. All of them
    /// have been counted after as many calls as there are groups of pools.
    pub fn freeable_estimate(&self) -> u64 {
        for _ in 0..POOLS_PER_ESTIMATE {
            self.settle_next();
        }
        self.ephemeral_pages.load(Relaxed)
    }
}

//! Evictions as the host heard of them: allowed ones, in the right order.

use super::state::Model;
use super::{Seen, Verdict};
use hypercall_abi::ObjectId;
use tmem_engine::EvictedPage;
use tmem_host_sim::Fault;

/// Pages that one put may evict.
pub const EVICTED_PER_PUT_MAX: usize = 8;

impl Model {
    /// Judges the evictions of one call and carries them out.
    pub(crate) fn evict(&mut self, seen: &Seen) -> Verdict {
        if seen.evicted.len() > EVICTED_PER_PUT_MAX {
            return Err(format!("one call evicted {} pages", seen.evicted.len()));
        }
        let is_lacking = seen.refused(Fault::Frame) || seen.refused(Fault::Metadata);
        if !seen.evicted.is_empty() && !is_lacking {
            return Err(format!("evicted with memory to spare: {:?}", seen.evicted));
        }
        seen.evicted.iter().try_for_each(|page| self.evict_one(page))
    }

    fn evict_one(&mut self, evicted: &EvictedPage) -> Verdict {
        let page = (ObjectId(evicted.object), evicted.index);
        let slot = usize::from(evicted.pool_id);
        // An owner that joined twice has two names for the pool.
        let named = self.pools.iter().find(|(_, pool)| {
            pool.owner == evicted.owner && pool.members.contains(&(evicted.owner, slot))
        });
        let oldest = self.ages.first_key_value().map(|(_, &place)| place);
        match named {
            Some((&key, pool)) if pool.pages.contains_key(&page) => {
                if pool.is_persistent {
                    return Err(format!("evicted a persistent page: {evicted:?}"));
                }
                if oldest != Some((key, page)) {
                    return Err(format!("evicted {evicted:?}, but the oldest is {oldest:?}"));
                }
                let _ = self.remove(key, page);
                Ok(())
            }
            _ => {
                // A page that is dead, but not swept yet, may be taken at any time.
                let grave = self.graves.iter().position(|&(_, dead)| dead == page);
                let grave = grave.ok_or_else(|| format!("evicted no page of ours: {evicted:?}"))?;
                self.graves.swap_remove(grave);
                Ok(())
            }
        }
    }

    /// Whether a put may say that there is no memory: the host refused some, and eviction went to
    /// its bound or found nothing more.
    pub(crate) fn is_out_of_memory(&self, seen: &Seen) -> bool {
        // Pages that are dead already are taken without a report.
        let evicted_enough =
            seen.evicted.len() == EVICTED_PER_PUT_MAX || self.ages.is_empty() || !self.is_settled();
        (seen.refused(Fault::Frame) || seen.refused(Fault::Metadata)) && evicted_enough
    }

    /// Whether a put may say that it found no frame at all, not even the spare. One that may not
    /// add a page, since its domain is at its maximum, need not cost another its page first.
    pub(crate) fn is_out_of_frames(&self, seen: &Seen) -> bool {
        seen.refused(Fault::Frame)
            && seen.refused(Fault::Spare)
            && (self.is_out_of_memory(seen) || seen.refused(Fault::Charge))
    }
}

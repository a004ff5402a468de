//! Evictions as the host heard of them: allowed ones, in the right order.

use super::state::{Model, PageKey, PoolKey};
use super::{Seen, Verdict};
use hypercall_abi::ObjectId;
use tmem_engine::EvictedPage;
use tmem_host_sim::Fault;
use tmem_service::DomainId;

/// Pages that one put may evict.
pub const EVICTED_PER_PUT_MAX: usize = 8;

/// No domain has this number.
const NOBODY: DomainId = DomainId(u16::MAX);

impl Model {
    /// Judges the evictions of one call and carries them out.
    pub(crate) fn evict(&mut self, caller: DomainId, seen: &Seen) -> Verdict {
        if seen.evicted.len() > EVICTED_PER_PUT_MAX {
            return Err(format!("one call evicted {} pages", seen.evicted.len()));
        }
        let is_lacking = seen.refused(Fault::Frame) || seen.refused(Fault::Metadata);
        if !seen.evicted.is_empty() && !is_lacking {
            return Err(format!("evicted with memory to spare: {:?}", seen.evicted));
        }
        seen.evicted.iter().try_for_each(|page| self.evict_one(caller, page))
    }

    /// Judges evictions that the host asked for: the oldest page each, until enough are gone or none
    /// is left.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn reclaim(&mut self, wanted: u32, freed: u32, evicted: &[EvictedPage]) -> Verdict {
        let nr_there = self.ages.len();
        // No requester: nobody's weight has a say.
        evicted.iter().try_for_each(|page| self.evict_one(NOBODY, page))?;
        let nr_taken = nr_there - self.ages.len();
        let nr_freed = usize::try_from(freed).unwrap_or(usize::MAX);
        // Pages that are dead already are taken without a report.
        if nr_freed < nr_taken || (nr_freed > nr_taken && self.is_settled()) {
            return Err(format!("{nr_taken} pages went, and {freed} frames are said to be freed"));
        }
        if freed > wanted || (freed < wanted && !self.ages.is_empty()) {
            return Err(format!("{wanted} frames were wanted, {freed} freed, and more were there"));
        }
        Ok(())
    }

    fn evict_one(&mut self, caller: DomainId, evicted: &EvictedPage) -> Verdict {
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
                let pays = || self.may_pay(caller, evicted.owner);
                if oldest != Some((key, page))
                    && !(pays() && self.oldest_of(evicted.owner) == Some((key, page)))
                {
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

    /// Whether the put of one client may cost another (or itself) its oldest page, though that is
    /// not the oldest of all: only where both have a weight beside others. Which of the two orders
    /// it must be follows from shares, which the engine may know a little late.
    fn may_pay(&self, requester: DomainId, payer: DomainId) -> bool {
        self.has_share(requester) && self.has_share(payer)
    }

    /// Whether a client has a weight, and is not the only one.
    fn has_share(&self, domain: DomainId) -> bool {
        let weighted = || self.clients.iter().filter(|(_, client)| client.weight > 0);
        // A dying client's weight counts until its destruction is finished.
        let nr_others = weighted().filter(|&(&other, _)| other != domain).count();
        weighted().any(|(&other, _)| other == domain) && (nr_others > 0 || !self.is_settled())
    }

    /// The oldest page in the ephemeral pools that a client owns.
    fn oldest_of(&self, owner: DomainId) -> Option<(PoolKey, PageKey)> {
        let owned = self.pools.values().filter(|pool| pool.owner == owner);
        let oldest = owned.filter_map(|pool| pool.ages.first()).min()?;
        self.ages.get(oldest).copied()
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

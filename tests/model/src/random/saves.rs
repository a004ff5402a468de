//! Saves in random scripts: begun, iterated a few pages at a time, their logs read, ended; now and
//! then to a copy that is compared with what it is a copy of.

use super::{DOMAINS, Script};
use hypercall_abi::{Handle, NewPool, Op};
use tmem_host_sim::{Content, DomainSpec};
use tmem_service::DomainId;

/// The domain that copies are restored as; it makes no calls of its own.
pub(super) const TARGET: u16 = DOMAINS + 1;

/// A live save whose pages go into [`TARGET`] as they come.
pub(super) struct Carry {
    source: u16,
    /// Pools whose pages are still to come, the present one last.
    pools: Vec<u32>,
}

impl Script {
    /// A few of the toolstack's calls for one of the domains.
    pub(super) fn save_step(&mut self) {
        let carried = self.carry.as_ref().map(|carry| carry.source);
        let domain = carried.filter(|_| !self.rng.one_in(3)).unwrap_or_else(|| self.domain());
        if self.world.host().domain(DomainId(domain)).is_dying() {
            // Whether a domain is a client until its destruction begins is of no interest.
            return;
        }
        let is_saved = self.world.model().is_saved(DomainId(domain));
        match self.rng.below(16) {
            0 => self.begin_save(domain),
            1..9 if !is_saved => self.begin_save(domain),
            1..10 => self.save_pages(domain),
            10 | 11 => drop(self.world.save_removals(domain)),
            12..15 if self.is_carried(domain) => self.finish_carry(domain),
            _ => self.end_save(domain),
        }
    }

    fn begin_save(&mut self, domain: u16) {
        if !self.world.model().is_saved(DomainId(domain)) {
            self.fill(domain);
        }
        let is_live = !self.rng.one_in(4);
        let has_begun = self.world.save_begin(domain, is_live) == 0;
        if has_begun && is_live && self.carry.is_none() {
            self.begin_carry(domain);
        }
    }

    /// Something to save, if there is room.
    fn fill(&mut self, domain: u16) {
        self.world.set_frozen(domain, false);
        let kind = NewPool { flags: crate::flags::PERSISTENT, uuid: self.uuid() };
        if self.world.model().persistent_pools(DomainId(domain)).is_empty() {
            self.world.call(domain, Op::NewPool(kind));
        }
        for pool_id in self.world.model().persistent_pools(DomainId(domain)) {
            for _ in 0..self.rng.pick(&[0, 5, 30, 100]) {
                let handle = Handle { pool_id, ..self.handle(domain) };
                self.put(domain, handle);
            }
        }
    }

    fn begin_carry(&mut self, source: u16) {
        let pools = self.world.model().persistent_pools(DomainId(source));
        let has_begun = self.world.restore_begin(TARGET) == 0;
        if has_begun && pools.iter().all(|&pool_id| self.world.restore_pool(TARGET, pool_id) == 1) {
            self.carry = Some(Carry { source, pools });
        } else {
            self.end_carry();
        }
    }

    pub(super) fn is_carried(&self, domain: u16) -> bool {
        self.carry.as_ref().is_some_and(|carry| carry.source == domain)
    }

    /// A few pages of one pool. What is carried comes pool by pool, all else in any order.
    fn save_pages(&mut self, domain: u16) {
        if self.is_carried(domain) {
            for _ in 0..self.rng.below(40) {
                self.carry_page();
                if self.rng.one_in(4) {
                    self.disturb(domain);
                }
            }
            return;
        }
        let pool_id = self.handle(domain).pool_id;
        for _ in 0..self.rng.below(40) {
            self.world.save_page(domain, pool_id);
        }
    }

    /// The guest that is being saved does something to one of its pages, sent or not.
    fn disturb(&mut self, domain: u16) {
        let saved = self.world.model().persistent_pools(DomainId(domain));
        let mut pages = self.world.model().pages(DomainId(domain));
        pages.retain(|(handle, _)| saved.contains(&handle.pool_id));
        if pages.is_empty() {
            return;
        }
        let handle = pages[usize::try_from(self.rng.below(pages.len() as u64)).unwrap_or(0)].0;
        match self.rng.below(8) {
            0..4 => drop(self.world.flush(domain, handle)),
            4 | 5 => self.put(domain, handle),
            6 => self.get(domain, handle),
            _ => {
                let op = Op::FlushObject { pool_id: handle.pool_id, object: handle.object };
                let _ = self.world.slice(domain, op, Content::ZERO);
            }
        }
    }

    /// The next page of what is carried, into the copy. `false`: there is no further one.
    fn carry_page(&mut self) -> bool {
        let Some(Carry { source, pools }) = &mut self.carry else { return false };
        let (source, Some(&pool_id)) = (*source, pools.last()) else { return false };
        match self.world.save_page(source, pool_id) {
            (1, Some((handle, content))) => {
                if self.world.restore_put(TARGET, handle, content) != 1 {
                    // No memory, or somebody has frozen all.
                    self.end_carry();
                }
            }
            (-1, _) => drop(pools.pop()),
            // It has died or begun anew meanwhile.
            _ => self.end_carry(),
        }
        true
    }

    /// The guest stops: the rest of the pages, then the log; the copy is what it is a copy of.
    fn finish_carry(&mut self, source: u16) {
        while self.carry_page() {}
        if self.carry.is_none() {
            return;
        }
        let Ok(removals) = self.world.save_removals(source) else { return self.end_carry() };
        for removed in removals {
            self.world.restore_remove(TARGET, removed);
        }
        let verdict = self.world.model().is_restored(DomainId(source), DomainId(TARGET));
        self.world.require(verdict);
        // What the model says of the copy is asked of the service as well.
        for (handle, _) in self.world.model().pages(DomainId(TARGET)) {
            self.world.get(TARGET, handle);
        }
        self.end_save(source);
    }

    fn end_save(&mut self, domain: u16) {
        if self.is_carried(domain) {
            self.end_carry();
        }
        // Its log is judged at the latest now.
        let _ = self.world.save_removals(domain);
        self.world.save_end(domain);
    }

    /// Ends a carry, finished or not: whoever it was restored as is gone.
    pub(super) fn end_carry(&mut self) {
        self.carry = None;
        self.world.destroy_domain(TARGET);
        self.world.create_domain(DomainSpec::new(TARGET));
    }
}

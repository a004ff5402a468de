//! Pools and clients: creation, joining, destruction, freezing, authorisation, judged.

use super::state::{AUTHORISED_MAX, Grave, Model, Pool, PoolKey, SHARED_POOLS_MAX, SLOTS, Slot};
use super::{Seen, Verdict};
use crate::answer;
use hypercall_abi::{NewPool, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use tmem_host_sim::Fault;
use tmem_service::{DomainId, Progress};

/// Bits of the flags word, written out a second time: the tests judge `hypercall-abi` too.
const PERSIST: u32 = 1;
const SHARED: u32 = 2;
/// Precompressed, page size, reserved, version.
const MUST_BE_ZERO: u32 = 0x00ff_fff4;
const VERSION_MASK: u32 = 0xff00_0000;
const VERSION_1: u32 = 0x0100_0000;

impl Model {
    /// A call of `caller` came to the service: a domain's first makes it a client.
    ///
    /// `is_client` is what the service says afterwards; it must be one unless there was no memory.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn note_caller(&mut self, caller: DomainId, is_client: bool, seen: &Seen) -> Verdict {
        if is_client && self.dying.contains(&caller) {
            return Err("a dying domain became a client".into());
        }
        let was_client = self.clients.contains_key(&caller);
        if was_client != is_client && was_client {
            return Err("a client vanished".into());
        }
        if !is_client && !self.dying.contains(&caller) && !seen.refused(Fault::Metadata) {
            return Err("a call did not make its caller a client".into());
        }
        if is_client {
            self.clients.entry(caller).or_default();
        }
        Ok(())
    }

    /// Judges NEW_POOL.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn new_pool(&mut self, caller: DomainId, args: NewPool, seen: &Seen) -> Verdict {
        self.evict(caller, seen)?;
        if self.dying.contains(&caller) {
            return seen.expect(answer::NO_DEVICE);
        }
        let flags = args.flags;
        let is_no_memory = seen.answer == Some(answer::NO_MEMORY);
        if !self.clients.contains_key(&caller) {
            return if seen.refused(Fault::Metadata) {
                seen.expect(answer::NO_MEMORY)
            } else {
                Err("NEW_POOL did not make its caller a client".into())
            };
        }
        let is_valid = flags & MUST_BE_ZERO == 0
            && flags & VERSION_MASK == VERSION_1
            && flags & (SHARED | PERSIST) != SHARED | PERSIST;
        let client = &self.clients[&caller];
        let slot = client.slots.iter().position(|&slot| slot == Slot::Free);
        let Some((slot, id)) = slot.and_then(|slot| Some((slot, i64::try_from(slot).ok()?))) else {
            return seen.expect(answer::NOT_PERMITTED);
        };
        if !is_valid {
            return seen.expect(answer::NOT_PERMITTED);
        }
        if is_no_memory && seen.refused(Fault::Metadata) {
            return Ok(());
        }
        let is_shared = flags & SHARED != 0 && client.authorised.contains(&args.uuid.0);
        if !is_shared || args.uuid == Uuid::ALL_ONES {
            let key = self.add_pool(pool(caller, slot, flags & PERSIST != 0, None));
            return self.take_slot(caller, slot, key, seen.expect(id));
        }
        let named = self.pools.iter_mut().find(|(_, pool)| pool.uuid == Some(args.uuid));
        if let Some((&key, pool)) = named {
            pool.members.push((caller, slot));
            return self.take_slot(caller, slot, key, seen.expect(id));
        }
        let nr_shared = self.pools.values().filter(|pool| pool.uuid.is_some()).count();
        if nr_shared >= SHARED_POOLS_MAX {
            return seen.expect(answer::NOT_PERMITTED);
        }
        // A shared pool that is still being swept may hold its place.
        if !self.is_settled() && seen.answer == Some(answer::NOT_PERMITTED) {
            return Ok(());
        }
        let key = self.add_pool(pool(caller, slot, false, Some(args.uuid)));
        self.take_slot(caller, slot, key, seen.expect(id))
    }

    /// A private persistent pool of that id, which is free.
    pub(crate) fn add_persistent_pool(&mut self, domain: DomainId, slot: usize) {
        let key = self.add_pool(pool(domain, slot, true, None));
        self.set_slot(domain, slot, Slot::Live(key));
    }

    fn take_slot(&mut self, who: DomainId, slot: usize, key: PoolKey, verdict: Verdict) -> Verdict {
        self.set_slot(who, slot, Slot::Live(key));
        verdict
    }

    fn set_slot(&mut self, domain: DomainId, slot: usize, state: Slot) {
        if let Some(client) = self.clients.get_mut(&domain) {
            client.slots[slot] = state;
        }
    }

    /// Judges one slice of DESTROY_POOL.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn destroy(&mut self, caller: DomainId, pool_id: u32, seen: &Seen) -> Verdict {
        self.evict(caller, seen)?;
        if self.dying.contains(&caller) {
            return seen.expect(answer::NO_DEVICE);
        }
        let Some(client) = self.clients.get(&caller) else {
            return seen.expect_one_of(&[answer::NO_MEMORY]);
        };
        let slot = usize::try_from(pool_id).unwrap_or(SLOTS);
        let grave = Grave::Slot(caller, slot);
        match client.slots.get(slot) {
            None | Some(Slot::Free) => return seen.expect(answer::NOTHING),
            Some(Slot::Leaving) => {}
            Some(&Slot::Live(key)) => {
                let pages = self.leave(key, caller, slot);
                self.bury(grave, pages);
                self.inherit(key, grave);
                self.set_slot(caller, slot, Slot::Leaving);
            }
        }
        if seen.answer.is_none() {
            return Ok(());
        }
        self.close(grave);
        self.set_slot(caller, slot, Slot::Free);
        seen.expect(answer::SUCCESS)
    }

    /// A domain begins to die; all of its calls answer -19 from here on.
    pub fn kill(&mut self, domain: DomainId) {
        self.dying.insert(domain);
    }

    /// One slice of a domain's destruction is done: its pools are gone at once, their memory when
    /// the last slice is done.
    pub fn destroy_domain(&mut self, domain: DomainId, progress: Progress) {
        let grave = Grave::Domain(domain);
        if let Some(client) = self.clients.remove(&domain) {
            for (slot, state) in client.slots.into_iter().enumerate() {
                if let Slot::Live(key) = state {
                    let pages = self.leave(key, domain, slot);
                    self.bury(grave, pages);
                    self.inherit(key, grave);
                }
            }
            let graves = self.graves.iter_mut().map(|(grave, _)| grave);
            for old in graves.chain(&mut self.unfinished) {
                if matches!(old, Grave::Slot(other, _) if *other == domain) {
                    *old = grave;
                }
            }
            self.unfinished.push(grave);
        }
        if progress == Progress::Done {
            self.close(grave);
        }
    }

    /// A domain starts anew, and its pools have been destroyed to the end.
    pub fn reset_domain(&mut self, domain: DomainId) {
        let Some(slots) = self.clients.get(&domain).map(|client| client.slots) else { return };
        for (slot, state) in slots.into_iter().enumerate() {
            let grave = Grave::Slot(domain, slot);
            if let Slot::Live(key) = state {
                let pages = self.leave(key, domain, slot);
                self.bury(grave, pages);
                self.inherit(key, grave);
            }
            self.close(grave);
            self.set_slot(domain, slot, Slot::Free);
        }
    }

    /// A domain of this number is made anew.
    pub fn create_domain(&mut self, domain: DomainId) {
        self.dying.remove(&domain);
    }

    /// Judges a call that is none of the live commands.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn command(
        &mut self,
        caller: DomainId,
        command: u32,
        pool_id: u32,
        seen: &Seen,
    ) -> Verdict {
        if self.dying.contains(&caller) {
            return seen.expect(answer::NO_DEVICE);
        }
        if matches!(command, 0 | 101 | 102) {
            return seen.expect(answer::NOT_SUPPORTED);
        }
        match self.pool_key(caller, pool_id) {
            Some(_) => seen.expect(answer::NOT_IMPLEMENTED),
            None => self.expect_no_pool(caller, seen),
        }
    }

    /// Whether `domain` is a client.
    pub fn is_client(&self, domain: DomainId) -> bool {
        self.clients.contains_key(&domain)
    }

    /// Freezes or thaws one client; `was_known` is what the service said of it.
    ///
    /// # Errors
    /// The service knows a client that is none, or the other way round.
    pub fn set_frozen(&mut self, domain: DomainId, is_frozen: bool, was_known: bool) -> Verdict {
        if self.dying.contains(&domain) && !self.is_settled() {
            // Whether a half-destroyed domain is still a client is of no interest.
            return Ok(());
        }
        let client = self.clients.get_mut(&domain);
        let is_known = client.map(|client| client.is_frozen = is_frozen).is_some();
        if was_known == is_known {
            return Ok(());
        }
        Err(format!("{domain:?} is a client: {was_known}, expected {is_known}"))
    }

    /// Freezes or thaws all clients that there are.
    pub fn set_all_frozen(&mut self, is_frozen: bool) {
        self.clients.values_mut().for_each(|client| client.is_frozen = is_frozen);
    }

    /// Sets a client's weight; `was_known` is what the service said of the client.
    ///
    /// # Errors
    /// As [`set_frozen`](Self::set_frozen).
    pub fn set_weight(&mut self, domain: DomainId, weight: u32, was_known: bool) -> Verdict {
        if self.dying.contains(&domain) && !self.is_settled() {
            return Ok(());
        }
        let client = self.clients.get_mut(&domain);
        let is_known = client.map(|client| client.weight = weight).is_some();
        if was_known == is_known {
            return Ok(());
        }
        Err(format!("{domain:?} is a client: {was_known}, expected {is_known}"))
    }

    /// Allows or forbids a domain the sharing of `uuid`; false: refused.
    pub fn set_auth(&mut self, domain: DomainId, uuid: Uuid, is_allowed: bool) -> bool {
        if self.dying.contains(&domain) {
            return false;
        }
        let authorised = &mut self.clients.entry(domain).or_default().authorised;
        if !is_allowed {
            authorised.remove(&uuid.0);
            return true;
        }
        if authorised.len() >= AUTHORISED_MAX && !authorised.contains(&uuid.0) {
            return false;
        }
        authorised.insert(uuid.0);
        true
    }
}

fn pool(owner: DomainId, slot: usize, is_persistent: bool, uuid: Option<Uuid>) -> Pool {
    Pool {
        is_persistent,
        uuid,
        owner,
        members: vec![(owner, slot)],
        pages: BTreeMap::new(),
        ages: BTreeSet::new(),
        last_users: BTreeMap::new(),
    }
}

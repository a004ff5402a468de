//! Shared pools: who used what last, and what goes when a sharer leaves.

use super::state::{Grave, Model, PageKey, PoolKey};
use hypercall_abi::ObjectId;
use tmem_service::DomainId;

impl Model {
    /// Whether `domain` shares a pool with another.
    pub fn is_sharer(&self, domain: DomainId) -> bool {
        let mut shared = self.pools.values().filter(|pool| pool.uuid.is_some());
        shared.any(|pool| pool.members.iter().any(|&(member, _)| member == domain))
    }

    /// Whether `domain` knows a shared pool by this id.
    pub fn is_shared(&self, domain: DomainId, pool_id: u32) -> bool {
        let key = self.pool_key(domain, pool_id);
        key.is_some_and(|key| self.pools[&key].uuid.is_some())
    }

    /// Notes who put to or hit an object.
    pub(crate) fn note_user(&mut self, key: PoolKey, object: ObjectId, user: DomainId) {
        let pool = self.pools.get_mut(&key).expect("the pool is live");
        pool.last_users.insert(object, user);
    }

    /// Takes one membership out of a pool. With the last one goes the pool. A domain that is still
    /// a member by another slot has not left; else the objects go that it used last, and if it was
    /// the owner the longest-joined one becomes it. Returns the pages that went.
    pub(crate) fn leave(&mut self, key: PoolKey, domain: DomainId, slot: usize) -> Vec<PageKey> {
        let pool = self.pools.get_mut(&key).expect("the pool is live");
        pool.members.retain(|&member| member != (domain, slot));
        let Some(&(longest_joined, _)) = pool.members.first() else {
            let pages = self.remove_all(key, |_, _| true);
            self.pools.remove(&key);
            return pages;
        };
        if pool.members.iter().any(|&(other, _)| other == domain) {
            return Vec::new();
        }
        if pool.owner == domain {
            pool.owner = longest_joined;
        }
        self.remove_all(key, |pool, page| pool.last_users.get(&page.0) == Some(&domain))
    }

    /// Notes an unfinished call, and the dead pages that it may not have freed yet.
    pub(crate) fn bury(&mut self, grave: Grave, pages: Vec<PageKey>) {
        self.unfinished.push(grave);
        self.graves.extend(pages.into_iter().map(|page| (grave, page)));
    }

    /// If pool `key` is gone, what unfinished calls had left of it is the work of `heir` now.
    pub(crate) fn inherit(&mut self, key: PoolKey, heir: Grave) {
        if self.pools.contains_key(&key) {
            return;
        }
        let graves = self.graves.iter_mut().map(|(grave, _)| grave);
        for grave in graves.chain(&mut self.unfinished) {
            if matches!(grave, Grave::Object(pool, _) if *pool == key) {
                *grave = heir;
            }
        }
    }

    /// The call is finished: nothing is left in its grave.
    pub(crate) fn close(&mut self, grave: Grave) {
        self.graves.retain(|&(other, _)| other != grave);
        self.unfinished.retain(|&other| other != grave);
    }
}

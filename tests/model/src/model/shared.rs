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

    /// Notes who put to or hit an object.
    pub(crate) fn note_user(&mut self, key: PoolKey, object: ObjectId, user: DomainId) {
        let pool = self.pools.get_mut(&key).expect("the pool is live");
        pool.last_users.insert(object, user);
    }

    /// Takes one membership out of a pool: with the last one goes the pool, else the objects that
    /// the leaver used last, unless it is still a member by another slot. Returns the pages that went.
    pub(crate) fn leave(&mut self, key: PoolKey, domain: DomainId, slot: usize) -> Vec<PageKey> {
        let pool = self.pools.get_mut(&key).expect("the pool is live");
        pool.members.retain(|&member| member != (domain, slot));
        if pool.members.is_empty() {
            let pages = self.remove_all(key, |_, _| true);
            self.pools.remove(&key);
            return pages;
        }
        if pool.members.iter().any(|&(other, _)| other == domain) {
            return Vec::new();
        }
        self.remove_all(key, |pool, page| pool.last_users.get(&page.0) == Some(&domain))
    }

    /// Notes dead pages that an unfinished call may not have freed yet.
    pub(crate) fn bury(&mut self, grave: Grave, pages: Vec<PageKey>) {
        self.graves.extend(pages.into_iter().map(|page| (grave, page)));
    }

    /// If pool `key` is gone, what unfinished calls had left of it is the work of `heir` now.
    pub(crate) fn inherit(&mut self, key: PoolKey, heir: Grave) {
        if self.pools.contains_key(&key) {
            return;
        }
        for (grave, _) in &mut self.graves {
            if matches!(grave, Grave::Object(pool, _) if *pool == key) {
                *grave = heir;
            }
        }
    }

    /// The call is finished: nothing is left in its grave.
    pub(crate) fn close(&mut self, grave: Grave) {
        self.graves.retain(|&(other, _)| other != grave);
    }
}

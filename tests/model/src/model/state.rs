//! What the model remembers: clients, pools, pages, and the order of their ages.

use super::save::Save;
use hypercall_abi::{ObjectId, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use tmem_host_sim::Content;
use tmem_service::DomainId;

/// Pools of one domain.
pub(crate) const SLOTS: usize = 16;
/// Shared pools of the host.
pub(crate) const SHARED_POOLS_MAX: usize = 16;
/// Uuids that one domain may be allowed to share.
pub(crate) const AUTHORISED_MAX: usize = 16;
/// Pages whose memory one slice of a flush, a destroy or a domain's death may free.
pub const FREED_PER_SLICE_MAX: usize = 32;

/// A pool, by the order of creation.
pub(crate) type PoolKey = u64;
/// A page inside a pool.
pub(crate) type PageKey = (ObjectId, u32);

/// A stored page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) content: Content,
    /// Place in the order of ages.
    pub(crate) stamp: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Free,
    Live(PoolKey),
    /// Its pool is being destroyed or left, in slices.
    Leaving,
}

#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) slots: [Slot; SLOTS],
    /// As the toolstack asked; while it is saved a client is frozen anyhow.
    pub(crate) is_frozen: bool,
    pub(crate) save: Option<Save>,
    pub(crate) weight: u32,
    pub(crate) authorised: BTreeSet<[u64; 2]>,
}

impl Default for Client {
    fn default() -> Self {
        let authorised = BTreeSet::new();
        Self { slots: [Slot::Free; SLOTS], is_frozen: false, save: None, weight: 0, authorised }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) is_persistent: bool,
    /// The name of a shared pool; `None`: private.
    pub(crate) uuid: Option<Uuid>,
    pub(crate) owner: DomainId,
    /// Who uses the pool, by which slot, in the order of joining.
    pub(crate) members: Vec<(DomainId, usize)>,
    pub(crate) pages: BTreeMap<PageKey, Stored>,
    /// The stamps of these pages, in an ephemeral pool.
    pub(crate) ages: BTreeSet<u64>,
    /// Who put to or hit each object last.
    pub(crate) last_users: BTreeMap<ObjectId, DomainId>,
}

impl Pool {
    pub(crate) fn nr_objects(&self) -> usize {
        let objects: BTreeSet<_> = self.pages.keys().map(|&(object, _)| object).collect();
        objects.len()
    }
}

/// Why a dead page may still be in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grave {
    Slot(DomainId, usize),
    Object(PoolKey, ObjectId),
    Domain(DomainId),
}

/// The model; see the module's head.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub(crate) clients: BTreeMap<DomainId, Client>,
    pub(crate) pools: BTreeMap<PoolKey, Pool>,
    pub(crate) dying: BTreeSet<DomainId>,
    /// Ephemeral pages by age, oldest first.
    pub(crate) ages: BTreeMap<u64, (PoolKey, PageKey)>,
    /// Pages that are dead and perhaps not freed yet, since a call is unfinished.
    pub(crate) graves: Vec<(Grave, PageKey)>,
    /// The calls that are unfinished, whether or not they have anything left to free.
    pub(crate) unfinished: Vec<Grave>,
    next_pool: PoolKey,
    next_stamp: u64,
}

/// What the model counts, as the service's `Totals` do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) pools: usize,
    pub(crate) shared_pools: usize,
    pub(crate) objects: usize,
    pub(crate) ephemeral_pages: usize,
    pub(crate) persistent_pages: usize,
}

impl Model {
    /// The pool that `domain` names by `pool_id`, if it can be used.
    pub(crate) fn pool_key(&self, domain: DomainId, pool_id: u32) -> Option<PoolKey> {
        if self.dying.contains(&domain) {
            return None;
        }
        let slot = usize::try_from(pool_id).ok()?;
        match self.clients.get(&domain)?.slots.get(slot)? {
            Slot::Live(key) => Some(*key),
            Slot::Free | Slot::Leaving => None,
        }
    }

    pub(crate) fn is_frozen(&self, key: PoolKey) -> bool {
        let owner = self.pools[&key].owner;
        self.clients.get(&owner).is_some_and(|client| client.is_frozen || client.save.is_some())
    }

    pub(crate) fn has(&self, key: PoolKey, page: PageKey) -> bool {
        self.pools[&key].pages.contains_key(&page)
    }

    pub(crate) fn add_pool(&mut self, pool: Pool) -> PoolKey {
        let key = self.next_pool;
        self.next_pool += 1;
        self.pools.insert(key, pool);
        key
    }

    /// Stores a page; one that replaces another keeps its age.
    pub(crate) fn store(&mut self, key: PoolKey, page: PageKey, content: Content) {
        let pool = self.pools.get_mut(&key).expect("the pool is live");
        if let Some(stored) = pool.pages.get_mut(&page) {
            stored.content = content;
            return;
        }
        let stamp = self.next_stamp;
        self.next_stamp += 1;
        pool.pages.insert(page, Stored { content, stamp });
        if !pool.is_persistent {
            pool.ages.insert(stamp);
            self.ages.insert(stamp, (key, page));
        }
    }

    /// Makes a page the youngest.
    pub(crate) fn refresh(&mut self, key: PoolKey, page: PageKey) {
        let pool = self.pools.get_mut(&key).expect("the pool is live");
        let stored = pool.pages.get_mut(&page).expect("the page is stored");
        self.ages.remove(&stored.stamp);
        pool.ages.remove(&stored.stamp);
        stored.stamp = self.next_stamp;
        self.next_stamp += 1;
        pool.ages.insert(stored.stamp);
        self.ages.insert(stored.stamp, (key, page));
    }

    /// Removes a page; an object without pages is forgotten with its last user.
    pub(crate) fn remove(&mut self, key: PoolKey, page: PageKey) -> Option<Stored> {
        let pool = self.pools.get_mut(&key).expect("the pool is live");
        let stored = pool.pages.remove(&page)?;
        self.ages.remove(&stored.stamp);
        pool.ages.remove(&stored.stamp);
        if pool.pages.range((page.0, 0)..=(page.0, u32::MAX)).next().is_none() {
            pool.last_users.remove(&page.0);
        }
        Some(stored)
    }

    /// Removes all pages for which `is_chosen` says so; returns them.
    pub(crate) fn remove_all(
        &mut self,
        key: PoolKey,
        is_chosen: impl Fn(&Pool, &PageKey) -> bool,
    ) -> Vec<PageKey> {
        let pool = &self.pools[&key];
        let chosen: Vec<_> =
            pool.pages.keys().copied().filter(|page| is_chosen(pool, page)).collect();
        for &page in &chosen {
            let _ = self.remove(key, page);
        }
        chosen
    }

    /// Whether every call that was begun has been finished, so that the counts must agree.
    pub(crate) fn is_settled(&self) -> bool {
        self.unfinished.is_empty()
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts { pools: self.pools.len(), ..Counts::default() };
        for pool in self.pools.values() {
            counts.shared_pools += usize::from(pool.uuid.is_some());
            counts.objects += pool.nr_objects();
            if pool.is_persistent {
                counts.persistent_pages += pool.pages.len();
            } else {
                counts.ephemeral_pages += pool.pages.len();
            }
        }
        counts
    }

    /// Persistent pages that `domain` has to pay for.
    pub(crate) fn nr_persistent_of(&self, domain: DomainId) -> usize {
        let pools = self.pools.values();
        let own = pools.filter(|pool| pool.is_persistent && pool.owner == domain);
        own.map(|pool| pool.pages.len()).sum()
    }
}

//! A shard: one lock's worth of a pool, with its index, objects, pages and age list.
//!
//! Everything here happens under the shard's lock and touches nothing outside: no host, no guest,
//! no allocator. What must be allocated comes in as a `Stock`, what must be freed goes out as
//! `Garbage`. The calls that take the lock are in `put.rs`, `get.rs`, `flush.rs`, `evict.rs`.

mod age;
mod audit;
mod get;
mod put;
mod remove;

pub(crate) use get::Taking;
pub(crate) use put::{Put, PutStep};

use crate::hash::{HashKey, ObjectHash, PageHash};
use crate::index::Index;
use crate::member::Members;
use crate::object::{self, Name, Object};
use crate::page::{self, Page};
use crate::slab::{Slab, SlotId};
use crate::stats::ShardStats;
use crate::sync::Lock;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// A page's name with its hashes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageName {
    pub(crate) oid: [u64; 3],
    pub(crate) index: u32,
    pub(crate) object_hash: ObjectHash,
    pub(crate) page_hash: PageHash,
}

impl PageName {
    pub(crate) fn new(key: &HashKey, oid: [u64; 3], index: u32) -> Self {
        let object_hash = key.object(oid);
        Self { oid, index, object_hash, page_hash: object_hash.page(index) }
    }
}

/// A shard: the lock, and two figures that others read without it.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Shard {
    pub(crate) state: Lock<State>,
    /// Stamp of the oldest page; `u64::MAX` when there is none.
    oldest: AtomicU64,
    /// Pages that can be found.
    nr_live: AtomicU32,
}

impl Shard {
    pub(crate) fn new() -> Self {
        Self {
            state: Lock::new(State::new()),
            oldest: AtomicU64::new(u64::MAX),
            nr_live: AtomicU32::new(0),
        }
    }

    /// Stamp of the oldest page a moment ago; `u64::MAX` when there was none.
    pub(crate) fn oldest(&self) -> u64 {
        self.oldest.load(Relaxed)
    }

    /// Pages that could be found a moment ago.
    pub(crate) fn nr_live(&self) -> u32 {
        self.nr_live.load(Relaxed)
    }

    /// Tells others what `state` has become; at the end of each hold of the lock that changed it.
    pub(crate) fn publish(&self, state: &State) {
        self.oldest.store(state.oldest_stamp(), Relaxed);
        self.nr_live.store(state.nr_live, Relaxed);
    }
}

/// Whether the pool's pages are in the age list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aging {
    /// Ephemeral: pages are aged and may be evicted.
    Aged,
    /// Persistent: pages stay.
    Ageless,
}

/// What the lock protects.
#[derive(Debug)]
pub(crate) struct State {
    index: Index,
    pages: Slab<Page, { page::PER_CHUNK }>,
    objects: Slab<Object, { object::PER_CHUNK }>,
    /// Ends of the age list.
    oldest: SlotId,
    youngest: SlotId,
    /// First of the objects that were flushed and whose pages wait to be freed.
    dead: SlotId,
    /// Pages of live objects.
    nr_live: u32,
    /// Pages that are unhooked and still read by somebody.
    nr_orphans: u32,
    pub(crate) stats: ShardStats,
}

impl State {
    fn new() -> Self {
        Self {
            index: Index::new(),
            pages: Slab::new(),
            objects: Slab::new(),
            oldest: SlotId::NONE,
            youngest: SlotId::NONE,
            dead: SlotId::NONE,
            nr_live: 0,
            nr_orphans: 0,
            stats: ShardStats::default(),
        }
    }

    pub(crate) const fn nr_orphans(&self) -> u32 {
        self.nr_orphans
    }

    pub(crate) const fn nr_live(&self) -> u32 {
        self.nr_live
    }

    /// Whether any page is hooked, reachable or not.
    pub(crate) const fn has_pages(&self) -> bool {
        self.pages.len() > self.nr_orphans
    }

    pub(crate) fn has_dead(&self) -> bool {
        self.dead != SlotId::NONE
    }

    fn oldest_stamp(&self) -> u64 {
        self.oldest.some().map_or(u64::MAX, |id| self.pages.get(id).stamp)
    }

    // Look-up.

    /// The reachable page of this name, claimed ones included.
    pub(crate) fn find_page(&self, name: &PageName, members: &Members<'_>) -> Option<SlotId> {
        let entry = self.index.find(name.page_hash.0, |entry| {
            entry.as_page().is_some_and(|id| {
                let page = self.pages.get(id);
                page.index == name.index && self.is_named(page.object, name.oid, members)
            })
        });
        entry?.as_page()
    }

    /// The live object of this id, even if its last user has left.
    fn find_object(&self, name: &PageName) -> Option<SlotId> {
        let entry = self.index.find(name.object_hash.0, |entry| {
            entry.as_object().is_some_and(
                |id| matches!(self.objects.get(id).name, Name::Live { oid, .. } if oid == name.oid),
            )
        });
        entry?.as_object()
    }

    fn is_named(&self, object: SlotId, wanted: [u64; 3], members: &Members<'_>) -> bool {
        let live = self.objects.get(object).name.as_live();
        live.is_some_and(|(oid, last_user)| oid == wanted && members.is_alive(last_user))
    }

    fn object_hash(&self, key: &HashKey, object: SlotId) -> ObjectHash {
        match self.objects.get(object).name {
            Name::Live { oid, .. } => key.object(oid),
            Name::Dead { hash, .. } => hash,
        }
    }
}

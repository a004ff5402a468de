//! A shard: one lock's worth of a pool, with its index, objects, pages and age list.
//!
//! Everything here happens under the shard's lock and touches nothing outside: no host, no guest,
//! no allocator. What must be allocated comes in as [`Stock`], what must be freed goes out as
//! [`Garbage`]. The calls that take the lock are in `put.rs`, `get.rs`, `flush.rs`, `evict.rs`.

use crate::audit::{AuditError, ShardAudit};
use crate::frame::{Frame, FrameId};
use crate::hash::{HashKey, ObjectHash, PageHash};
use crate::index::{Entry, Index};
use crate::member::Members;
use crate::meta::{Garbage, Need, Stock};
use crate::object::{self, Membership, Name, Object};
use crate::page::{self, Page, Standing};
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

/// How a get takes the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// A hit removes the page (private ephemeral).
    Exclusive,
    /// A hit leaves it (persistent).
    Keeping,
    /// A hit leaves it and makes it the youngest (shared ephemeral).
    Refreshing,
}

/// What a put under the lock came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PutStep {
    /// A new page; the frame was taken.
    Stored,
    /// The frame took the place of another, which is in the garbage.
    Replaced,
    /// As `Replaced`, but the old frame is being read and is freed by its last reader.
    ReplacedInUse,
    /// Nothing happened: bring this block and come again.
    Need(Need),
    /// There was no page, and none may be added.
    Absent,
    /// The page that was there is being read, and none may be added: it was removed.
    Removed,
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

/// How far from the oldest end eviction looks for a page that nobody is reading.
const EVICTION_SEARCH_MAX: usize = 16;

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

    // Put.

    /// Stores `frame` under `name`: swaps it for the frame that is there, or adds a page.
    ///
    /// `may_add`: whether a new page may be added; a swap is always possible. On anything but
    /// `Stored`, `Replaced` and `ReplacedInUse` the frame stays with the caller.
    #[expect(clippy::too_many_arguments, reason = "the whole context of one put, used once")]
    pub(crate) fn put<const F: usize>(
        &mut self,
        key: &HashKey,
        name: &PageName,
        members: &Members<'_>,
        frame: &mut Option<Frame>,
        may_add: bool,
        stamp: impl FnOnce() -> u64,
        aging: Aging,
        stock: &mut Stock,
        garbage: &mut Garbage<F>,
    ) -> PutStep {
        let Some(old) = self.find_page(name, members) else {
            if !may_add {
                return PutStep::Absent;
            }
            return match self.add(key, name, members, frame, stamp, aging, stock, garbage) {
                Ok(()) => PutStep::Stored,
                Err(need) => PutStep::Need(need),
            };
        };
        let page = self.pages.get_mut(old);
        if page.nr_pins == 0 {
            let replaced = core::mem::replace(&mut page.frame, frame.take());
            let object = page.object;
            self.set_last_user(object, members.own());
            if let Some(replaced) = replaced {
                garbage.push_frame(replaced);
            }
            self.stats.puts_replaced += 1;
            return PutStep::Replaced;
        }
        // Somebody is reading the old frame without a lock, so the new one needs a record of its
        // own, and the old record is left to its readers.
        if !may_add {
            self.remove(key, old, aging, garbage);
            return PutStep::Removed;
        }
        let claimed = page.standing != Standing::Hooked;
        let (object, old_stamp) = (page.object, page.stamp);
        if let Err(need) = self.prepare(key, name, false, stock) {
            return PutStep::Need(need);
        }
        let stamp = if claimed { stamp() } else { old_stamp };
        let new = self.hook(name, object, frame.take(), stamp);
        self.set_last_user(object, members.own());
        if aging == Aging::Aged {
            // A page that an exclusive get has claimed is as good as gone: the put creates one.
            if claimed { self.age_append(new) } else { self.age_insert_after(old, new) }
        }
        self.remove(key, old, aging, garbage);
        self.stats.puts_replaced += 1;
        PutStep::ReplacedInUse
    }

    /// Adds a page that is not there.
    #[expect(clippy::too_many_arguments, reason = "the second half of `put`")]
    fn add<const F: usize>(
        &mut self,
        key: &HashKey,
        name: &PageName,
        members: &Members<'_>,
        frame: &mut Option<Frame>,
        stamp: impl FnOnce() -> u64,
        aging: Aging,
        stock: &mut Stock,
        garbage: &mut Garbage<F>,
    ) -> Result<(), Need> {
        let mut object = self.find_object(name);
        if let Some(found) = object
            && !self.is_named(found, name.oid, members)
        {
            // Its last user has left: what it held stays unreachable (R36).
            self.kill(key, found, garbage);
            object = None;
        }
        self.prepare(key, name, object.is_none(), stock)?;
        let object = match object {
            Some(object) => object,
            None => {
                let live = Name::live(name.oid, members.own());
                let object = self.objects.insert(Object { name: live, ..Object::default() });
                self.index.insert(name.object_hash.0, Entry::object(object));
                object
            }
        };
        self.set_last_user(object, members.own());
        let id = self.hook(name, object, frame.take(), stamp());
        if aging == Aging::Aged {
            self.age_append(id);
        }
        self.stats.puts_stored += 1;
        Ok(())
    }

    /// Sees to it that one page, and if asked for one object, can be added.
    fn prepare(
        &mut self,
        key: &HashKey,
        name: &PageName,
        with_object: bool,
        stock: &mut Stock,
    ) -> Result<(), Need> {
        self.pages.prepare(&mut stock.pages).map_err(Need::Pages)?;
        if with_object {
            self.objects.prepare(&mut stock.objects).map_err(Need::Objects)?;
        }
        let Self { index, pages, objects, .. } = self;
        let object_hash = |id| match objects.get(id).name {
            Name::Live { oid, .. } => key.object(oid),
            Name::Dead { hash, .. } => hash,
        };
        let hash_of = |entry: Entry| match (entry.as_page(), entry.as_object()) {
            (Some(id), _) => {
                let page = pages.get(id);
                object_hash(page.object).page(page.index).0
            }
            (None, Some(id)) => object_hash(id).0,
            (None, None) => 0,
        };
        // Both entries may fall into one table.
        let entries = 1 + usize::from(with_object);
        index.prepare(name.page_hash.0, entries, stock, hash_of)?;
        if with_object {
            index.prepare(name.object_hash.0, entries, stock, hash_of)?;
        }
        Ok(())
    }

    /// Makes a page's record and puts it into the index and its object's list.
    fn hook(
        &mut self,
        name: &PageName,
        object: SlotId,
        frame: Option<Frame>,
        stamp: u64,
    ) -> SlotId {
        let owner = self.objects.get_mut(object);
        let next = owner.pages;
        let id = self.pages.insert(Page {
            stamp,
            frame,
            object,
            index: name.index,
            object_next: next,
            standing: Standing::Hooked,
            ..Page::default()
        });
        owner.pages = id;
        owner.nr_pages += 1;
        if let Some(next) = next.some() {
            self.pages.get_mut(next).object_prev = id;
        }
        self.index.insert(name.page_hash.0, Entry::page(id));
        self.nr_live += 1;
        id
    }

    fn set_last_user(&mut self, object: SlotId, user: Membership) {
        let name = &mut self.objects.get_mut(object).name;
        if let Some((oid, _)) = name.as_live() {
            *name = Name::live(oid, user);
        }
    }

    // Get.

    /// Finds the page and keeps its frame in place until [`finish_get`](Self::finish_get).
    pub(crate) fn begin_get(
        &mut self,
        name: &PageName,
        members: &Members<'_>,
        taking: Taking,
    ) -> Option<(SlotId, FrameId)> {
        let id = self.find_page(name, members)?;
        let page = self.pages.get_mut(id);
        if page.standing != Standing::Hooked {
            page.standing = Standing::Missed;
            return None;
        }
        // One call per CPU, so pins are few; a host of 65,535 CPUs would miss here.
        page.nr_pins = page.nr_pins.checked_add(1)?;
        if taking == Taking::Exclusive {
            page.standing = Standing::Claimed;
        }
        Some((id, page.frame.as_ref()?.id()))
    }

    /// Ends what [`begin_get`](Self::begin_get) began. `copied`: whether the guest has the page.
    #[expect(clippy::too_many_arguments, reason = "the whole context of one get, used once")]
    pub(crate) fn finish_get<const F: usize>(
        &mut self,
        key: &HashKey,
        id: SlotId,
        taking: Taking,
        copied: bool,
        user: Membership,
        stamp: impl FnOnce() -> u64,
        garbage: &mut Garbage<F>,
    ) {
        self.stats.hits += u64::from(copied);
        let aging = if taking == Taking::Keeping { Aging::Ageless } else { Aging::Aged };
        let page = self.pages.get_mut(id);
        page.nr_pins -= 1;
        match page.standing {
            Standing::Orphan => {
                if page.nr_pins == 0 {
                    self.nr_orphans -= 1;
                    self.free(id, garbage);
                }
            }
            Standing::Missed => self.remove(key, id, aging, garbage),
            Standing::Claimed if copied => self.remove(key, id, aging, garbage),
            Standing::Claimed => page.standing = Standing::Hooked,
            Standing::Hooked => {
                if copied && taking == Taking::Refreshing {
                    page.stamp = stamp();
                    let object = page.object;
                    self.age_unlink(id);
                    self.age_append(id);
                    self.set_last_user(object, user);
                }
            }
            Standing::Vacant => crate::broken("shard: a pinned page was freed"),
        }
    }

    // Removal.

    /// Unhooks a page and frees it, or leaves it to the calls that are reading it.
    pub(crate) fn remove<const F: usize>(
        &mut self,
        key: &HashKey,
        id: SlotId,
        aging: Aging,
        garbage: &mut Garbage<F>,
    ) {
        self.unhook(key, id, aging, garbage);
        let page = self.pages.get_mut(id);
        if page.nr_pins > 0 {
            page.standing = Standing::Orphan;
            self.nr_orphans += 1;
        } else {
            self.free(id, garbage);
        }
    }

    /// Frees the record and hands its frame to the garbage.
    fn free<const F: usize>(&mut self, id: SlotId, garbage: &mut Garbage<F>) {
        let page = self.pages.remove(id, garbage);
        if let Some(frame) = page.frame {
            garbage.push_frame(frame);
        }
    }

    /// Takes a page out of the index and all lists; an object that it leaves empty goes along.
    fn unhook<const F: usize>(
        &mut self,
        key: &HashKey,
        id: SlotId,
        aging: Aging,
        garbage: &mut Garbage<F>,
    ) {
        if aging == Aging::Aged {
            self.age_unlink(id);
        }
        let page = self.pages.get(id);
        let (object, prev, next) = (page.object, page.object_prev, page.object_next);
        let hash = self.object_hash(key, object);
        self.index.remove(hash.page(page.index).0, Entry::page(id), garbage);
        if let Some(next) = next.some() {
            self.pages.get_mut(next).object_prev = prev;
        }
        match prev.some() {
            Some(prev) => self.pages.get_mut(prev).object_next = next,
            None => self.objects.get_mut(object).pages = next,
        }
        let record = self.objects.get_mut(object);
        record.nr_pages -= 1;
        let (is_empty, name) = (record.nr_pages == 0, record.name);
        if let Name::Live { .. } = name {
            self.nr_live -= 1;
        }
        if is_empty {
            match name {
                Name::Live { .. } => self.index.remove(hash.0, Entry::object(object), garbage),
                Name::Dead { prev, next, .. } => self.dead_unlink(prev, next),
            }
            self.objects.remove(object, garbage);
        }
    }

    /// Makes a live object and all its pages unreachable, in constant time.
    fn kill<const F: usize>(&mut self, key: &HashKey, object: SlotId, garbage: &mut Garbage<F>) {
        let hash = self.object_hash(key, object);
        self.index.remove(hash.0, Entry::object(object), garbage);
        let next = self.dead;
        let record = self.objects.get_mut(object);
        record.name = Name::Dead { hash, prev: SlotId::NONE, next };
        self.nr_live -= record.nr_pages;
        if let Some(next) = next.some()
            && let Name::Dead { prev, .. } = &mut self.objects.get_mut(next).name
        {
            *prev = object;
        }
        self.dead = object;
    }

    fn dead_unlink(&mut self, before: SlotId, after: SlotId) {
        if let Some(after) = after.some()
            && let Name::Dead { prev, .. } = &mut self.objects.get_mut(after).name
        {
            *prev = before;
        }
        match before.some() {
            Some(before) => {
                if let Name::Dead { next, .. } = &mut self.objects.get_mut(before).name {
                    *next = after;
                }
            }
            None => self.dead = after,
        }
    }

    /// Makes the object of this name unreachable, if it is there.
    pub(crate) fn kill_named<const F: usize>(
        &mut self,
        key: &HashKey,
        name: &PageName,
        garbage: &mut Garbage<F>,
    ) {
        if let Some(object) = self.find_object(name) {
            self.kill(key, object, garbage);
        }
    }

    /// Frees pages of dead objects, at most `budget`; counts down what it visits.
    pub(crate) fn drain_dead<const F: usize>(
        &mut self,
        key: &HashKey,
        aging: Aging,
        budget: &mut usize,
        garbage: &mut Garbage<F>,
    ) {
        while let Some(object) = self.dead.some()
            && *budget > 0
            && !garbage.is_full()
        {
            let page = self.objects.get(object).pages;
            self.remove(key, page, aging, garbage);
            *budget -= 1;
        }
    }

    /// Frees pages of whatever objects there are, at most `budget`, dead ones first.
    pub(crate) fn drain<const F: usize>(
        &mut self,
        key: &HashKey,
        aging: Aging,
        budget: &mut usize,
        garbage: &mut Garbage<F>,
    ) {
        loop {
            self.drain_dead(key, aging, budget, garbage);
            if *budget == 0 || garbage.is_full() {
                return;
            }
            match self.objects.next_used(SlotId(0)) {
                Some(object) => self.kill(key, object, garbage),
                None => return,
            }
        }
    }

    /// Makes objects unreachable whose last user has left, from slot `from` on; counts `budget`
    /// down for each that it visits. Returns where to go on, or `None` at the end.
    pub(crate) fn sweep<const F: usize>(
        &mut self,
        key: &HashKey,
        members: &Members<'_>,
        from: SlotId,
        budget: &mut usize,
        garbage: &mut Garbage<F>,
    ) -> Option<SlotId> {
        let mut at = from;
        loop {
            let object = self.objects.next_used(at)?;
            if *budget == 0 || garbage.is_full() {
                return Some(object);
            }
            *budget -= 1;
            if let Some((_, last_user)) = self.objects.get(object).name.as_live()
                && !members.is_alive(last_user)
            {
                self.kill(key, object, garbage);
            }
            at = SlotId(object.0 + 1);
        }
    }

    /// Evicts the oldest page that nobody is reading; its frame is then in the garbage.
    ///
    /// Returns the page's name, or `None` inside if it was unreachable anyway.
    pub(crate) fn evict<const F: usize>(
        &mut self,
        key: &HashKey,
        garbage: &mut Garbage<F>,
    ) -> Option<Option<([u64; 3], u32)>> {
        let mut at = self.oldest;
        for _ in 0..EVICTION_SEARCH_MAX {
            let id = at.some()?;
            let page = self.pages.get(id);
            if page.nr_pins == 0 {
                let index = page.index;
                let name = match self.objects.get(page.object).name {
                    Name::Live { oid, .. } => Some((oid, index)),
                    Name::Dead { .. } => None,
                };
                self.remove(key, id, Aging::Aged, garbage);
                self.stats.evicted += 1;
                return Some(name);
            }
            at = page.younger;
        }
        None
    }

    /// Hands one more block of an emptied shard to the garbage. `true` when none is left.
    pub(crate) fn dismantle<const F: usize>(&mut self, garbage: &mut Garbage<F>) -> bool {
        self.index.dismantle(garbage)
            && self.objects.dismantle(garbage)
            && (self.nr_orphans > 0 || self.pages.dismantle(garbage))
    }

    /// Compares everything that is said twice. See [`crate::Engine::audit`].
    pub(crate) fn audit(&mut self, key: &HashKey, aging: Aging) -> Result<ShardAudit, AuditError> {
        let mut found = ShardAudit::default();
        let (mut hooked, mut orphans, mut dead_objects) = (0, 0, 0);
        let mut at = SlotId(0);
        while let Some(id) = self.pages.next_used(at) {
            at = SlotId(id.0 + 1);
            let page = self.pages.get(id);
            match page.standing {
                Standing::Orphan => orphans += 1,
                Standing::Vacant => return Err(AuditError::VacantPage),
                Standing::Hooked | Standing::Claimed | Standing::Missed => {
                    hooked += 1;
                    let hash = self.object_hash(key, page.object).page(page.index);
                    if self.index.find(hash.0, |entry| entry == Entry::page(id)).is_none() {
                        return Err(AuditError::PageNotIndexed);
                    }
                }
            }
            found.frames += u64::from(page.frame.is_some());
        }
        at = SlotId(0);
        while let Some(id) = self.objects.next_used(at) {
            at = SlotId(id.0 + 1);
            let object = self.objects.get(id);
            match object.name {
                Name::Dead { .. } => dead_objects += 1,
                Name::Live { oid, .. } => {
                    found.objects += 1;
                    found.pages += u64::from(object.nr_pages);
                    let hash = key.object(oid);
                    if self.index.find(hash.0, |entry| entry == Entry::object(id)).is_none() {
                        return Err(AuditError::ObjectNotIndexed);
                    }
                }
            }
            let (mut listed, mut page) = (0, object.pages);
            while let Some(id) = page.some() {
                if self.pages.get(id).object != SlotId(at.0 - 1) || listed > object.nr_pages {
                    return Err(AuditError::ObjectList);
                }
                listed += 1;
                page = self.pages.get(id).object_next;
            }
            if listed != object.nr_pages || listed == 0 {
                return Err(AuditError::ObjectList);
            }
        }
        let (mut aged, mut stamp, mut page) = (0, 0, self.oldest);
        while let Some(id) = page.some() {
            let this = self.pages.get(id);
            if this.stamp < stamp || aged > hooked {
                return Err(AuditError::AgeList);
            }
            (aged, stamp, page) = (aged + 1, this.stamp, this.younger);
        }
        if aging == Aging::Aged && aged != hooked || aging == Aging::Ageless && aged != 0 {
            return Err(AuditError::AgeList);
        }
        let (entries, index_blocks) = self.index.recount();
        let (pages, page_blocks) = self.pages.recount();
        let (objects, object_blocks) = self.objects.recount();
        found.metadata_frames = u64::from(index_blocks + page_blocks + object_blocks);
        let sums = [
            (u64::from(self.nr_live), found.pages),
            (u64::from(self.nr_orphans), orphans),
            (u64::from(self.pages.len()), u64::from(pages)),
            (u64::from(self.objects.len()), u64::from(objects)),
            (u64::from(objects), found.objects + dead_objects),
            (entries as u64, hooked + found.objects),
        ];
        if sums.iter().any(|(said, counted)| said != counted) {
            return Err(AuditError::Counters);
        }
        Ok(found)
    }

    // The age list, oldest to youngest.

    fn age_append(&mut self, id: SlotId) {
        let last = self.youngest;
        let page = self.pages.get_mut(id);
        (page.older, page.younger) = (last, SlotId::NONE);
        match last.some() {
            Some(last) => self.pages.get_mut(last).younger = id,
            None => self.oldest = id,
        }
        self.youngest = id;
    }

    fn age_insert_after(&mut self, older: SlotId, id: SlotId) {
        let younger = core::mem::replace(&mut self.pages.get_mut(older).younger, id);
        let page = self.pages.get_mut(id);
        (page.older, page.younger) = (older, younger);
        match younger.some() {
            Some(younger) => self.pages.get_mut(younger).older = id,
            None => self.youngest = id,
        }
    }

    fn age_unlink(&mut self, id: SlotId) {
        let page = self.pages.get(id);
        let (older, younger) = (page.older, page.younger);
        match older.some() {
            Some(older) => self.pages.get_mut(older).younger = younger,
            None => self.oldest = younger,
        }
        match younger.some() {
            Some(younger) => self.pages.get_mut(younger).older = older,
            None => self.youngest = older,
        }
    }
}

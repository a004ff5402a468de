//! Removal, under the shard's lock: of a page, of an object at once and of its pages in slices, of
//! whatever there is, and of the oldest page.

use super::{Aging, PageName, State};
use crate::garbage::Garbage;
use crate::hash::HashKey;
use crate::index::Entry;
use crate::member::Members;
use crate::object::Name;
use crate::page::Standing;
use crate::slab::SlotId;

/// How far from the oldest end eviction looks for a page that nobody is reading.
const EVICTION_SEARCH_MAX: usize = 16;

impl State {
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
    pub(super) fn free<const F: usize>(&mut self, id: SlotId, garbage: &mut Garbage<F>) {
        let page = self.pages.remove(id, garbage);
        if let Some(frame) = page.frame {
            garbage.push_frame(frame);
        }
    }

    /// Takes a page out of the index and all lists; an object that it leaves empty goes along.
    pub(super) fn unhook<const F: usize>(
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
    pub(super) fn kill<const F: usize>(
        &mut self,
        key: &HashKey,
        object: SlotId,
        garbage: &mut Garbage<F>,
    ) {
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

    pub(super) fn dead_unlink(&mut self, before: SlotId, after: SlotId) {
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
}

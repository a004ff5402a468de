//! Put, under the shard's lock: swap a frame, or add a page.

use super::{Aging, PageName, State};
use crate::frame::Frame;
use crate::garbage::Garbage;
use crate::hash::HashKey;
use crate::index::Entry;
use crate::member::Members;
use crate::object::{Membership, Name, Object};
use crate::page::{Page, Standing};
use crate::slab::SlotId;
use crate::stock::{Need, Stock};

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

/// One put, as it is from beginning to end.
pub(crate) struct Put<'a> {
    pub(crate) key: &'a HashKey,
    pub(crate) name: &'a PageName,
    pub(crate) members: &'a Members<'a>,
    pub(crate) aging: Aging,
    /// Whether a new page may be added; a swap is always possible.
    pub(crate) may_add: bool,
}

impl State {
    /// Stores `frame` under `name`: swaps it for the frame that is there, or adds a page.
    ///
    /// On anything but `Stored`, `Replaced` and `ReplacedInUse` the frame stays with the caller.
    /// `stamp` gives the age of a page that is created.
    pub(crate) fn put<const F: usize>(
        &mut self,
        put: &Put<'_>,
        frame: &mut Option<Frame>,
        stamp: impl FnOnce() -> u64,
        stock: &mut Stock,
        garbage: &mut Garbage<F>,
    ) -> PutStep {
        let Put { key, name, members, aging, may_add } = *put;
        let Some(old) = self.find_page(name, members) else {
            if !may_add {
                return PutStep::Absent;
            }
            return match self.add(put, frame, stamp, stock, garbage) {
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
    fn add<const F: usize>(
        &mut self,
        put: &Put<'_>,
        frame: &mut Option<Frame>,
        stamp: impl FnOnce() -> u64,
        stock: &mut Stock,
        garbage: &mut Garbage<F>,
    ) -> Result<(), Need> {
        let Put { key, name, members, aging, .. } = *put;
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

    pub(super) fn set_last_user(&mut self, object: SlotId, user: Membership) {
        let name = &mut self.objects.get_mut(object).name;
        if let Some((oid, _)) = name.as_live() {
            *name = Name::live(oid, user);
        }
    }
}

//! Flush: remove a page, or an object with all its pages.

use crate::client::Caller;
use crate::engine::{Access, Engine, NoPool};
use crate::garbage::Garbage;
use crate::host::Host;
use crate::meta::SLICE_PAGES_MAX;
use crate::pool::Kind;
use crate::save_log::Removal;
use crate::shard::{PageName, Removed};

/// How far a flush came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a flush that has more to free wants to be called again"]
pub enum Flushed {
    /// All is freed.
    Done {
        /// Whether the pool's owner is frozen, which a guest is told although the flush took place.
        frozen: bool,
    },
    /// The pages are unreachable already, but some wait to be freed; or the pool has changed in the
    /// middle of the call. Call again. Nobody remembers this call; the next one, or the pool's
    /// destruction, goes on.
    More,
}

/// Why a page is removed by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The guest asked for it.
    Flush,
    /// A put failed, so what was there goes (R5).
    FailedPut,
}

impl<H: Host> Engine<H> {
    /// Removes the page under (`pool_id`, `oid`, `index`), if it is there.
    ///
    /// # Errors
    /// No such pool.
    #[inline(always)]
    pub fn flush_page(
        &self,
        caller: Caller,
        pool_id: u32,
        oid: [u64; 3],
        index: u32,
    ) -> Result<Flushed, NoPool> {
        let Ok(access) = self.open(caller, pool_id) else {
            // Or it is being saved.
            let [o0, o1, o2] = oid;
            return self.flush_saving(caller, pool_id, o0, o1, o2, index);
        };
        let name = PageName::new(&self.key, oid, index);
        // What is known of a pool of each kind is known to the compiler.
        if access.is_kind(Kind::Persistent) {
            self.flush_as(Kind::Persistent, &access, &name)
        } else if access.is_kind(Kind::Private) {
            self.flush_as(Kind::Private, &access, &name)
        } else {
            self.flush_as(Kind::Shared, &access, &name)
        }
    }

    #[inline(always)]
    fn flush_as(
        &self,
        kind: Kind,
        access: &Access<'_>,
        name: &PageName,
    ) -> Result<Flushed, NoPool> {
        if self.remove_as(kind, access, name, Cause::Flush).is_none() {
            // The pool went away, or a save of its domain has begun: the next call finds out which.
            return if kind == Kind::Persistent { Ok(Flushed::More) } else { Err(NoPool) };
        }
        Ok(Flushed::Done { frozen: self.is_frozen(access) })
    }

    /// Removes object `oid` with all its pages, if it is there: at once unreachable, freed in
    /// slices.
    ///
    /// # Errors
    /// No such pool.
    #[inline(never)]
    pub fn flush_object(
        &self,
        caller: Caller,
        pool_id: u32,
        oid: [u64; 3],
    ) -> Result<Flushed, NoPool> {
        self.flush_object_of(self.open_saving(caller, pool_id)?, pool_id, oid)
    }

    /// The same in a pool that is open.
    pub(crate) fn flush_object_of(
        &self,
        access: Access<'_>,
        pool_id: u32,
        oid: [u64; 3],
    ) -> Result<Flushed, NoPool> {
        let name = PageName::new(&self.key, oid, 0);
        let first = access.shard(&name);
        let mut is_logged = false;
        for shard in access.pool().shards() {
            // An object's first block is in one shard; others have a head for what they hold of it.
            let is_first = core::ptr::eq(shard, first);
            if !is_first && !shard.has_heads() {
                continue;
            }
            let mut state = shard.state.lock(&self.host);
            let is_saving = access.is_saving();
            if !access.is_usable() {
                return Err(NoPool);
            }
            state.stats.flushes += u64::from(is_first);
            let has_killed = state.kill_named(&self.key, &name);
            self.release_all(shard, state, access.payer());
            if is_saving && has_killed && !is_logged {
                is_logged = true;
                self.log_removal(access.caller(), Removal::Object { pool_id, oid });
            }
        }
        if self.drain_flushed(&access)? {
            Ok(Flushed::Done { frozen: self.is_frozen(&access) })
        } else {
            Ok(Flushed::More)
        }
    }

    /// Removes the page of this name. Whether there was one; `None`: the pool went away.
    #[inline(never)]
    pub(crate) fn remove_named(
        &self,
        access: &Access<'_>,
        name: &PageName,
        cause: Cause,
    ) -> Option<bool> {
        self.remove_as(access.kind(), access, name, cause)
    }

    #[inline(always)]
    fn remove_as(
        &self,
        kind: Kind,
        access: &Access<'_>,
        name: &PageName,
        cause: Cause,
    ) -> Option<bool> {
        let shard = access.shard(name);
        let mut state = shard.state.lock(&self.host);
        if !access.is_current() {
            return None;
        }
        state.stats.flushes += u64::from(cause == Cause::Flush);
        let members = if kind == Kind::Shared { self.members(access) } else { None };
        let aging = kind.aging();
        let Some(removed) = state.remove_named(&self.key, name, members.as_ref(), aging) else {
            return Some(false);
        };
        self.release(shard, state, access);
        if let Removed::Free(frame) = removed {
            self.free_frame(frame, (kind == Kind::Persistent).then(|| access.domain()));
        }
        Some(true)
    }

    /// Frees a slice of the pages that flushes have left behind. `true` when none is left.
    #[inline(never)]
    fn drain_flushed(&self, access: &Access<'_>) -> Result<bool, NoPool> {
        let mut budget = SLICE_PAGES_MAX;
        let mut garbage = Garbage::<SLICE_PAGES_MAX>::new();
        for shard in access.pool().shards().iter().filter(|shard| shard.has_dead()) {
            let mut state = shard.state.lock(&self.host);
            if !access.is_usable() {
                return Err(NoPool);
            }
            state.drain_dead(&self.key, access.aging(), &mut budget, &mut garbage);
            shard.publish(&state);
            let has_more = state.has_dead();
            drop(state);
            garbage.free(&self.host, access.payer());
            if has_more {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

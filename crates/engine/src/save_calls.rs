//! What a guest's calls come to while its domain is being saved as it runs (R64): nothing comes into
//! its persistent pools, and what goes is recorded.
//!
//! Asked only by calls that were told that there is no pool ([`crate::save`] tells why).

use crate::client::Caller;
use crate::engine::{Engine, NoPool};
use crate::flush::{Cause, Flushed};
use crate::frame::FrameId;
use crate::get::{GetError, GetOutcome};
use crate::host::Host;
use crate::pool::Kind;
use crate::save_log::Removal;
use crate::shard::{PageName, Removed, Taking};
use crate::sync::atomic::Ordering::Relaxed;

/// What becomes of a put into a pool whose domain is being saved while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutSaving {
    /// The handle held a page, which is gone.
    NoSpace,
    /// The handle held nothing, and nothing comes in.
    Frozen,
    /// It is not being saved, or no longer: the put is to be made again.
    Again,
    /// No such pool.
    NoPool,
}

/// What a removal from such a pool found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// The page is gone.
    Page,
    /// There was none.
    Nothing,
    /// There is no save.
    Save,
}

impl<H: Host> Engine<H> {
    /// Removes a page from a pool whose domain is being saved while it runs. A flush removes it as well
    /// if that is no longer so.
    fn remove_saving(
        &self,
        caller: Caller,
        pool_id: u32,
        oid: [u64; 3],
        index: u32,
        cause: Cause,
    ) -> Result<Gone, NoPool> {
        let access = self.open_saving(caller, pool_id)?;
        if !access.is_kind(Kind::Persistent) {
            return Err(NoPool);
        }
        let name = PageName::new(&self.key, oid, index);
        let shard = access.shard(&name);
        let mut state = shard.state.lock(&self.host);
        let is_saving = access.is_saving();
        if !access.is_usable() {
            return Err(NoPool);
        }
        if !is_saving && cause == Cause::FailedPut {
            return Ok(Gone::Save);
        }
        state.stats.flushes += u64::from(cause == Cause::Flush);
        let Some(removed) = state.remove_named(&self.key, &name, None, access.aging()) else {
            return Ok(Gone::Nothing);
        };
        self.release(shard, state, &access);
        if let Removed::Free(frame) = removed {
            self.free_frame(frame, access.charged());
        }
        if is_saving {
            self.log_removal(caller, Removal::Page { pool_id, oid, index });
        }
        Ok(Gone::Page)
    }

    /// What becomes of a [`put`](Self::put) that was told that there is no pool. If the domain is being
    /// saved, what was under the handle goes (R64).
    #[cold]
    #[inline(never)]
    pub fn put_saving(&self, caller: Caller, pool_id: u32, oid: [u64; 3], index: u32) -> PutSaving {
        match self.remove_saving(caller, pool_id, oid, index, Cause::FailedPut) {
            Ok(Gone::Page) => PutSaving::NoSpace,
            Ok(Gone::Nothing) => PutSaving::Frozen,
            Ok(Gone::Save) => PutSaving::Again,
            Err(NoPool) => PutSaving::NoPool,
        }
    }

    /// A [`get`](Self::get) that was told that there is no pool: gives the page if there is one, for the
    /// domain may be being saved.
    ///
    /// # Errors
    /// [`GetError`].
    #[cold]
    #[inline(never)]
    pub fn get_saving<E>(
        &self,
        caller: Caller,
        pool_id: u32,
        oid: [u64; 3],
        index: u32,
        drain: impl FnOnce(FrameId) -> Result<(), E>,
    ) -> Result<GetOutcome, GetError<E>> {
        let access = self.open_saving(caller, pool_id)?;
        if !access.is_kind(Kind::Persistent) {
            return Err(GetError::NoPool);
        }
        let name = PageName::new(&self.key, oid, index);
        let shard = access.shard(&name);
        let mut state = shard.state.lock(&self.host);
        if !access.is_usable() {
            return Err(GetError::NoPool);
        }
        let Some(pinned) = state.begin_get(&name, None, Taking::Keeping) else {
            if state.nr_live() == 0 && access.pool().is_empty() {
                return Err(GetError::Empty);
            }
            state.stats.misses += 1;
            return Ok(GetOutcome::Miss);
        };
        drop(state);
        let copied = drain(pinned.frame);
        self.unpin(&access, shard, pinned, copied.is_ok());
        copied.map_or_else(|error| Err(GetError::Drain(error)), |()| Ok(GetOutcome::Hit))
    }

    /// A flush of a page that finds no live pool: removes the page if the domain is being saved, or if
    /// another of its CPUs has made a pool by that id meanwhile.
    ///
    /// # Errors
    /// No such pool.
    #[cold]
    #[inline(never)]
    pub(crate) fn flush_saving(
        &self,
        caller: Caller,
        pool_id: u32,
        o0: u64,
        o1: u64,
        o2: u64,
        index: u32,
    ) -> Result<Flushed, NoPool> {
        self.remove_saving(caller, pool_id, [o0, o1, o2], index, Cause::Flush)?;
        // Who is being saved is frozen too.
        let client = self.client(caller.client).ok_or(NoPool)?;
        Ok(Flushed::Done { frozen: client.frozen.load(Relaxed) })
    }
}

//! Saving a domain: its persistent pages one by one, and what was removed meanwhile; and putting
//! them into a new domain.
//!
//! Where a save stands in a pool is a number that the toolstack carries (`shard`, slot of the block,
//! place in it). A page stays in its slot and place for as long as it lives, so whatever comes or
//! goes meanwhile, each page that stays is met exactly once. `docs/decisions/0020` has the argument.
//!
//! While a domain is saved as it runs, the slots of its persistent pools say so
//! ([`SlotState::Saving`]). To the data path such a pool is none, as one that is being destroyed, and who
//! is told so asks here (`put_saving`, `get_saving`, `flush_saving`): so on the path of others there is
//! no question more than before.

use crate::NoMemory;
use crate::block::Membership;
use crate::client::{Caller, Client, LIVE, Slot, SlotState, SlotWord};
use crate::engine::{Access, Engine, NoPool};
use crate::flush::{Cause, Flushed};
use crate::frame::FrameId;
use crate::get::{GetError, GetOutcome};
use crate::host::{DomainId, Host};
use crate::limits::POOLS_PER_CLIENT;
use crate::pool::{Kind, SHARDS};
use crate::put::{PutError, PutOutcome};
use crate::save_log::Removal;
use crate::shard::{NextPage, PageName, Pinned, Place, Removed, Shard, Taking};
use crate::slab::SlotId;
use crate::sync::atomic::Ordering::{Relaxed, Release};

/// How a save of a client stands: the values of [`Client::saving`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Saving {
    /// It is not being saved.
    No = 0,
    /// It is, and does not run meanwhile.
    Paused = 1,
    /// It is, and runs.
    Live = 2,
    /// A save is over, and its log is being freed.
    Ending = 3,
}

impl Saving {
    pub(crate) const fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::Paused,
            2 => Self::Live,
            3 => Self::Ending,
            _ => Self::No,
        }
    }

    /// Whether a save goes on.
    pub(crate) const fn is_on(self) -> bool {
        matches!(self, Self::Paused | Self::Live)
    }
}

/// Why a save does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginSaveError {
    /// The domain is no client, or has no pool.
    NothingToSave,
    /// The domain is being saved already.
    Busy,
}

/// The domain is not being saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSaving;

/// How far the end of a save came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an end that is not done wants to be called again"]
pub enum SaveEnded {
    /// All is as it was before the save.
    Done,
    /// The domain is free; call again to free more of the log.
    More,
}

/// What the search for a pool's next page came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// A page was delivered; the next one is looked for from `next`.
    Page {
        /// Where to go on.
        next: u64,
    },
    /// Nothing yet; look again from `next`.
    More {
        /// Where to go on.
        next: u64,
    },
    /// There is no further page.
    End,
}

/// Why there is no next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveError<E> {
    /// The domain is not being saved.
    NotSaving,
    /// The domain has no such pool, or it is not a persistent one.
    NoPool,
    /// The page could not be delivered, with the error. It is met again from the same number.
    Deliver(E),
}

/// Why what was removed can't be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemovalsError {
    /// The domain is not being saved.
    NotSaving,
    /// Something could not be recorded for want of memory: the save is worth nothing.
    Lost,
}

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

/// Why a restore does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginRestoreError {
    /// The domain is a client already.
    Exists,
    /// No memory for its record.
    NoMemory,
}

/// Bits of a cursor: the place's, and above them the block's slot; then the shard.
const PLACE_BITS: u32 = 8;
const SHARD_SHIFT: u32 = 40;

/// Shard and place that `cursor` stands for; any number stands for some.
#[expect(clippy::cast_possible_truncation, reason = "takes a number apart")]
const fn parse(cursor: u64) -> (usize, Place) {
    let block = (cursor >> PLACE_BITS) as u32;
    ((cursor >> SHARD_SHIFT) as usize, Place { block: SlotId(block), place: cursor as u8 })
}

/// The cursor of a place in a shard.
const fn cursor(shard: usize, at: Place) -> u64 {
    (shard as u64) << SHARD_SHIFT | (at.block.0 as u64) << PLACE_BITS | at.place as u64
}

/// The number of a removal, as the toolstack carries it: records first, then pools by their ids.
const POOL_SHIFT: u32 = 32;

impl<H: Host> Engine<H> {
    /// The client that a domain is, if it is not dying.
    fn living(&self, domain: DomainId) -> Option<(Caller, &Client)> {
        let caller = self.client_of(domain)?;
        let client = self.client(caller.client)?;
        let is_it = client.state.load(Relaxed) == LIVE && client.domain.load(Relaxed) == domain.0;
        is_it.then_some((caller, client))
    }

    /// Opens a pool of a domain that does not make the call itself and so may die in the middle of
    /// it.
    fn open_of(&self, domain: DomainId, pool_id: u32) -> Result<Access<'_>, NoPool> {
        let (caller, _) = self.living(domain).ok_or(NoPool)?;
        let access = self.open_saving(caller, pool_id)?;
        // Asked after the slot was read: a record that serves another domain by now says so.
        self.living(domain).filter(|(now, _)| *now == caller).ok_or(NoPool)?;
        Ok(access)
    }

    /// Begins to save a domain, which is frozen until [`end_save`](Self::end_save) (R62). `live`: it
    /// goes on running; from now on nothing comes into its persistent pools, and what goes is
    /// recorded (R64).
    ///
    /// # Errors
    /// [`BeginSaveError`]; nothing has changed.
    pub fn begin_save(&self, domain: DomainId, live: bool) -> Result<(), BeginSaveError> {
        let (_, client) = self.living(domain).ok_or(BeginSaveError::NothingToSave)?;
        if !client.save_log.lock(&self.host).is_empty() {
            return Err(BeginSaveError::Busy);
        }
        let _registry = self.registry.lock(&self.host);
        let (_, client) = self.living(domain).ok_or(BeginSaveError::NothingToSave)?;
        if client.saving() != Saving::No {
            return Err(BeginSaveError::Busy);
        }
        let word_of = |slot: &Slot| SlotWord(slot.word.load(Relaxed));
        let used = (0..).zip(&client.slots).filter(|(_, slot)| word_of(slot).is_usable());
        let ids = used.fold(0, |ids, (id, _)| ids | 1 << id);
        if ids == 0 {
            return Err(BeginSaveError::NothingToSave);
        }
        client.pools_saved.store(ids, Relaxed);
        client.pools_gone.store(0, Relaxed);
        client.frozen.store(true, Relaxed);
        let saving = if live { Saving::Live } else { Saving::Paused };
        client.saving.store(saving as u8, Release);
        if live {
            self.turn_slots(client, SlotState::Live, SlotState::Saving);
        }
        Ok(())
    }

    /// Changes the state of a client's persistent pools that are in state `from`. The registry's lock
    /// is held. Who works in such a pool finds out under its shard's lock.
    fn turn_slots(&self, client: &Client, from: SlotState, to: SlotState) {
        for slot in &client.slots {
            let word = SlotWord(slot.word.load(Relaxed));
            if word.state() == from && word.is_kind(Kind::Persistent) {
                slot.word.store(word.with_state(to).0, Release);
            }
        }
    }

    /// Ends a save, whether or not it was completed: the domain is as frozen as it was, and goes on
    /// (R66). To be called until it is done.
    ///
    /// # Errors
    /// The domain is not being saved.
    pub fn end_save(&self, domain: DomainId) -> Result<SaveEnded, NotSaving> {
        let registry = self.registry.lock(&self.host);
        let (caller, client) = self.living(domain).ok_or(NotSaving)?;
        let before = client.saving();
        if before == Saving::No {
            return Err(NotSaving);
        }
        if before.is_on() {
            client.saving.store(Saving::Ending as u8, Release);
            client.frozen.store(client.is_asked_frozen.load(Relaxed), Relaxed);
            self.turn_slots(client, SlotState::Saving, SlotState::Live);
        }
        drop(registry);
        if !self.drain_save_log(caller) {
            return Ok(SaveEnded::More);
        }
        let _registry = self.registry.lock(&self.host);
        if client.domain.load(Relaxed) == domain.0 && client.saving() == Saving::Ending {
            client.saving.store(Saving::No as u8, Release);
        }
        Ok(SaveEnded::Done)
    }

    /// Finds the first page of a persistent pool at or after `from` (0: of all), and has it
    /// delivered: its object, its index and its frame. From the number that comes back the search
    /// goes on; whoever begins with 0 again meets all pages again (R63).
    ///
    /// # Errors
    /// [`SaveError`].
    pub fn save_next<E>(
        &self,
        domain: DomainId,
        pool_id: u32,
        from: u64,
        deliver: impl FnOnce([u64; 3], u32, FrameId) -> Result<(), E>,
    ) -> Result<Saved, SaveError<E>> {
        let (_, client) = self.living(domain).ok_or(SaveError::NotSaving)?;
        if !client.saving().is_on() {
            return Err(SaveError::NotSaving);
        }
        let access = self.open_of(domain, pool_id).map_err(|NoPool| SaveError::NoPool)?;
        if !access.is_kind(Kind::Persistent) {
            return Err(SaveError::NoPool);
        }
        let (first, mut from) = parse(from);
        let mut steps = SEARCH_STEPS_MAX;
        for at in first..SHARDS {
            let Some(shard) = access.pool().shards().get(at) else { break };
            let mut state = shard.state.lock(&self.host);
            if !access.is_usable() {
                return Err(SaveError::NoPool);
            }
            let (place, pinned, (oid, index)) = match state.pin_next(from, &mut steps) {
                NextPage::Pinned(place, pinned, name) => (place, pinned, name),
                NextPage::Unfinished(place) => return Ok(Saved::More { next: cursor(at, place) }),
                NextPage::End => {
                    from = Place::FIRST;
                    continue;
                }
            };
            drop(state);

            let delivered = deliver(oid, index, pinned.frame);

            // As one who reads, but no hit.
            self.unpin(&access, shard, pinned, false);
            delivered.map_err(SaveError::Deliver)?;
            return Ok(Saved::Page { next: cursor(at, place.next()) });
        }
        Ok(Saved::End)
    }

    /// The removal of number `at` (0: the first) that was recorded since a live save began, and the
    /// number of the next one. Complete once the domain has stopped.
    ///
    /// # Errors
    /// [`RemovalsError`].
    pub fn next_removal(
        &self,
        domain: DomainId,
        at: u64,
    ) -> Result<Option<(Removal, u64)>, RemovalsError> {
        let (_, client) = self.living(domain).ok_or(RemovalsError::NotSaving)?;
        let log = client.save_log.lock(&self.host);
        if !client.saving().is_on() {
            return Err(RemovalsError::NotSaving);
        }
        if log.is_lost() {
            return Err(RemovalsError::Lost);
        }
        if let Ok(record) = u32::try_from(at)
            && let Some(removal) = log.get(record)
        {
            return Ok(Some((removal, at + 1)));
        }
        drop(log);
        let gone = client.pools_gone.load(Relaxed);
        let from = u32::try_from(at >> POOL_SHIFT).unwrap_or(u32::MAX).saturating_sub(1);
        let pool_id = (from..POOLS_PER_CLIENT).find(|&id| gone & 1 << id != 0);
        // The first number of pools is 1, so that records' numbers stay below theirs.
        let next = |id: u32| u64::from(id + 2) << POOL_SHIFT;
        Ok(pool_id.map(|pool_id| (Removal::Pool { pool_id }, next(pool_id))))
    }

    /// Notes that a client's pool begins to be destroyed. The registry's lock is held.
    pub(crate) fn note_pool_gone(&self, client: crate::client::ClientId, pool_id: u32) {
        let Some(client) = self.client(client) else { return };
        let id = 1_u16 << (pool_id % POOLS_PER_CLIENT);
        let saved = client.pools_saved.load(Relaxed);
        if client.saving() == Saving::Live && saved & id != 0 {
            // Once: a pool that gets the id later was not saved.
            client.pools_saved.store(saved & !id, Relaxed);
            client.pools_gone.store(client.pools_gone.load(Relaxed) | id, Relaxed);
        }
    }

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

    /// Ends the reading of a persistent pool's page. `is_hit`: whether it counts as a hit.
    fn unpin(&self, access: &Access<'_>, shard: &Shard, pinned: Pinned, is_hit: bool) {
        let mut state = shard.state.lock(&self.host);
        let (taking, nobody) = (Taking::Keeping, Membership::NOBODY);
        if let Some(frame) = state.finish_get(&self.key, pinned, taking, is_hit, nobody, || 0) {
            self.release(shard, state, access);
            self.free_frame(frame, access.charged());
            // It may have been the last thing that kept a destroyed pool's record.
            self.recycle_if_drained(access.pool(), access.pool_number(), access.payer());
        }
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

    /// Makes a client of a domain that is none, so that it can be restored.
    ///
    /// The caller makes sure, afterwards, that the domain is not dying, and destroys the client again
    /// if it is.
    ///
    /// # Errors
    /// [`BeginRestoreError`].
    pub fn begin_restore(&self, domain: DomainId) -> Result<(), BeginRestoreError> {
        match self.create_client_anew(domain) {
            Ok((_, true)) => Ok(()),
            Ok((_, false)) => Err(BeginRestoreError::Exists),
            Err(NoMemory) => Err(BeginRestoreError::NoMemory),
        }
    }

    /// Stores a page in a domain's pool, on the domain's account, as [`put`](Self::put) does.
    ///
    /// # Errors
    /// [`PutError`]; `NoPool` too if the domain is no client.
    pub fn restore_put<E>(
        &self,
        domain: DomainId,
        pool_id: u32,
        oid: [u64; 3],
        index: u32,
        fill: impl FnOnce(FrameId) -> Result<(), E>,
    ) -> Result<PutOutcome, PutError<E>> {
        let access = self.open_of(domain, pool_id).map_err(|NoPool| PutError::NoPool)?;
        let name = PageName::new(&self.key, oid, index);
        self.put_as(access.kind(), &access, pool_id, &name, fill)
    }

    /// Removes what a [`Removal`] names from a domain's pools; a slice of it, if that is much.
    ///
    /// # Errors
    /// No such pool.
    pub fn restore_remove(&self, domain: DomainId, removal: Removal) -> Result<Flushed, NoPool> {
        let (Removal::Page { pool_id, .. }
        | Removal::Object { pool_id, .. }
        | Removal::Pool { pool_id }) = removal;
        match removal {
            Removal::Page { oid, index, .. } => {
                let access = self.open_of(domain, pool_id)?;
                let name = PageName::new(&self.key, oid, index);
                self.remove_named(&access, &name, Cause::Flush).ok_or(NoPool)?;
                Ok(Flushed::Done { frozen: self.is_frozen(&access) })
            }
            Removal::Object { oid, .. } => {
                let access = self.open_of(domain, pool_id)?;
                self.flush_object_of(access, pool_id, oid)
            }
            Removal::Pool { .. } => {
                let (caller, _) = self.living(domain).ok_or(NoPool)?;
                match self.destroy_pool(caller, pool_id) {
                    crate::Destroyed::Nothing => Err(NoPool),
                    crate::Destroyed::Done => Ok(Flushed::Done { frozen: false }),
                    crate::Destroyed::More => Ok(Flushed::More),
                }
            }
        }
    }
}

/// Blocks, and chunks without any, that one search looks at.
const SEARCH_STEPS_MAX: usize = 256;

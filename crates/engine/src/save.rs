//! Saving a domain: its persistent pages one by one, and what was removed meanwhile.
//!
//! Where a save stands in a pool is a number that the toolstack carries (`shard`, slot of the block,
//! place in it). A page stays in its slot and place for as long as it lives, so whatever comes or
//! goes meanwhile, each page that stays is met exactly once. `docs/decisions/0020` has the argument.
//!
//! While a domain is saved as it runs, the slots of its persistent pools say so
//! ([`SlotState::Saving`]). To the data path such a pool is none, as one that is being destroyed, and who
//! is told so asks in `save_calls.rs`: so on the path of others there is no question more than before.

use crate::block::Membership;
use crate::client::{Caller, Client, ClientId, LIVE, Slot, SlotState, SlotWord};
use crate::engine::{Access, Engine, NoPool};
use crate::frame::FrameId;
use crate::host::{DomainId, Host};
use crate::limits::POOLS_PER_CLIENT;
use crate::pool::{Kind, SHARDS};
use crate::save_log::Removal;
use crate::shard::{NextPage, Pinned, Place, Shard, Taking};
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

/// Blocks, and chunks without any, that one search looks at.
const SEARCH_STEPS_MAX: usize = 256;

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
    pub(crate) fn living(&self, domain: DomainId) -> Option<(Caller, &Client)> {
        let caller = self.client_of(domain)?;
        let client = self.client(caller.client)?;
        let is_it = client.state.load(Relaxed) == LIVE && client.domain.load(Relaxed) == domain.0;
        is_it.then_some((caller, client))
    }

    /// Opens a pool of a domain that does not make the call itself and so may die in the middle of
    /// it.
    pub(crate) fn open_of(&self, domain: DomainId, pool_id: u32) -> Result<Access<'_>, NoPool> {
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
    pub(crate) fn note_pool_gone(&self, client: ClientId, pool_id: u32) {
        let Some(client) = self.client(client) else { return };
        let id = 1_u16 << (pool_id % POOLS_PER_CLIENT);
        let saved = client.pools_saved.load(Relaxed);
        if client.saving() == Saving::Live && saved & id != 0 {
            // Once: a pool that gets the id later was not saved.
            client.pools_saved.store(saved & !id, Relaxed);
            client.pools_gone.store(client.pools_gone.load(Relaxed) | id, Relaxed);
        }
    }

    /// Ends the reading of a persistent pool's page. `is_hit`: whether it counts as a hit.
    pub(crate) fn unpin(&self, access: &Access<'_>, shard: &Shard, pinned: Pinned, is_hit: bool) {
        let mut state = shard.state.lock(&self.host);
        let (taking, nobody) = (Taking::Keeping, Membership::NOBODY);
        if let Some(frame) = state.finish_get(&self.key, pinned, taking, is_hit, nobody, || 0) {
            self.release(shard, state, access);
            self.free_frame(frame, access.charged());
            // It may have been the last thing that kept a destroyed pool's record.
            self.recycle_if_drained(access.pool(), access.pool_number(), access.payer());
        }
    }
}

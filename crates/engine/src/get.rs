//! Get: read a page back.
//!
//! The page is found and pinned under the shard's lock, copied out without it, and then, under the
//! lock again, removed, refreshed or let be. Nothing that happens in between can free the frame:
//! whoever unhooks a pinned page leaves the frame to its readers.

use crate::block::Membership;
use crate::client::Caller;
use crate::engine::{Access, Engine, NoPool};
use crate::evict::Effort;
use crate::frame::FrameId;
use crate::host::Host;
use crate::policy::{Age, Event, Policy};
use crate::pool::Kind;
use crate::shard::{PageName, Pinned, Shard, Taking};
use crate::stock::Stock;

/// Pages that one get may evict, whatever was stored.
const EVICTIONS_PER_REFRESH_MAX: u32 = 1;

/// Blocks of metadata that one refresh may ask for: a chunk of the log of ages, and root and leaf of
/// its two arrays.
const NEEDS_PER_REFRESH_MAX: u32 = 6;

/// What a get found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetOutcome {
    /// The page, which `drain` has delivered.
    Hit,
    /// No page under this handle.
    Miss,
}

/// Why a get failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetError<E> {
    /// No such pool, or its domain is being saved.
    NoPool,
    /// There is no page in the whole pool (R16).
    Empty,
    /// `drain` failed, with its error. The page stays, unless somebody has missed it meanwhile.
    Drain(E),
}

impl<E> From<NoPool> for GetError<E> {
    fn from(_: NoPool) -> Self {
        Self::NoPool
    }
}

impl<H: Host> Engine<H> {
    /// Delivers the page under (`pool_id`, `oid`, `index`) to `drain`, which is called on a hit
    /// only. A hit removes the page from a private ephemeral pool and makes it the youngest in a
    /// shared one.
    ///
    /// # Errors
    /// [`GetError`]. `NoPool` may mean that the domain is being saved:
    /// [`get_saving`](Self::get_saving) knows.
    #[inline(always)]
    pub fn get<E>(
        &self,
        caller: Caller,
        pool_id: u32,
        oid: [u64; 3],
        index: u32,
        drain: impl FnOnce(FrameId) -> Result<(), E>,
    ) -> Result<GetOutcome, GetError<E>> {
        let access = self.open(caller, pool_id)?;
        let name = PageName::new(&self.key, oid, index);
        // R8 to R10. What is known of a pool of each kind is known to the compiler.
        if access.is_kind(Kind::Persistent) {
            self.get_as(Taking::Keeping, &access, &name, drain)
        } else if access.is_kind(Kind::Private) {
            self.get_as(Taking::Exclusive, &access, &name, drain)
        } else if H::Policy::age(Event::Hit) == Age::Youngest {
            self.get_as(Taking::Refreshing, &access, &name, drain)
        } else {
            self.get_as(Taking::Leaving, &access, &name, drain)
        }
    }

    #[inline(always)]
    fn get_as<E>(
        &self,
        taking: Taking,
        access: &Access<'_>,
        name: &PageName,
        drain: impl FnOnce(FrameId) -> Result<(), E>,
    ) -> Result<GetOutcome, GetError<E>> {
        let shard = access.shard(name);
        let is_shared = matches!(taking, Taking::Refreshing | Taking::Leaving);
        let mut state = shard.state.lock(&self.host);
        if !access.is_current() {
            return Err(GetError::NoPool);
        }
        let members = if is_shared { self.members(access) } else { None };
        let Some(pinned) = state.begin_get(name, members.as_ref(), taking) else {
            if state.nr_live() == 0 && access.pool().is_empty() {
                return Err(GetError::Empty);
            }
            state.stats.misses += 1;
            return Ok(GetOutcome::Miss);
        };
        if taking == Taking::Exclusive {
            state.foresee_removal(pinned, name.number, &self.host);
        }
        drop(state);

        let copied = drain(pinned.frame);

        let mut state = shard.state.lock(&self.host);
        let is_current = taking != Taking::Keeping && access.is_current();
        // Who has left a shared pool meanwhile is no longer anybody's last user.
        let user = if is_shared && is_current { access.own() } else { Membership::NOBODY };
        let tick = || self.tick();
        let lacks_age = taking == Taking::Refreshing && !state.is_age_ready() && copied.is_ok();
        let frame = state.finish_get(&self.key, pinned, taking, copied.is_ok(), user, tick);
        if taking == Taking::Keeping && frame.is_none() {
            // Nothing that others are told has changed.
            drop(state);
        } else {
            self.release(shard, state, access);
            if let Some(frame) = frame {
                self.free_frame(frame, access.charged());
            }
            if !is_current {
                // It may have been the last thing that kept a destroyed pool's record.
                self.recycle_if_drained(access.pool(), access.pool_number(), access.payer());
            }
        }
        if lacks_age && is_current {
            self.refresh(*access, shard, pinned);
        }
        copied.map_or_else(|error| Err(GetError::Drain(error)), |()| Ok(GetOutcome::Hit))
    }

    /// Makes a page the youngest where that wants metadata: once in some 450 times. If the host has no
    /// memory, its oldest page makes room, for on a full host the order of ages is what counts most.
    /// If there is still none to be had, the page stays as old as it is.
    #[cold]
    #[inline(never)]
    fn refresh(&self, access: Access<'_>, shard: &Shard, pinned: Pinned) {
        let mut effort = Effort::of(EVICTIONS_PER_REFRESH_MAX);
        let mut stock = Stock::default();
        for _ in 0..NEEDS_PER_REFRESH_MAX {
            let mut state = shard.state.lock(&self.host);
            if !access.is_current() {
                break;
            }
            let step = state.make_youngest(pinned, || self.tick(), &mut stock);
            self.release_all(shard, state, access.payer());
            let Err(need) = step else { break };
            if !self.fetch(need, &mut stock, &access, &mut effort) {
                break;
            }
        }
        stock.discard(&self.host, access.payer());
    }
}

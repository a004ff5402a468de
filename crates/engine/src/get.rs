//! Get: read a page back.
//!
//! The page is found and pinned under the shard's lock, copied out without it, and then, under the
//! lock again, removed, refreshed or let be. Nothing that happens in between can free the frame:
//! whoever unhooks a pinned page leaves the frame to its readers.

use crate::client::ClientId;
use crate::engine::{Engine, NoPool};
use crate::frame::FrameId;
use crate::host::Host;
use crate::shard::{PageName, Taking};

/// What a get found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetOutcome {
    /// The page, which `drain` has delivered.
    Hit,
    /// No page under this handle.
    Miss,
    /// No page in the whole pool (R16).
    Empty,
}

/// Why a get failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GetError<E> {
    /// No such pool.
    NoPool,
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
    /// [`GetError`].
    pub fn get<E>(
        &self,
        client: ClientId,
        pool_id: u32,
        oid: [u64; 3],
        index: u32,
        drain: impl FnOnce(FrameId) -> Result<(), E>,
    ) -> Result<GetOutcome, GetError<E>> {
        let access = self.open(client, pool_id)?;
        let name = PageName::new(&self.key, oid, index);
        let shard = access.shard(&name);
        let taking = self.taking(&access);

        let mut state = shard.state.lock(&self.host);
        if !access.is_current() {
            return Err(GetError::NoPool);
        }
        let Some(pinned) = state.begin_get(&name, self.members(&access).as_ref(), taking) else {
            if access.pool.is_empty() {
                return Ok(GetOutcome::Empty);
            }
            state.stats.misses += 1;
            return Ok(GetOutcome::Miss);
        };
        if taking == Taking::Exclusive || taking == Taking::Refreshing {
            state.foresee_removal(pinned, |record| self.host.prefetch(record));
        }
        drop(state);

        self.host.prefetch_frame(pinned.frame);
        let copied = drain(pinned.frame);

        let mut state = shard.state.lock(&self.host);
        let tick = || self.tick();
        // Who has left a shared pool meanwhile is no longer anybody's last user.
        let user = (access.is_shared() && access.is_current()).then(|| access.own());
        let frame = state.finish_get(&self.key, pinned, taking, copied.is_ok(), user, tick);
        if taking == Taking::Keeping && frame.is_none() {
            // Nothing that others are told has changed.
            drop(state);
        } else {
            self.release(shard, state, || access.payer());
        }
        if let Some(frame) = frame {
            self.free_frame(frame, access.charged());
            // It may have been the last thing that kept a destroyed pool's record.
            self.recycle_if_drained(access.pool, access.pool_number(), access.payer());
        }
        copied.map_or_else(|error| Err(GetError::Drain(error)), |()| Ok(GetOutcome::Hit))
    }
}

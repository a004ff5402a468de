//! What may follow what in a stream. Writer and reader ask the same one.

use super::error::Objection;
use super::records::{AUTHORISATIONS_MAX, Record};
use hypercall_abi::{Handle, POOLS_PER_DOMAIN_MAX, PoolFlags};

/// Places for a domain's pools.
const POOLS: usize = POOLS_PER_DOMAIN_MAX as usize;

/// What a stream has said so far, in numbers; the end record repeats it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records before the end record, those that were skipped too.
    pub records: u64,
    /// Pools.
    pub pools: u64,
    /// Pages, with content or all of zeroes.
    pub pages: u64,
    /// Pages and objects that were removed.
    pub flushes: u64,
    /// Pools that were removed.
    pub pools_gone: u64,
}

/// The state of a stream between two records. Its size does not depend on the stream's.
#[derive(Clone, Debug)]
pub struct Grammar {
    is_live: bool,
    has_client: bool,
    has_ended: bool,
    /// The pools that there are, with their flags.
    pools: [Option<PoolFlags>; POOLS],
    totals: Totals,
}

impl Grammar {
    /// Before the first record. Only a stream that `is_live` may remove anything.
    pub fn new(is_live: bool) -> Self {
        Self {
            is_live,
            has_client: false,
            has_ended: false,
            pools: [None; POOLS],
            totals: Totals::default(),
        }
    }

    /// What was said so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Whether the end record was said.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// A record that is skipped.
    ///
    /// # Errors
    /// [`Objection::AfterEnd`].
    pub fn skip(&mut self) -> Result<(), Objection> {
        if self.has_ended {
            return Err(Objection::AfterEnd);
        }
        self.totals.records += 1;
        Ok(())
    }

    /// Judges the next record, and goes on if it may stand here.
    ///
    /// # Errors
    /// Why it may not; then nothing has changed.
    pub fn next(&mut self, record: &Record<'_>) -> Result<(), Objection> {
        if self.has_ended {
            return Err(Objection::AfterEnd);
        }
        if matches!(record, Record::Client(_)) == self.has_client {
            return Err(Objection::ClientNotFirst);
        }
        match record {
            Record::Client(client) => {
                if client.authorisations.len() > AUTHORISATIONS_MAX {
                    return Err(Objection::TooManyAuthorisations);
                }
                self.has_client = true;
            }
            Record::Pool(pool) => {
                let flags = PoolFlags::check(pool.flags).map_err(|_| Objection::NotAPool)?;
                let place = self.place(pool.id).ok_or(Objection::NotAPool)?;
                if place.is_some() {
                    return Err(Objection::PoolExists(pool.id));
                }
                *place = Some(flags);
                self.totals.pools += 1;
            }
            Record::Page { handle, .. } => {
                self.persistent(handle.pool_id)?;
                self.totals.pages += 1;
            }
            Record::FlushPage(Handle { pool_id, .. }) | Record::FlushObject { pool_id, .. } => {
                self.live()?;
                self.persistent(*pool_id)?;
                self.totals.flushes += 1;
            }
            Record::PoolGone(id) => {
                self.live()?;
                let place = self.place(*id).ok_or(Objection::NoPool(*id))?;
                place.take().ok_or(Objection::NoPool(*id))?;
                self.totals.pools_gone += 1;
            }
            Record::End(totals) => {
                if *totals != self.totals {
                    return Err(Objection::Totals);
                }
                self.has_ended = true;
                return Ok(());
            }
        }
        self.totals.records += 1;
        Ok(())
    }

    /// Whether pages may be removed.
    fn live(&self) -> Result<(), Objection> {
        if self.is_live { Ok(()) } else { Err(Objection::NotLive) }
    }

    /// Whether a pool's pages are carried.
    fn persistent(&mut self, id: u32) -> Result<(), Objection> {
        match self.place(id).and_then(|place| *place) {
            None => Err(Objection::NoPool(id)),
            Some(flags) if flags.contains(PoolFlags::PERSIST) => Ok(()),
            Some(_) => Err(Objection::PoolIsEphemeral(id)),
        }
    }

    fn place(&mut self, id: u32) -> Option<&mut Option<PoolFlags>> {
        self.pools.get_mut(usize::try_from(id).ok()?)
    }
}

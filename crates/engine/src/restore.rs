//! Restoring a domain: what [`crate::save`] told of another is put into a new one.

use crate::NoMemory;
use crate::destroy::Destroyed;
use crate::engine::{Engine, NoPool};
use crate::flush::{Cause, Flushed};
use crate::frame::FrameId;
use crate::host::{DomainId, Host};
use crate::put::{PutError, PutOutcome};
use crate::save_log::Removal;
use crate::shard::PageName;

/// Why a restore does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginRestoreError {
    /// The domain is a client already.
    Exists,
    /// No memory for its record.
    NoMemory,
}

impl<H: Host> Engine<H> {
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
        // Out of line, so that the toolstack's other calls have less of a put on their stack.
        self.put_as(access.kind(), &access, pool_id, &name, fill, true)
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
                    Destroyed::Nothing => Err(NoPool),
                    Destroyed::Done => Ok(Flushed::Done { frozen: false }),
                    Destroyed::More => Ok(Flushed::More),
                }
            }
        }
    }
}

//! Rights: which shared pools a client may join. Off the data path, under a lock of each client's own.

use crate::client::LIVE;
use crate::engine::Engine;
use crate::host::{DomainId, Host};
use crate::sync::atomic::Ordering::{Acquire, Relaxed};

/// Why an authorisation was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// The client is authorised for as many uuids as it may.
    TableFull,
    /// No memory for the client's record.
    NoMemory,
    /// The domain is dying.
    Dying,
}

/// The domain is no client, or it is dying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAClient;

impl<H: Host> Engine<H> {
    /// Allows or forbids a client to join the shared pool of `uuid` from now on.
    ///
    /// # Errors
    /// [`AuthError::TableFull`], or `Dying` if the domain is no client.
    pub fn set_auth(
        &self,
        domain: DomainId,
        uuid: [u64; 2],
        allowed: bool,
    ) -> Result<(), AuthError> {
        let client = self.client_of(domain).and_then(|caller| self.client(caller.client));
        let client = client.ok_or(AuthError::Dying)?;
        let mut auth = client.auth.lock(&self.host);
        // A record is given to another domain only after its authorisations were cleared under
        // this lock, so what is seen here holds until the lock is released.
        if client.state.load(Acquire) != LIVE || client.domain.load(Relaxed) != domain.0 {
            return Err(AuthError::Dying);
        }
        let present = auth.uuids.iter_mut().find(|place| **place == Some(uuid));
        match (present, allowed) {
            (Some(_), true) | (None, false) => Ok(()),
            (Some(place), false) => {
                *place = None;
                Ok(())
            }
            (None, true) => {
                let free = auth.uuids.iter_mut().find(|place| place.is_none());
                *free.ok_or(AuthError::TableFull)? = Some(uuid);
                Ok(())
            }
        }
    }

    /// The uuid at a place in the table of those that a domain is authorised for, if there is one;
    /// there are [`AUTHS_PER_CLIENT`](crate::AUTHS_PER_CLIENT) places.
    ///
    /// One place at a time: who reads all of them needs no room for the table, and each lock is short.
    ///
    /// # Errors
    /// The domain is no client, or it is dying.
    pub fn auth_at(&self, domain: DomainId, place: usize) -> Result<Option<[u64; 2]>, NotAClient> {
        let client = self.client_of(domain).and_then(|caller| self.client(caller.client));
        let client = client.ok_or(NotAClient)?;
        let auth = client.auth.lock(&self.host);
        // As in `set_auth`.
        if client.state.load(Acquire) != LIVE || client.domain.load(Relaxed) != domain.0 {
            return Err(NotAClient);
        }
        Ok(auth.uuids.get(place).copied().flatten())
    }
}

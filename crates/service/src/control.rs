//! What the toolstack and the hypervisor ask: freezing, authorisation, memory, the death of a domain,
//! and figures. `sysctl.rs` is the toolstack's way to most of these.

mod auths;
mod line;
mod list;
mod pools;
pub(crate) mod slices;
mod stats;

use crate::dispatch::Service;
use crate::platform::Platform;
use hypercall_abi::{Status, Uuid};
pub use tmem_engine::AuthError;
use tmem_engine::{AuditError, ClientState, DomainId, PoolStats, Totals};

/// How far the destruction of a domain came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an unfinished destruction must be called again"]
pub enum Progress {
    /// Nothing of the domain is left.
    Done,
    /// Call again.
    More,
}

/// One domain, or every client that there is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// This domain.
    One(DomainId),
    /// All that exist at this moment.
    All,
}

/// The domain is no client of tmem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownClient;

impl<P: Platform> Service<P> {
    /// Destroys a slice of what a dying domain has in tmem. The domain is marked as dying before
    /// the first call, so that it can't come back (R27, R29).
    pub fn destroy_domain(&self, domain: DomainId) -> Progress {
        if self.engine.destroy_client(domain) { Progress::Done } else { Progress::More }
    }

    /// Destroys a slice of the pools of a domain that starts anew (soft reset): it stays a client, with
    /// its settings and its rights, and none of its pages or pools (R30, P27). None of its vCPUs runs.
    pub fn reset_domain(&self, domain: DomainId) -> Progress {
        if self.engine.destroy_pools(domain) { Progress::Done } else { Progress::More }
    }

    /// Gives up to `pages` frames back to the machine, by evicting the oldest pages. Returns how
    /// many; fewer when there are not so many pages that can be evicted (R56).
    pub fn reclaim(&self, pages: u32) -> u32 {
        self.engine.reclaim(pages)
    }

    /// Frames that [`reclaim`](Self::reclaim) could give back, and no more (R57).
    pub fn freeable_pages(&self) -> u64 {
        self.engine.freeable_pages()
    }

    /// About as many, at a price that does not grow with the number of pools. Called again and again
    /// it comes to [`freeable_pages`](Self::freeable_pages).
    pub fn freeable_estimate(&self) -> u64 {
        self.engine.freeable_estimate()
    }

    /// A domain's state as a client, if it is one.
    pub fn client_state(&self, domain: DomainId) -> Option<ClientState> {
        self.engine.client_state(domain)
    }

    /// Freezes or thaws clients: a frozen one's puts of new pages are refused, its flushes carried
    /// out but answered by -1000 (R53). Freezing a frozen client changes nothing (R54).
    ///
    /// # Errors
    /// The one domain is no client.
    pub fn set_frozen(&self, who: Clients, frozen: bool) -> Result<(), UnknownClient> {
        match who {
            Clients::One(domain) if self.engine.set_frozen(domain, frozen) => Ok(()),
            Clients::One(_) => Err(UnknownClient),
            Clients::All => {
                let mut next = Some(0);
                while let Some(from) = next {
                    // One that dies meanwhile needs no freezing.
                    next = self.engine.visit_clients(from, |domain| {
                        self.engine.set_frozen(domain, frozen);
                    });
                }
                Ok(())
            }
        }
    }

    /// Sets a domain's weight: where weights are in use, a client that holds more of the host's
    /// ephemeral memory than its part of the sum of all weights pays for its puts with its own
    /// oldest page (R45). 0, as at first: it takes no part.
    ///
    /// # Errors
    /// The domain is no client.
    pub fn set_weight(&self, domain: DomainId, weight: u32) -> Result<(), UnknownClient> {
        if self.engine.set_weight(domain, weight) { Ok(()) } else { Err(UnknownClient) }
    }

    /// A domain's weight, if it is a client.
    pub fn weight(&self, domain: DomainId) -> Option<u32> {
        self.engine.weight(domain)
    }

    /// Allows or forbids `domain` to join the shared pool of `uuid` from now on. A pool that it has
    /// joined already it keeps (R39). The domain becomes a client if it is none.
    ///
    /// # Errors
    /// [`AuthError`].
    pub fn set_auth(&self, domain: DomainId, uuid: Uuid, allowed: bool) -> Result<(), AuthError> {
        if self.platform().is_dying(domain) {
            return Err(AuthError::Dying);
        }
        self.client_for(domain).map_err(|status| match status {
            Status::NoMemory => AuthError::NoMemory,
            _ => AuthError::Dying,
        })?;
        self.engine.set_auth(domain, uuid.0, allowed)
    }

    /// Counts everything anew and compares what is said twice.
    ///
    /// # Errors
    /// The first disagreement.
    pub fn audit(&self) -> Result<Totals, AuditError> {
        self.engine.audit()
    }

    /// What happened in the pools that a domain owns, if it is a client.
    pub fn client_stats(&self, domain: DomainId) -> Option<PoolStats> {
        Some(self.engine.client_stats(self.engine.client_of(domain)?))
    }

    /// What happened in all pools that there are and there were.
    pub fn host_stats(&self) -> PoolStats {
        self.engine.host_stats()
    }

    /// What happened in a domain's pool, if it has one of this id.
    pub fn pool_stats(&self, domain: DomainId, pool_id: u32) -> Option<PoolStats> {
        let client = self.engine.client_of(domain)?;
        self.engine.pool_stats(client, pool_id).ok()
    }
}

//! A stream into a new domain.
//!
//! A guest that runs on a part of its swap is corrupted, so nothing counts before the end of the
//! stream: what was restored is undone when it turns out bad.

use crate::failure::{Failure, Kind};
use crate::host::Host;
use crate::hypervisor::{Hypervisor, Refusal};
use crate::interrupt;
use crate::stream::{Client, Pool, Reader, Record, StreamError, Totals};
use hypercall_abi::control::{ClientId, Removed};
use hypercall_abi::{PoolFlags, Uuid};
use std::io::{BufReader, Read, Write};

/// Restores a domain, and knows what is to be undone.
pub(crate) struct Restorer<H> {
    host: Host<H>,
    domain: u16,
    /// The domain was made a client.
    has_begun: bool,
    /// The pools that were made and are there.
    pools: Vec<u32>,
    /// To be set when everything else is.
    is_frozen: bool,
    authorisations: Vec<Uuid>,
}

impl<H: Hypervisor> Restorer<H> {
    /// Restores into `domain`.
    pub(crate) fn new(hypervisor: H, domain: u16) -> Self {
        Self {
            host: Host(hypervisor),
            domain,
            has_begun: false,
            pools: Vec::new(),
            is_frozen: false,
            authorisations: Vec::new(),
        }
    }

    /// Reads the whole stream.
    ///
    /// # Errors
    /// When it is not whole, or Xen refuses a part. Then the domain has no pools.
    pub(crate) fn restore(
        mut self,
        input: impl Read,
        say: &mut dyn Write,
    ) -> Result<Totals, Failure> {
        self.apply_all(input, say).map_err(|failure| {
            if !self.has_begun {
                return failure;
            }
            let undone = match self.undo() {
                Ok(()) => "what was restored is removed again".to_owned(),
                Err(failure) => format!("and what was restored can't be removed: {failure}"),
            };
            let said = format!(
                "{failure}\n{undone}. Domain {} has not its tmem: destroy it, do not unpause it",
                self.domain
            );
            Failure::new(failure.kind, said)
        })
    }

    fn apply_all(&mut self, input: impl Read, say: &mut dyn Write) -> Result<Totals, Failure> {
        let mut reader = Reader::new(BufReader::new(input))?;
        while let Some(record) = reader.next()? {
            self.apply(&record, say)?;
            interrupt::check()?;
        }
        // Only now is it known that all was said.
        if !self.has_begun {
            return Err(StreamError::Truncated(0).into());
        }
        for &uuid in &self.authorisations {
            self.host.authorise(self.domain, uuid, true)?;
        }
        if self.is_frozen {
            self.host.set_frozen(ClientId::One(self.domain), true)?;
        }
        Ok(reader.totals())
    }

    fn apply(&mut self, record: &Record<'_>, say: &mut dyn Write) -> Result<(), Failure> {
        match record {
            Record::Client(client) => self.begin(client, say),
            Record::Pool(pool) => {
                let made = self.make_pool(pool);
                made.map_err(|failure| failure.context(format!("pool {}", pool.id)))
            }
            Record::Page { handle, content } => {
                self.host.restore_page(self.domain, handle, content)
            }
            Record::FlushPage(handle) => self.remove(Removed::Page(*handle)),
            Record::FlushObject { pool_id, object } => {
                self.remove(Removed::Object { pool_id: *pool_id, object: *object })
            }
            Record::PoolGone(id) => {
                self.remove(Removed::Pool { pool_id: *id })?;
                self.pools.retain(|pool| pool != id);
                Ok(())
            }
            Record::End(_) => Ok(()),
        }
    }

    /// Makes the domain a client with its settings.
    fn begin(&mut self, client: &Client, say: &mut dyn Write) -> Result<(), Failure> {
        let domain = self.domain;
        self.host.restore_begin(domain).map_err(|refusal| match refusal {
            Refusal::EXISTS => Failure::new(
                Kind::Refused,
                format!(
                    "domain {domain} uses tmem already; a domain is restored into a new one that \
                     has not run"
                ),
            ),
            other => other.into(),
        })?;
        self.has_begun = true;
        self.host.set(domain, Some(client.weight), None)?;
        if client.is_compressing && self.host.set(domain, None, Some(true)).is_err() {
            writeln!(say, "note: this Xen does not compress, so the domain's pages are not")?;
        }
        self.is_frozen = client.is_frozen;
        self.authorisations.clone_from(&client.authorisations);
        Ok(())
    }

    /// Makes a pool. A shared one that the domain may not join would be made a private one, and it
    /// may have been in one that it may not join again (R39): it is allowed each for as long as it
    /// takes, so that there is always room in Xen's table, too.
    fn make_pool(&mut self, pool: &Pool) -> Result<(), Failure> {
        let is_shared = PoolFlags::from_bits_truncate(pool.flags).contains(PoolFlags::SHARED);
        if is_shared {
            self.host.authorise(self.domain, pool.uuid, true)?;
        }
        self.host.make_pool(self.domain, pool.id, pool.flags, pool.uuid)?;
        self.pools.push(pool.id);
        if is_shared {
            self.host.authorise(self.domain, pool.uuid, false)?;
        }
        Ok(())
    }

    fn remove(&mut self, removed: Removed) -> Result<(), Failure> {
        Ok(self.host.restore_remove(self.domain, removed)?)
    }

    fn undo(&mut self) -> Result<(), Failure> {
        for pool_id in std::mem::take(&mut self.pools) {
            self.remove(Removed::Pool { pool_id })?;
        }
        Ok(())
    }
}

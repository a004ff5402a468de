//! `restore`: a stream into a new domain.
//!
//! A guest that runs on a part of its swap is corrupted, so nothing counts before the end of the
//! stream. A file is read to its end before the domain is touched. A pipe can be read only once: what
//! was restored from it is undone when it turns out bad.

use super::interrupt;
use crate::cli::Restore;
use crate::failure::{Failure, Kind};
use crate::host::Host;
use crate::hypervisor::{Hypervisor, Refusal};
use crate::stream::{Client, Pool, Reader, Record, StreamError, Totals};
use crate::units::{BYTES_PER_PAGE, bytes};
use hypercall_abi::control::Removed;
use hypercall_abi::{PoolFlags, Uuid};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Restores the file into the domain, or only tells what is in it; `-` is standard input.
///
/// # Errors
/// When the stream is not whole, or Xen refuses a part. Then the domain has no pools.
pub(super) fn restore<H: Hypervisor>(
    open: impl FnOnce() -> Result<H, Failure>,
    restore: &Restore,
    say: &mut dyn Write,
) -> Result<(), Failure> {
    let totals = if restore.file == Path::new("-") {
        let input = io::stdin().lock();
        if restore.check {
            check(input)?
        } else {
            Restorer::new(open()?, restore.domain).restore(input, say)?
        }
    } else {
        let name = |error: io::Error| Failure::from(error).context(restore.file.display());
        let mut file = File::open(&restore.file).map_err(name)?;
        let is_file = file.metadata().map_err(name)?.is_file();
        let mut totals = Totals::default();
        // A named pipe can be read only once, too.
        if is_file || restore.check {
            totals = check(&file).map_err(|failure| failure.context(restore.file.display()))?;
        }
        if !restore.check {
            if is_file {
                file.seek(SeekFrom::Start(0)).map_err(name)?;
            }
            totals = Restorer::new(open()?, restore.domain).restore(&file, say)?;
        }
        totals
    };
    let Totals { pools, pages, flushes, pools_gone, .. } = totals;
    let what = if restore.check { "a whole stream" } else { "restored" };
    let memory = bytes(pages.saturating_mul(BYTES_PER_PAGE));
    writeln!(
        say,
        "{what}: {pools} pools, {pages} pages ({memory}), {flushes} pages or objects and \
         {pools_gone} pools removed again"
    )?;
    Ok(())
}

/// Reads a stream to its end, which is the input's too, and does nothing with it.
fn check(input: impl Read) -> Result<Totals, Failure> {
    let mut reader = Reader::new(BufReader::new(input))?;
    while reader.next()?.is_some() {
        interrupt::check()?;
    }
    let totals = reader.totals();
    reader.expect_end_of_input()?;
    Ok(totals)
}

/// Restores a domain, and knows what is to be undone.
struct Restorer<H> {
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
    fn new(hypervisor: H, domain: u16) -> Self {
        Self {
            host: Host(hypervisor),
            domain,
            has_begun: false,
            pools: Vec::new(),
            is_frozen: false,
            authorisations: Vec::new(),
        }
    }

    fn restore(mut self, input: impl Read, say: &mut dyn Write) -> Result<Totals, Failure> {
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
            self.host.set_frozen(hypercall_abi::control::ClientId::One(self.domain), true)?;
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

//! `save`: a domain's pools and persistent pages into a stream.
//!
//! A domain that is paused is written as it is. One that runs is written page by page while it
//! runs, then suspended, and what it removed meanwhile follows; it can add nothing meanwhile, and a
//! page that it writes anew is removed instead (the guest is told so and keeps it). So at the end
//! the stream amounts to what the domain has.

use super::interrupt;
use crate::cli::Save;
use crate::failure::{Failure, Kind};
use crate::host::Host;
use crate::hypervisor::{Hypervisor, Refusal};
use crate::stream::{Client, Pool, Record, Totals, Writer};
use crate::units::{BYTES_PER_PAGE, bytes};
use hypercall_abi::PoolFlags;
use hypercall_abi::control::{ClientFlags, ClientInfo, PoolInfo, Removed, StatsOf};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// Saves a domain to the file, which has its name only if it is whole; `-` is `out`. What is there and
/// is no file, a named pipe for instance, is written into.
///
/// # Errors
/// When the domain can't be saved, or not be written. Then it goes on as before.
pub(super) fn save<H: Hypervisor>(
    host: &mut Host<H>,
    save: &Save,
    out: &mut dyn Write,
    say: &mut dyn Write,
) -> Result<(), Failure> {
    let totals = if save.file == Path::new("-") {
        to_stream(host, save, out, say)?
    } else if fs::metadata(&save.file).is_ok_and(|there| !there.is_file()) {
        let name = |error: io::Error| Failure::from(error).context(save.file.display());
        let pipe = OpenOptions::new().write(true).open(&save.file).map_err(name)?;
        to_stream(host, save, &pipe, say)?
    } else {
        let part = part_of(&save.file);
        let name = |error: io::Error| Failure::from(error).context(part.display());
        let file = File::create(&part).map_err(name)?;
        let written = to_stream(host, save, &file, say)
            .and_then(|totals| file.sync_all().map(|()| totals).map_err(name))
            .and_then(|totals| fs::rename(&part, &save.file).map(|()| totals).map_err(name));
        if written.is_err() {
            // What is in it is of no use; that it can't be removed is of no interest.
            let _ = fs::remove_file(&part);
        }
        written?
    };
    let Totals { pools, pages, flushes, pools_gone, .. } = totals;
    let memory = bytes(pages.saturating_mul(BYTES_PER_PAGE));
    writeln!(say, "domain {}: {pools} pools, {pages} pages ({memory}) saved", save.domain)?;
    if save.live {
        writeln!(say, "removed meanwhile: {flushes} pages or objects, {pools_gone} pools")?;
    }
    Ok(())
}

/// The name of a file that is not whole yet.
fn part_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// Begins the save, writes the stream, and ends the save whatever happened.
fn to_stream<H: Hypervisor>(
    host: &mut Host<H>,
    save: &Save,
    output: impl Write,
    say: &mut dyn Write,
) -> Result<Totals, Failure> {
    // As they are before the save, which freezes.
    let info = host.client(save.domain)?;
    let has_pools = match host.save_begin(save.domain, save.live) {
        Ok(()) => true,
        Err(Refusal::NO_ENTRY) => false,
        Err(Refusal::BUSY) => {
            let said = format!(
                "domain {0} is being saved already. If no such program runs any more, \
                 `tmemctl end-save {0}` ends it",
                save.domain
            );
            return Err(Failure::new(Kind::Refused, said));
        }
        Err(refusal) => return Err(refusal.into()),
    };
    let output = BufWriter::with_capacity(BUFFER_BYTES, output);
    let written = Saver { host, save, has_pools }.write(&info, output, say);
    let ended = if has_pools { host.save_end(save.domain) } else { Ok(()) };
    let totals = written?;
    ended.map_err(|refusal| Failure::from(refusal).context("the save can't be ended"))?;
    Ok(totals)
}

struct Saver<'a, H> {
    host: &'a mut Host<H>,
    save: &'a Save,
    has_pools: bool,
}

impl<H: Hypervisor> Saver<'_, H> {
    fn write(
        &mut self,
        info: &ClientInfo,
        output: impl Write,
        say: &mut dyn Write,
    ) -> Result<Totals, Failure> {
        let domain = self.save.domain;
        let mut pools = if self.has_pools { self.host.pools(domain)? } else { Vec::new() };
        let mut writer = Writer::new(output, self.save.live)?;
        // A domain that does not use tmem is allowed nothing.
        let authorisations = self.host.authorisations(domain)?.unwrap_or_default();
        writer.write(&Record::Client(Client {
            weight: info.weight,
            is_frozen: info.flags.contains(ClientFlags::FROZEN),
            is_compressing: info.flags.contains(ClientFlags::COMPRESS),
            authorisations,
        }))?;
        for pool in &pools {
            writer.write(&pool_record(pool))?;
        }
        let before = self.states(&pools)?;
        for pool in pools.iter().filter(|pool| is_persistent(pool)) {
            let mut cursor = 0;
            while let Some((handle, content)) = self.host.save_page(domain, pool.id, &mut cursor)? {
                writer.write(&Record::Page { handle, content: &content })?;
                interrupt::check()?;
            }
        }
        if self.save.live {
            self.suspend(say)?;
            self.removals(&mut pools, &mut writer)?;
        } else {
            let is_same = before == self.states(&pools)?;
            let pages: u64 = before.iter().map(|state| state.pages).sum();
            if !is_same || writer.totals().pages != pages {
                return Err(Failure::new(
                    Kind::Refused,
                    format!(
                        "domain {domain} ran while it was saved, so the stream would be wrong; \
                         pause it (`xl pause`, `xl save -p`), or save with --live"
                    ),
                ));
            }
        }
        let (_, totals) = writer.finish()?;
        Ok(totals)
    }

    /// What shows that the guest has changed a persistent pool.
    fn states(&mut self, pools: &[PoolInfo]) -> Result<Vec<State>, Failure> {
        let domain = self.save.domain;
        let mut states = Vec::new();
        for pool in pools.iter().filter(|pool| is_persistent(pool)) {
            let of = StatsOf::Pool { domain, pool_id: pool.id, or_next: false };
            let Some(stats) = self.host.stats(of)? else { continue };
            let counters = stats.info.counters;
            states.push(State {
                id: pool.id,
                pages: counters.persistent_pages,
                events: [counters.puts_stored, counters.puts_replaced, counters.removed],
            });
        }
        Ok(states)
    }

    /// Has the domain suspended.
    fn suspend(&self, say: &mut dyn Write) -> Result<(), Failure> {
        let domain = self.save.domain;
        if let Some(command) = &self.save.suspend {
            // Not on our own standard output, where the stream may be.
            let status = Command::new("sh").arg("-c").arg(command).stdout(io::stderr()).status();
            let status = status.map_err(|error| Failure::from(error).context("sh"))?;
            if !status.success() {
                let said = format!("`{command}` failed ({status}); domain {domain} is not saved");
                return Err(Failure::new(Kind::Io, said));
            }
            return Ok(());
        }
        writeln!(say, "the pages are written. Suspend domain {domain} now, then press Enter")?;
        let mut line = String::new();
        if io::stdin().read_line(&mut line)? == 0 {
            let said = "nobody said that the domain is suspended; it is not saved";
            return Err(Failure::new(Kind::Io, said));
        }
        interrupt::check()
    }

    /// Writes what was removed since the save began, and pools that are new.
    fn removals(
        &mut self,
        pools: &mut Vec<PoolInfo>,
        writer: &mut Writer<impl Write>,
    ) -> Result<(), Failure> {
        let domain = self.save.domain;
        let mut cursor = 0;
        while let Some(removed) = self.host.save_removed(domain, &mut cursor)? {
            interrupt::check()?;
            // Of a pool that came later nothing was written.
            let is_ours = |id| pools.iter().any(|pool| pool.id == id && is_persistent(pool));
            match removed {
                Removed::Page(handle) if is_ours(handle.pool_id) => {
                    writer.write(&Record::FlushPage(handle))?;
                }
                Removed::Object { pool_id, object } if is_ours(pool_id) => {
                    writer.write(&Record::FlushObject { pool_id, object })?;
                }
                Removed::Pool { pool_id } => {
                    let count = pools.len();
                    pools.retain(|pool| pool.id != pool_id);
                    if pools.len() < count {
                        writer.write(&Record::PoolGone(pool_id))?;
                    }
                }
                Removed::Page(_) | Removed::Object { .. } => {}
            }
        }
        let now = self.host.pools(domain)?;
        let same = |one: &PoolInfo, other: &PoolInfo| {
            one.id == other.id && one.flags == other.flags && one.uuid == other.uuid
        };
        for was in pools.iter().filter(|was| !now.iter().any(|is| same(was, is))) {
            writer.write(&Record::PoolGone(was.id))?;
        }
        for is in now.iter().filter(|is| !pools.iter().any(|was| same(was, is))) {
            writer.write(&pool_record(is))?;
        }
        Ok(())
    }
}

/// What a persistent pool has come to.
#[derive(PartialEq, Eq)]
struct State {
    id: u32,
    pages: u64,
    events: [u64; 3],
}

fn pool_record(pool: &PoolInfo) -> Record<'static> {
    Record::Pool(Pool { id: pool.id, flags: pool.flags, uuid: pool.uuid })
}

fn has(pool: &PoolInfo, flag: PoolFlags) -> bool {
    PoolFlags::from_bits_truncate(pool.flags).contains(flag)
}

fn is_persistent(pool: &PoolInfo) -> bool {
    has(pool, PoolFlags::PERSIST)
}

//! A domain's pools and persistent pages into a stream.
//!
//! A domain that is paused is written as it is. One that runs is written page by page while it
//! runs, then suspended, and what it removed meanwhile follows; it can add nothing meanwhile, and a
//! page that it writes anew is removed instead (the guest is told so and keeps it). So at the end
//! the stream amounts to what the domain has.

use crate::failure::{Failure, Kind};
use crate::host::Host;
use crate::hypervisor::{Hypervisor, Refusal};
use crate::interrupt;
use crate::stream::{Client, Pool, Record, Totals, Writer};
use hypercall_abi::PoolFlags;
use hypercall_abi::control::{ClientFlags, ClientInfo, PoolInfo, Removed, StatsOf};
use std::io::{BufWriter, Write};

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 20;

/// How a domain is saved.
pub(crate) enum Way<'a> {
    /// It is paused and stays so.
    AtRest,
    /// It runs; this has it suspended, when the pages are written.
    Live(&'a mut dyn FnMut() -> Result<(), Failure>),
}

/// Begins the save, writes the stream, and ends the save whatever happened.
///
/// # Errors
/// When the domain can't be saved, or not be written. Then it goes on as before.
pub(crate) fn save_to<H: Hypervisor>(
    host: &mut Host<H>,
    domain: u16,
    way: Way<'_>,
    output: impl Write,
) -> Result<Totals, Failure> {
    // As they are before the save, which freezes.
    let info = host.client(domain)?;
    let mut way = way;
    let mut has_pools = begin(host, domain, matches!(way, Way::Live(_)))?;
    if let Way::Live(suspend) = &mut way
        && !has_pools
    {
        // Nothing is held back in a domain that has no pools, and it may make some: what they hold is
        // known when it does not run any more.
        suspend()?;
        has_pools = begin(host, domain, false)?;
        way = Way::AtRest;
    }
    let output = BufWriter::with_capacity(BUFFER_BYTES, output);
    let written = Saver { host, domain, has_pools }.write(&info, way, output);
    let ended = if has_pools { host.save_end(domain) } else { Ok(()) };
    let totals = written?;
    ended.map_err(|refusal| Failure::from(refusal).context("the save can't be ended"))?;
    Ok(totals)
}

/// Begins a save; whether there is anything to save.
fn begin<H: Hypervisor>(host: &mut Host<H>, domain: u16, live: bool) -> Result<bool, Failure> {
    match host.save_begin(domain, live) {
        Ok(()) => Ok(true),
        Err(Refusal::NO_ENTRY) => Ok(false),
        Err(Refusal::BUSY) => {
            let said = format!(
                "domain {domain} is being saved already. If no such program runs any more, \
                 `tmemctl end-save {domain}` ends it"
            );
            Err(Failure::new(Kind::Refused, said))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

struct Saver<'a, H> {
    host: &'a mut Host<H>,
    domain: u16,
    has_pools: bool,
}

impl<H: Hypervisor> Saver<'_, H> {
    fn write(
        &mut self,
        info: &ClientInfo,
        way: Way<'_>,
        output: impl Write,
    ) -> Result<Totals, Failure> {
        let domain = self.domain;
        let mut pools = if self.has_pools { self.host.pools(domain)? } else { Vec::new() };
        let mut writer = Writer::new(output, matches!(way, Way::Live(_)))?;
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
        if let Way::Live(suspend) = way {
            suspend()?;
            interrupt::check()?;
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
        let domain = self.domain;
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

    /// Writes what was removed since the save began, and pools that are new.
    fn removals(
        &mut self,
        pools: &mut Vec<PoolInfo>,
        writer: &mut Writer<impl Write>,
    ) -> Result<(), Failure> {
        let domain = self.domain;
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

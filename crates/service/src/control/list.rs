//! LIST: figures as text, in the form that `xl tmem-list` and its parsers know.
//!
//! A line at a time. The text stops where the next line would not fit, and ends with a NUL after
//! each line, so that it is whole whenever the caller looks at it.
//!
//! Source of the form: Xen stable-4.11, `xen/common/tmem_control.c`. `docs/hypercall.md` tells which
//! keys there are here.

use super::line::Line;
use super::slices::{Step, Window, record};
use crate::control::Clients;
use crate::dispatch::Service;
use crate::platform::{Platform, ToolstackMemory};
use hypercall_abi::POOLS_PER_DOMAIN_MAX;
use hypercall_abi::control::{ControlStatus, Progress};
use tmem_engine::{ClientView, DomainId, Engine, Figures, Lifetime, Next, PoolView};

/// Stages of a list, in the word of progress above the place in the stage.
const STAGE_SHIFT: u32 = 56;
const GLOBAL: u64 = 0;
const SHARED: u64 = 1;
const CLIENTS: u64 = 2;
const TIMES: u64 = 3;

/// Pool ids in a place in the stage of clients: each client's own line, then those of its pools.
const LINES_SHIFT: u32 = 5;

/// Bytes that the global line may have. In a shorter buffer there is none, and so no other: sums
/// over all pools are kept there until the line is written.
const GLOBAL_BYTES: u32 = 256;

/// Sums that the global line needs.
const SUMS: usize = 9;

/// Sharers that a line names. There may be more, of which it tells the number.
const SHARERS: usize = 16;

/// What a client's line tells.
struct ClientCounts {
    /// Of its ephemeral pools.
    hits: u64,
    /// Into its persistent ones.
    puts: u64,
    /// Of these.
    persistent_hits: u64,
    /// In its ephemeral pools.
    pages: u64,
}

/// What is asked for.
#[derive(Clone, Copy)]
struct Request {
    who: Clients,
    long: bool,
    window: Window,
    /// Bytes written, the last NUL apart.
    written: u64,
}

/// Where a list goes on; `None`: it ends here.
type Place = Option<(u64, u64)>;

impl<P: Platform> Service<P> {
    #[inline(never)]
    pub(crate) fn list(
        &self,
        who: Clients,
        long: bool,
        len: u32,
        buffer: u64,
        [place, written, _]: Progress,
        memory: &impl ToolstackMemory,
    ) -> Result<Step, ControlStatus> {
        let mut request = Request { who, long, window: Window { len, buffer }, written };
        let (mut stage, mut at) = (place >> STAGE_SHIFT, place & ((1 << STAGE_SHIFT) - 1));
        if written > u64::from(len) {
            return Err(ControlStatus::Invalid);
        }
        if (place, written) == (0, 0) {
            request.window.write(0, &[0], memory)?;
            if let Clients::One(domain) = who {
                self.engine.client_of(domain).ok_or(ControlStatus::NotPermitted)?;
                (stage, at) = (CLIENTS, u64::from(domain.0) << LINES_SHIFT);
            }
        }
        let next = match stage {
            GLOBAL => self.list_global(&mut request, record(at), memory)?,
            SHARED => self.list_shared(&mut request, at, memory)?,
            CLIENTS => self.list_clients(&mut request, at, memory)?,
            _ => list_times(&mut request, memory)?,
        };
        Ok(match next {
            None => Step::Done(0),
            Some((stage, at)) => Step::More([stage << STAGE_SHIFT | at, request.written, 0]),
        })
    }

    /// A step of the line about the host.
    #[inline(never)]
    fn list_global(
        &self,
        request: &mut Request,
        from: u32,
        memory: &impl ToolstackMemory,
    ) -> Result<Place, ControlStatus> {
        if request.window.len < GLOBAL_BYTES {
            return Ok(None);
        }
        // Behind the NUL, so that the text is empty as long as there are no sums.
        const OFFSET: usize = 8;
        let mut bytes = [[0; 8]; SUMS];
        if from > 0 {
            request.window.read(OFFSET, bytes.as_flattened_mut(), memory)?;
        }
        let mut figures = Figures::default();
        let (_, next) = self.engine.sum_pools(from, &mut figures);
        for (sum, more) in bytes.iter_mut().zip(global_sums(&figures)) {
            *sum = u64::from_le_bytes(*sum).wrapping_add(more).to_le_bytes();
        }
        if let Some(next) = next {
            request.window.write(OFFSET, bytes.as_flattened(), memory)?;
            return Ok(Some((GLOBAL, next.into())));
        }
        let fits = write_global_line(request, bytes.map(u64::from_le_bytes), memory)?;
        // No remainder of the sums is left behind the text.
        let written = usize::try_from(request.written).unwrap_or(usize::MAX);
        let sums_end = OFFSET + SUMS * 8;
        if written + 1 < sums_end {
            let zeros = [0; OFFSET + SUMS * 8];
            request.window.write(written, zeros.get(written..).unwrap_or_default(), memory)?;
        }
        Ok(fits.then_some((SHARED, 0)))
    }

    /// The line of the shared pool in a place of the host's table.
    #[inline(never)]
    fn list_shared(
        &self,
        request: &mut Request,
        place: u64,
        memory: &impl ToolstackMemory,
    ) -> Result<Place, ControlStatus> {
        let at = usize::try_from(place).unwrap_or(usize::MAX);
        if at >= Engine::<P>::SHARED_PLACES {
            return Ok(Some((CLIENTS, 0)));
        }
        let next = Some((SHARED, place + 1));
        let Some((uuid, domain, pool_id, nr_members)) = self.engine.shared_pool(at) else {
            return Ok(next);
        };
        let Some((view, figures)) = self.engine.pool_view(domain, pool_id) else {
            return Ok(next);
        };
        let mut line = Line::new(b'S');
        line.decimal(b"SI", place).word(b"PT", pool_type(&view));
        line.hex(b"U0", uuid[0]).hex(b"U1", uuid[1]);
        let mut sharers = [DomainId(0); SHARERS];
        let nr_sharers = self.engine.sharers(at, &mut sharers);
        for &sharer in sharers.iter().take(nr_sharers) {
            line.domain(b"SC", sharer);
        }
        line.decimal(b"sn", nr_members.into());
        if request.long {
            pool_keys(&mut line, &figures);
        }
        Ok(request.write(&mut line, memory)?.then_some((SHARED, place + 1)))
    }

    /// The line of a client, or of one of its pools, or a step of the search for the next one.
    #[inline(never)]
    fn list_clients(
        &self,
        request: &mut Request,
        at: u64,
        memory: &impl ToolstackMemory,
    ) -> Result<Place, ControlStatus> {
        let Ok(number) = u16::try_from(at >> LINES_SHIFT) else { return Ok(Some((TIMES, 0))) };
        let (domain, line_nr) = (DomainId(number), at & ((1 << LINES_SHIFT) - 1));
        let place = |domain: DomainId| Some((CLIENTS, u64::from(domain.0) << LINES_SHIFT));
        let next_client = || match (request.who, number.checked_add(1)) {
            (Clients::One(_), _) => None,
            (Clients::All, None) => Some((TIMES, 0)),
            (Clients::All, Some(next)) => place(DomainId(next)),
        };
        if line_nr == 0 {
            let Some(view) = self.engine.client_view(domain) else {
                return Ok(match (request.who, self.engine.next_client(domain)) {
                    (Clients::One(_), _) => None,
                    (Clients::All, Next::Found(next) | Next::GoOnFrom(next)) => place(next),
                    (Clients::All, Next::End) => Some((TIMES, 0)),
                });
            };
            let counts = self.client_counts(domain);
            let fits = write_client_line(request, domain, &view, counts, memory)?;
            return Ok(fits.then_some((CLIENTS, at + 1)));
        }
        let mut at = at;
        for pool_id in u32::try_from(line_nr - 1).unwrap_or(u32::MAX)..POOLS_PER_DOMAIN_MAX {
            at += 1;
            let Some((view, figures)) = self.engine.pool_view(domain, pool_id) else { continue };
            if view.is_dying {
                continue;
            }
            let fits = write_pool_line(request, domain, pool_id, &view, &figures, memory)?;
            return Ok(fits.then_some((CLIENTS, at)));
        }
        Ok(next_client())
    }

    /// By itself, so that this and the line are not on the small stack together.
    #[inline(never)]
    fn client_counts(&self, domain: DomainId) -> ClientCounts {
        let Figures { stats, .. } = self.engine.client_figures(domain, Lifetime::Ephemeral);
        let (hits, pages) = (stats.hits, stats.pages);
        let Figures { stats, .. } = self.engine.client_figures(domain, Lifetime::Persistent);
        let puts = stats.puts_stored + stats.puts_replaced;
        ClientCounts { hits, puts, persistent_hits: stats.hits, pages }
    }
}

impl Request {
    /// Writes a line behind those that are there. `false`: it does not fit.
    fn write(
        &mut self,
        line: &mut Line,
        memory: &impl ToolstackMemory,
    ) -> Result<bool, ControlStatus> {
        let bytes = line.end();
        let end = self.written + bytes.len() as u64;
        if end > u64::from(self.window.len) {
            return Ok(false);
        }
        let offset = usize::try_from(self.written).map_err(|_| ControlStatus::Invalid)?;
        self.window.write(offset, bytes, memory)?;
        // The next line takes the place of the NUL.
        self.written = end - 1;
        Ok(true)
    }
}

/// In the order in which the line is made of them.
const fn global_sums(figures: &Figures) -> [u64; SUMS] {
    let Figures { stats, rare, .. } = figures;
    let refused = rare.puts_no_memory + rare.puts_no_space;
    let errors = refused + rare.puts_frozen + rare.puts_bad_frame;
    let gets = stats.hits + stats.misses;
    [
        stats.puts_stored + stats.puts_replaced + errors + gets + stats.flushes,
        errors,
        rare.puts_bad_frame,
        refused,
        stats.evicted,
        rare.evictions_caused,
        figures.ephemeral_pages,
        stats.pages,
        figures.frames,
    ]
}

/// The line that the original kept times in, and later nothing.
#[inline(never)]
fn list_times(
    request: &mut Request,
    memory: &impl ToolstackMemory,
) -> Result<Place, ControlStatus> {
    request.write(&mut Line::new(b'T'), memory)?;
    Ok(None)
}

/// By itself, so that the line and the sums are not on the small stack together.
#[inline(never)]
fn write_global_line(
    request: &mut Request,
    [operations, errors, copies, pages, evicted, caused, ephemeral, all, frames]: [u64; SUMS],
    memory: &impl ToolstackMemory,
) -> Result<bool, ControlStatus> {
    let mut line = Line::new(b'G');
    line.decimal(b"Tt", operations).decimal(b"Te", errors).decimal(b"Cf", copies);
    line.decimal(b"Pf", pages).decimal(b"Et", evicted);
    line.decimal(b"Rt", evicted.saturating_sub(caused));
    if request.long {
        line.decimal(b"Ec", ephemeral).decimal(b"Pc", all).decimal(b"Fc", frames);
    }
    request.write(&mut line, memory)
}

#[inline(never)]
fn write_client_line(
    request: &mut Request,
    domain: DomainId,
    view: &ClientView,
    ClientCounts { hits, puts, persistent_hits, pages }: ClientCounts,
    memory: &impl ToolstackMemory,
) -> Result<bool, ControlStatus> {
    let mut line = Line::new(b'C');
    line.domain(b"CI", domain).decimal(b"ww", view.weight.into());
    line.decimal(b"co", 0).decimal(b"fr", view.frozen.into());
    line.decimal(b"Ge", hits).decimal(b"Pp", puts).decimal(b"Gp", persistent_hits);
    if request.long {
        line.decimal(b"Ec", pages);
    }
    request.write(&mut line, memory)
}

#[inline(never)]
fn write_pool_line(
    request: &mut Request,
    domain: DomainId,
    pool_id: u32,
    view: &PoolView,
    figures: &Figures,
    memory: &impl ToolstackMemory,
) -> Result<bool, ControlStatus> {
    let [u0, u1] = view.uuid.unwrap_or_default();
    let mut line = Line::new(b'P');
    line.domain(b"CI", domain).decimal(b"PI", pool_id.into());
    line.word(b"PT", pool_type(view)).hex(b"U0", u0).hex(b"U1", u1);
    if request.long {
        pool_keys(&mut line, figures);
    }
    request.write(&mut line, memory)
}

const fn pool_type(view: &PoolView) -> &'static [u8] {
    match (view.lifetime, view.uuid) {
        (Lifetime::Persistent, _) => b"PP",
        (Lifetime::Ephemeral, Some(_)) => b"ES",
        (Lifetime::Ephemeral, None) => b"EP",
    }
}

/// The keys of a pool, shared or not, in the long form.
#[inline(never)]
fn pool_keys(line: &mut Line, figures: &Figures) {
    let Figures { stats, rare, .. } = figures;
    let done = stats.puts_stored + stats.puts_replaced;
    let failed = rare.puts_no_memory + rare.puts_frozen + rare.puts_bad_frame;
    line.decimal(b"Pc", stats.pages).decimal(b"ps", done);
    line.decimal(b"pt", done + failed + rare.puts_no_space);
    line.decimal(b"pd", rare.puts_no_space).decimal(b"pr", stats.puts_replaced);
    line.decimal(b"px", failed).decimal(b"gs", stats.hits);
    line.decimal(b"gt", stats.hits + stats.misses).decimal(b"ft", stats.flushes);
}

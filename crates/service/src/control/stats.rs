//! GET_STATS, and the audit's record: figures for the operator.

use super::slices::{Step, Window, record};
use crate::dispatch::Service;
use crate::platform::{Platform, ToolstackMemory};
use hypercall_abi::control::{
    AUDIT_INFO_BYTES, AuditInfo, ControlStatus, HISTOGRAM_BYTES, Histogram, LATENCY_BUCKETS,
    Progress, STATS_INFO_BYTES, StatsCounters, StatsFlags, StatsInfo, StatsKind, StatsOf, Timed,
};
use hypercall_abi::{PAGE_SIZE_BYTES, POOLS_PER_DOMAIN_MAX, Uuid};
use tmem_engine::{AuditAt, AuditError, Audited, DomainId, Figures, Lifetime, Next};

/// Stages of the host's record.
const SUM: u64 = 0;
const LATENCIES: u64 = 1;

/// In place of a domain's number, in the host's record.
const NO_DOMAIN: u32 = 0xffff;

const PAGE: u64 = PAGE_SIZE_BYTES as u64;

impl<P: Platform> Service<P> {
    #[inline(never)]
    pub(crate) fn get_stats(
        &self,
        of: StatsOf,
        len: u32,
        buffer: u64,
        progress: Progress,
        memory: &impl ToolstackMemory,
    ) -> Result<Step, ControlStatus> {
        let window = Window { len, buffer };
        let [from, ..] = progress;
        match of {
            StatsOf::Host => self.host_step(window, progress, memory),
            StatsOf::Client { domain, or_next } => {
                // A search that was interrupted goes on behind the number that was asked for.
                let domain = DomainId(domain.max(u16::try_from(from).unwrap_or(u16::MAX)));
                if self.engine.client_of(domain).is_some() {
                    self.write_client(window, domain, memory)
                } else if or_next {
                    self.search(domain)
                } else {
                    Err(ControlStatus::NoEntry)
                }
            }
            StatsOf::Pool { domain, pool_id, or_next } => {
                let at = DomainId(domain.max(u16::try_from(from).unwrap_or(u16::MAX)));
                let first = if at.0 == domain { pool_id } else { 0 };
                let last = if or_next { POOLS_PER_DOMAIN_MAX - 1 } else { first };
                for pool_id in first..=last {
                    if self.write_pool(window, at, pool_id, memory)? {
                        return Ok(Step::Done(0));
                    }
                }
                if !or_next {
                    return Err(ControlStatus::NoEntry);
                }
                self.search(DomainId(at.0.checked_add(1).ok_or(ControlStatus::NoEntry)?))
            }
        }
    }

    /// A step of the search for the next client.
    fn search(&self, from: DomainId) -> Result<Step, ControlStatus> {
        match self.engine.next_client(from) {
            Next::Found(domain) | Next::GoOnFrom(domain) => Ok(Step::More([domain.0.into(), 0, 0])),
            Next::End => Err(ControlStatus::NoEntry),
        }
    }

    #[inline(never)]
    fn write_client(
        &self,
        window: Window,
        domain: DomainId,
        memory: &impl ToolstackMemory,
    ) -> Result<Step, ControlStatus> {
        // It may have died since it was found.
        let view = self.engine.client_view(domain).ok_or(ControlStatus::NoEntry)?;
        let mut figures = self.engine.client_figures(domain, Lifetime::Ephemeral);
        figures.add(&self.engine.client_figures(domain, Lifetime::Persistent));
        let mut flags = StatsFlags::empty();
        flags.set(StatsFlags::FROZEN, view.frozen);
        flags.set(StatsFlags::DYING, view.is_dying);
        let info = StatsInfo {
            kind: StatsKind::Client,
            domain: domain.0.into(),
            owner: domain.0.into(),
            flags,
            weight: view.weight,
            members: 1,
            pools: view.nr_pools,
            counters: counters(&figures),
            ..blank()
        };
        self.write_whole(window, &info, memory)
    }

    /// Writes a pool's record. `false`: there is no such pool.
    #[inline(never)]
    fn write_pool(
        &self,
        window: Window,
        domain: DomainId,
        pool_id: u32,
        memory: &impl ToolstackMemory,
    ) -> Result<bool, ControlStatus> {
        let Some((view, figures)) = self.engine.pool_view(domain, pool_id) else {
            return Ok(false);
        };
        let mut flags = StatsFlags::empty();
        flags.set(StatsFlags::PERSISTENT, view.lifetime == Lifetime::Persistent);
        flags.set(StatsFlags::SHARED, view.uuid.is_some());
        flags.set(StatsFlags::OWNER, view.owner == domain);
        flags.set(StatsFlags::FROZEN, view.frozen);
        flags.set(StatsFlags::DYING, view.is_dying);
        let info = StatsInfo {
            kind: StatsKind::Pool,
            domain: domain.0.into(),
            pool_id,
            owner: view.owner.0.into(),
            flags,
            weight: view.weight,
            members: view.nr_members,
            pools: 1,
            uuid: Uuid(view.uuid.unwrap_or_default()),
            counters: counters(&figures),
            ..blank()
        };
        self.write_whole(window, &info, memory).map(|_| true)
    }

    /// Writes a client's or a pool's record.
    #[inline(never)]
    fn write_whole(
        &self,
        window: Window,
        info: &StatsInfo,
        memory: &impl ToolstackMemory,
    ) -> Result<Step, ControlStatus> {
        write_head(window, info, memory)?;
        for of in Timed::ALL {
            self.write_histogram(window, info, of, memory)?;
        }
        Ok(Step::Done(0))
    }

    /// Out of line, as `write_head`, so that not both are on the stack.
    #[inline(never)]
    fn write_histogram(
        &self,
        window: Window,
        info: &StatsInfo,
        of: Timed,
        memory: &impl ToolstackMemory,
    ) -> Result<(), ControlStatus> {
        let mut histogram = Histogram::default();
        self.read_latencies(info, of, &mut histogram);
        window.write(histogram_offset(of), &histogram.encode(), memory)
    }

    /// A step of the host's record: a few pools more, or a histogram.
    #[inline(never)]
    fn host_step(
        &self,
        window: Window,
        [stage, from, _]: Progress,
        memory: &impl ToolstackMemory,
    ) -> Result<Step, ControlStatus> {
        if stage == SUM {
            return self.sum_step(window, record(from), memory);
        }
        let Some(&of) = usize::try_from(from).ok().and_then(|at| Timed::ALL.get(at)) else {
            return Ok(Step::Done(0));
        };
        let histogram = self.platform().latencies(of);
        window.write(histogram_offset(of), &histogram.encode(), memory)?;
        Ok(Step::More([LATENCIES, from + 1, 0]))
    }

    #[inline(never)]
    fn sum_step(
        &self,
        window: Window,
        from: u32,
        memory: &impl ToolstackMemory,
    ) -> Result<Step, ControlStatus> {
        let mut bytes = [0; STATS_INFO_BYTES];
        if from > 0 {
            window.read(0, &mut bytes, memory)?;
        }
        let before = partial(&bytes);
        let mut figures = Figures::default();
        let (nr_used, next) = self.engine.sum_pools(from, &mut figures);
        let host = self.engine.host_figures();
        let mut flags = StatsFlags::empty();
        flags.set(StatsFlags::MEASURING, self.platform().is_measuring());
        let info = StatsInfo {
            kind: StatsKind::Host,
            flags,
            weight: u32::try_from(host.weight_sum).unwrap_or(u32::MAX),
            members: host.nr_clients,
            pools: before.pools.wrapping_add(nr_used),
            counters: StatsCounters {
                record_frames: host.record_frames,
                held_frames: self.platform().held_frames(),
                ready_frames: self.platform().ready_frames(),
                ..before.counters.wrapping_add(counters(&figures))
            },
            ..blank()
        };
        window.write(0, &info.encode(), memory)?;
        Ok(Step::More(match next {
            Some(next) => [SUM, next.into(), 0],
            None => [LATENCIES, 0, 0],
        }))
    }

    /// A step of AUDIT.
    #[inline(never)]
    pub(crate) fn audit_step(
        &self,
        len: u32,
        buffer: u64,
        progress: Progress,
        memory: &impl ToolstackMemory,
    ) -> Result<Step, ControlStatus> {
        let window = Window { len, buffer };
        let mut bytes = [0; AUDIT_INFO_BYTES];
        if progress != [0; 3] {
            window.read(0, &mut bytes, memory)?;
        }
        let before = AuditInfo::decode(&bytes);
        let [place, counted, changes] = progress;
        let mut at = audit_at(place, counted, changes);
        let mut found = Audited::default();
        let done = self.engine.audit_slice(&mut at, &mut found);
        let mut info = AuditInfo {
            version: AuditInfo::VERSION,
            size: AuditInfo::SIZE,
            pools: before.pools.wrapping_add(found.pools),
            objects: before.objects.wrapping_add(found.objects),
            ephemeral_pages: before.ephemeral_pages.wrapping_add(found.ephemeral_pages),
            persistent_pages: before.persistent_pages.wrapping_add(found.persistent_pages),
            frames: before.frames.wrapping_add(found.frames),
            metadata_frames: before.metadata_frames.wrapping_add(found.metadata_frames),
            metadata_told: before.metadata_told.wrapping_add(found.metadata_told),
            busy_shards: before.busy_shards.wrapping_add(found.busy_shards),
            slices: before.slices.wrapping_add(1),
            ..AuditInfo::default()
        };
        if let Err(error) = done {
            (info.fault, info.pool, info.shard) = (fault(error), at.record, at.shard);
            info.owner = self.engine.owner_of(at.record).map_or(NO_DOMAIN, |owner| owner.0.into());
        }
        window.write(0, &info.encode(), memory)?;
        match done {
            Ok(true) => Ok(Step::Done(0)),
            Ok(false) => Ok(Step::More(audit_progress(&at))),
            Err(_) => Err(ControlStatus::Inconsistent),
        }
    }
}

/// A record without figures.
fn blank() -> StatsInfo {
    StatsInfo {
        version: StatsInfo::VERSION,
        size: StatsInfo::SIZE,
        domain: NO_DOMAIN,
        owner: NO_DOMAIN,
        pool_id: StatsInfo::NO_POOL,
        latency_offset: StatsInfo::LATENCY_OFFSET,
        nr_histograms: nr_histograms(),
        nr_buckets: nr_buckets(),
        latency_unit: StatsInfo::NANOSECONDS,
        ..StatsInfo::default()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
const fn nr_histograms() -> u32 {
    Timed::ALL.len() as u32
}

#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
const fn nr_buckets() -> u32 {
    LATENCY_BUCKETS as u32
}

/// What the slices before have summed up, read from the caller's buffer; the head is ours.
fn partial(bytes: &[u8; STATS_INFO_BYTES]) -> StatsInfo {
    let pools = StatsInfo::decode(&bytes[..]).pools;
    let counters = StatsCounters::decode(&bytes[..]);
    StatsInfo { pools, counters, ..blank() }
}

fn histogram_offset(of: Timed) -> usize {
    STATS_INFO_BYTES + of as usize * HISTOGRAM_BYTES
}

#[inline(never)]
fn write_head(
    window: Window,
    info: &StatsInfo,
    memory: &impl ToolstackMemory,
) -> Result<(), ControlStatus> {
    window.write(0, &info.encode(), memory)
}

#[inline(never)]
fn counters(figures: &Figures) -> StatsCounters {
    let Figures { stats, rare, .. } = figures;
    StatsCounters {
        ephemeral_pages: figures.ephemeral_pages,
        persistent_pages: figures.persistent_pages,
        unreachable_pages: figures.unreachable_pages,
        puts_stored: stats.puts_stored,
        puts_replaced: stats.puts_replaced,
        puts_no_memory: rare.puts_no_memory,
        puts_no_space: rare.puts_no_space,
        puts_frozen: rare.puts_frozen,
        puts_bad_frame: rare.puts_bad_frame,
        gets: stats.hits.wrapping_add(stats.misses),
        hits: stats.hits,
        misses: stats.misses,
        flushes: stats.flushes,
        removed: stats.removed,
        evictions_suffered: stats.evicted,
        evictions_caused: rare.evictions_caused,
        stored_bytes: stats.pages.wrapping_mul(PAGE),
        taken_bytes: figures.frames.wrapping_mul(PAGE),
        metadata_frames: figures.metadata_frames,
        record_frames: 0,
        held_frames: 0,
        ready_frames: 0,
    }
}

const SHARD_SHIFT: u32 = 40;
const WALK_SHIFT: u32 = 32;
const RECORD_SHIFT: u32 = 48;

/// An audit's place from its words, whatever they are.
#[expect(clippy::cast_possible_truncation, reason = "takes the word apart")]
const fn audit_at(place: u64, counted: u64, changes: u64) -> AuditAt {
    AuditAt {
        record: (place >> RECORD_SHIFT) as u32,
        shard: (place >> SHARD_SHIFT) as u8 as u32,
        walk: (place >> WALK_SHIFT) as u8 as u32,
        slot: place as u32,
        counted,
        changes,
    }
}

const fn audit_progress(at: &AuditAt) -> Progress {
    let place = (at.record as u64) << RECORD_SHIFT
        | (at.shard as u64) << SHARD_SHIFT
        | (at.walk as u64) << WALK_SHIFT
        | at.slot as u64;
    [place, at.counted, at.changes]
}

/// The number of a disagreement in the audit's record; 0 stands for none.
const fn fault(error: AuditError) -> u32 {
    match error {
        AuditError::PageNotInBlock => 1,
        AuditError::BlockNotIndexed => 2,
        AuditError::PageCount => 3,
        AuditError::VacantBlock => 4,
        AuditError::BlockList => 5,
        AuditError::AgeLog => 6,
        AuditError::Counters => 7,
        AuditError::Sums => 8,
        AuditError::Slot => 9,
    }
}

//! What `list`, `top` and `metrics` show: one moment's figures of the host, its clients and their
//! pools. All three have them from here, so they can't tell different things.

use crate::failure::Failure;
use crate::host::{Host, Stats};
use crate::hypervisor::Hypervisor;
use crate::units::{BYTES_PER_PAGE, uuid};
use hypercall_abi::Uuid;
use hypercall_abi::control::{Counter, Histogram, StatsCounters, StatsFlags, StatsOf, Timed, Unit};
use serde::{Serialize, Serializer};
use std::ops::Deref;

/// Counters that only the host has, which are told as fields of [`HostFigures`].
const HOSTS_OWN: [&str; 3] = ["record_frames", "held_frames", "ready_frames"];

/// One moment. Not of one instant: each record is of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The whole host.
    pub host: HostFigures,
    /// Its clients, by number of the domain.
    pub clients: Vec<ClientFigures>,
}

/// The whole host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HostFigures {
    /// Memory that FLUSH could free now.
    pub freeable_mib: u32,
    /// Domains that use tmem.
    pub clients: u32,
    /// Pools of all.
    pub pools: u32,
    /// Sum of all weights.
    pub weights: u32,
    /// Frames of the records of clients and pools, which are never given back, in bytes.
    pub record_bytes: u64,
    /// All that Xen's heap has given to tmem: pages, metadata, records, and free frames.
    pub held_bytes: u64,
    /// The free frames of these, which tmem keeps ready.
    pub ready_bytes: u64,
    /// Latencies of guests' calls, if they are measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latencies: Option<Vec<Latency>>,
    /// What is counted.
    #[serde(flatten)]
    pub counters: Counters,
}

/// How many calls took how long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Which calls.
    pub operation: &'static str,
    /// `calls[n]`: calls of at least 2^n ns and less than 2^(n + 1).
    pub calls: Vec<u64>,
}

/// A domain that uses tmem.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClientFigures {
    /// Its number.
    pub domain: u32,
    /// Its part of the host's ephemeral memory against others' weights; 0 takes no part.
    pub weight: u32,
    /// Its puts of new pages are refused.
    pub is_frozen: bool,
    /// It is being destroyed.
    pub is_dying: bool,
    /// Latencies of its calls, if they are measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latencies: Option<Vec<Latency>>,
    /// What is counted, of the pools that it owns.
    #[serde(flatten)]
    pub counters: Counters,
    /// Its pools, by id.
    pub pools: Vec<PoolFigures>,
}

/// A pool, as one domain has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PoolFigures {
    /// Its number in the domain.
    pub id: u32,
    /// Its pages stay until they are flushed.
    pub is_persistent: bool,
    /// Several domains can have it.
    pub is_shared: bool,
    /// Domain that it is counted and charged to.
    pub owner: u32,
    /// Pool numbers, of whatever domain, that stand for it.
    pub members: u32,
    /// It is being destroyed, or left.
    pub is_dying: bool,
    /// Name of a shared pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Latencies of the calls on it, whoever shares it, if they are measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latencies: Option<Vec<Latency>>,
    /// What is counted.
    #[serde(flatten)]
    pub counters: Counters,
}

/// What is counted of a host, a client or a pool. Events count from the beginning; who wants a rate
/// takes the difference of two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters(pub StatsCounters);

impl Deref for Counters {
    type Target = StatsCounters;

    fn deref(&self) -> &StatsCounters {
        &self.0
    }
}

impl Counters {
    /// All of them as they are shown, but for the host's own: frames are told in bytes, and so named.
    pub fn shown(&self) -> impl Iterator<Item = (String, Counter, u64)> {
        let counters = StatsCounters::LIST.into_iter().zip(self.0.to_words());
        counters.filter(|(counter, _)| !HOSTS_OWN.contains(&counter.name)).map(
            |(counter, value)| match counter.name.strip_suffix("_frames") {
                Some(name) if counter.unit == Unit::Frames => {
                    (format!("{name}_bytes"), counter, value.saturating_mul(BYTES_PER_PAGE))
                }
                _ => (counter.name.to_owned(), counter, value),
            },
        )
    }

    /// Bytes of metadata.
    pub fn metadata_bytes(&self) -> u64 {
        self.metadata_frames.saturating_mul(BYTES_PER_PAGE)
    }

    /// Pages that can be found.
    pub fn pages(&self) -> u64 {
        self.ephemeral_pages.saturating_add(self.persistent_pages)
    }

    /// Puts that stored a page.
    pub fn puts(&self) -> u64 {
        self.puts_stored.saturating_add(self.puts_replaced)
    }

    /// Puts that were refused.
    pub fn puts_refused(&self) -> u64 {
        [self.puts_no_memory, self.puts_no_space, self.puts_frozen, self.puts_bad_frame]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

impl Serialize for Counters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.shown().map(|(name, _, value)| (name, value)))
    }
}

impl Snapshot {
    /// Reads everything.
    ///
    /// # Errors
    /// When it can't be read. What comes or goes meanwhile is there or not.
    pub fn read<H: Hypervisor>(host: &mut Host<H>) -> Result<Self, Failure> {
        let freeable_mib = host.freeable_mib()?;
        let figures = host.stats(StatsOf::Host)?;
        let figures = figures.map(|stats| host_figures(&stats, freeable_mib)).unwrap_or_default();
        let is_measuring = figures.latencies.is_some();
        let mut clients = clients(host, is_measuring)?;
        let mut next = Some((0, 0));
        while let Some((domain, pool_id)) = next {
            let of = StatsOf::Pool { domain, pool_id, or_next: true };
            let Some(stats) = host.stats(of)? else { break };
            let info = &stats.info;
            let found = clients.iter_mut().find(|client| client.domain == info.domain);
            if let Some(client) = found {
                client.pools.push(pool_figures(&stats, is_measuring));
            }
            // Always further on, whatever is answered: else this would never end.
            next = u16::try_from(info.domain)
                .ok()
                .zip(info.pool_id.checked_add(1))
                .filter(|&found| found > (domain, pool_id));
        }
        Ok(Self { host: figures, clients })
    }
}

fn clients<H: Hypervisor>(
    host: &mut Host<H>,
    is_measuring: bool,
) -> Result<Vec<ClientFigures>, Failure> {
    let mut clients = Vec::new();
    let mut next = Some(0);
    while let Some(domain) = next {
        let Some(stats) = host.stats(StatsOf::Client { domain, or_next: true })? else { break };
        let info = &stats.info;
        clients.push(ClientFigures {
            domain: info.domain,
            weight: info.weight,
            is_frozen: info.flags.contains(StatsFlags::FROZEN),
            is_dying: info.flags.contains(StatsFlags::DYING),
            latencies: is_measuring.then(|| latencies(&stats)),
            counters: Counters(info.counters),
            pools: Vec::new(),
        });
        next = info
            .domain
            .checked_add(1)
            .and_then(|next| u16::try_from(next).ok())
            // The last number means all; and always further on, as below.
            .filter(|&found| found > domain && found < u16::MAX);
    }
    Ok(clients)
}

fn host_figures(stats: &Stats, freeable_mib: u32) -> HostFigures {
    let info = &stats.info;
    HostFigures {
        freeable_mib,
        clients: info.members,
        pools: info.pools,
        weights: info.weight,
        record_bytes: info.counters.record_frames.saturating_mul(BYTES_PER_PAGE),
        held_bytes: info.counters.held_frames.saturating_mul(BYTES_PER_PAGE),
        ready_bytes: info.counters.ready_frames.saturating_mul(BYTES_PER_PAGE),
        latencies: info.flags.contains(StatsFlags::MEASURING).then(|| latencies(stats)),
        counters: Counters(info.counters),
    }
}

fn latencies(stats: &Stats) -> Vec<Latency> {
    let latency = |timed| Latency {
        operation: match timed {
            Timed::Put => "put",
            Timed::Get => "get",
            Timed::FlushPage => "flush_page",
            Timed::Other => "other",
        },
        calls: Histogram::decode(&stats.record, &stats.info, timed).0.to_vec(),
    };
    Timed::ALL.map(latency).to_vec()
}

fn pool_figures(stats: &Stats, is_measuring: bool) -> PoolFigures {
    let info = &stats.info;
    let is_shared = info.flags.contains(StatsFlags::SHARED);
    PoolFigures {
        id: info.pool_id,
        is_persistent: info.flags.contains(StatsFlags::PERSISTENT),
        is_shared,
        owner: info.owner,
        members: info.members,
        is_dying: info.flags.contains(StatsFlags::DYING),
        uuid: (is_shared && info.uuid != Uuid::default()).then(|| uuid(info.uuid)),
        latencies: is_measuring.then(|| latencies(stats)),
        counters: Counters(info.counters),
    }
}

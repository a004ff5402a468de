//! The record of GET_STATS: figures for the operator. Not of the original's interface.
//!
//! Three parts: a head, 64-bit counters, histograms. The record may grow: more counters, more
//! histograms. So the head says where the histograms begin, and what a shorter record does not have
//! reads as 0. A caller whose buffer is shorter than the record gets the first bytes of it.

use super::{put, u32_at, u64_at};
use crate::op::Uuid;
use bitflags::bitflags;
use core::mem::{offset_of, size_of};
use static_assertions::const_assert_eq;

/// Bytes of [`StatsInfo`]: head and counters.
pub const STATS_INFO_BYTES: usize = COUNTERS_OFFSET + COUNTERS * 8;
/// Bytes of the whole record: [`StatsInfo`], then a [`Histogram`] for each of [`Timed::ALL`].
pub const STATS_BYTES: usize = STATS_INFO_BYTES + Timed::ALL.len() * HISTOGRAM_BYTES;
/// Buckets of a [`Histogram`].
pub const LATENCY_BUCKETS: usize = 32;
/// Bytes of a [`Histogram`].
pub const HISTOGRAM_BYTES: usize = LATENCY_BUCKETS * 8;

const COUNTERS_OFFSET: usize = size_of::<Head>();

/// What a record is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatsKind {
    /// The whole host: all pools that there are and there were.
    #[default]
    Host,
    /// A client: the pools that it owns now. What happened in those that are gone counts for the
    /// host only.
    Client,
    /// A pool; all of it, also where it is shared.
    Pool,
    /// A kind that this crate does not know.
    Unknown(u32),
}

impl StatsKind {
    const fn decode(word: u32) -> Self {
        match word {
            0 => Self::Host,
            1 => Self::Client,
            2 => Self::Pool,
            other => Self::Unknown(other),
        }
    }

    const fn encode(self) -> u32 {
        match self {
            Self::Host => 0,
            Self::Client => 1,
            Self::Pool => 2,
            Self::Unknown(other) => other,
        }
    }
}

bitflags! {
    /// State, in [`StatsInfo`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct StatsFlags: u32 {
        /// Of a pool: it is persistent.
        const PERSISTENT = 1 << 0;
        /// Of a pool: it is shared.
        const SHARED = 1 << 1;
        /// Of a pool: the domain is its owner. Always, if it is private.
        const OWNER = 1 << 2;
        /// Of a client, or of the owner of a pool: its puts of new pages are refused.
        const FROZEN = 1 << 8;
        /// Of a client: it is dying. Of a pool: it is being destroyed, or being left by the domain;
        /// its id is not free yet.
        const DYING = 1 << 9;
        /// Of the host: latencies are measured now.
        const MEASURING = 1 << 16;
        /// Bits that this crate does not know are kept.
        const _ = !0;
    }
}

/// What a counter is a number of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Pages of 4 KiB that are there now.
    Pages,
    /// Bytes that are there now.
    Bytes,
    /// Frames of 4 KiB that are there now.
    Frames,
    /// Things that have happened since the creation of a pool; for the host since its start.
    Events,
}

/// A counter's name, for everybody who shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its name, that of the field in [`StatsCounters`].
    pub name: &'static str,
    /// What it is a number of.
    pub unit: Unit,
    /// What is counted, as an operator is told it: without a full stop.
    pub help: &'static str,
}

/// The one list of what is counted: a field, its unit, and what it is, which is the field's doc too.
macro_rules! counters {
    ($($name:ident: $unit:ident, $help:literal $(, $more:literal)*;)*) => {
        /// What is counted. [`StatsCounters::LIST`] has names, units and meanings.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct StatsCounters {
            $(
                #[doc = concat!($help, ".")]
                $(#[doc = $more])*
                pub $name: u64,
            )*
        }

        impl StatsCounters {
            /// All counters, in the order of the record.
            pub const LIST: [Counter; COUNTERS] = [$(
                Counter { name: stringify!($name), unit: Unit::$unit, help: $help },
            )*];

            /// The numbers, in the order of the record.
            pub const fn to_words(self) -> [u64; COUNTERS] {
                let Self { $($name),* } = self;
                [$($name),*]
            }

            const fn from_words([$($name),*]: [u64; COUNTERS]) -> Self {
                Self { $($name),* }
            }
        }
    };
}

const COUNTERS: usize = 22;

counters! {
    ephemeral_pages: Pages, "Pages that may be evicted", "Those that can be found.";
    persistent_pages: Pages, "Pages that stay until they are flushed", "Those that can be found.";
    unreachable_pages: Pages, "Pages that nobody can get any more and that wait to be freed";
    puts_stored: Events, "Puts that added a page";
    puts_replaced: Events, "Puts that replaced a page";
    puts_no_memory: Events, "Puts refused for want of memory, or of the domain's room",
        "They were answered -12.";
    puts_no_space: Events, "Puts that should have replaced a page and found no frame",
        "They were answered -28.";
    puts_frozen: Events, "Puts refused as the client is frozen", "They were answered -1000.";
    puts_bad_frame: Events, "Puts of a frame that can't be read", "They were answered -14.";
    gets: Events, "Gets, in pools with pages", "`hits` and `misses`.";
    hits: Events, "Gets that found a page";
    misses: Events, "Gets that found none";
    flushes: Events, "Flushes of a page or an object";
    removed: Events, "Pages that are gone, for whatever reason",
        "`puts_stored` is the sum of these and of the pages that are there, findable or not.";
    evictions_suffered: Events, "Pages that were evicted";
    evictions_caused: Events, "Pages, of whomever, that were evicted for its puts",
        "The host's may be less than it suffered: some was evicted for Xen, or by FLUSH.";
    stored_bytes: Bytes, "Bytes that guests have put and can get";
    taken_bytes: Bytes, "Bytes of the frames that hold pages", "Unreachable ones too.";
    metadata_frames: Frames, "Metadata for pages and objects";
    record_frames: Frames, "Records of clients and pools, which are never given back",
        "Those of their histograms too. Of the host; 0 elsewhere.";
    held_frames: Frames, "All that the host has given to tmem but for its tables",
        "Of the host; 0 elsewhere. While no call is under way it is the sum of the frames that",
        "hold pages, of metadata and records, and of those that are kept ready.";
    ready_frames: Frames, "Free frames that tmem keeps ready",
        "Of the host; 0 elsewhere.";
}

impl StatsCounters {
    /// The counters of a record of this layout; those that are not there are 0.
    pub fn decode(record: &[u8]) -> Self {
        Self::from_words(core::array::from_fn(|at| u64_at(record, COUNTERS_OFFSET + at * 8)))
    }

    /// The sums, which wrap: one of the two may be a caller's own figures.
    pub fn wrapping_add(self, other: Self) -> Self {
        let mut words = self.to_words();
        for (word, more) in words.iter_mut().zip(other.to_words()) {
            *word = word.wrapping_add(more);
        }
        Self::from_words(words)
    }
}

/// The record, without its histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsInfo {
    /// Version of the layout: [`StatsInfo::VERSION`]. A record that only grew has the same.
    pub version: u32,
    /// Bytes of the whole record, histograms included, however many were asked for.
    pub size: u32,
    /// What it is about.
    pub kind: StatsKind,
    /// Number of the domain; 0xffff in the host's.
    pub domain: u32,
    /// Id of the pool in the domain; [`StatsInfo::NO_POOL`] but in a pool's.
    pub pool_id: u32,
    /// State.
    pub flags: StatsFlags,
    /// A client's weight, that of a pool's owner, the sum of all in the host's; the greatest number
    /// if it is more.
    pub weight: u32,
    /// Clients of the host; ids, of whatever client, that stand for the pool; 1 in a client's.
    pub members: u32,
    /// Pools of the host; pool ids in use of a client; 1 in a pool's.
    pub pools: u32,
    /// Number of the domain that owns the pool; else as `domain`.
    pub owner: u32,
    /// Name of a shared pool, else 0.
    pub uuid: Uuid,
    /// Where the first histogram begins, in bytes from the record's beginning.
    pub latency_offset: u32,
    /// Histograms, in the order of [`Timed::ALL`].
    pub nr_histograms: u32,
    /// Buckets in each.
    pub nr_buckets: u32,
    /// Unit of the latencies: [`StatsInfo::NANOSECONDS`].
    pub latency_unit: u32,
    /// What is counted.
    pub counters: StatsCounters,
}

/// The head, for its offsets.
#[repr(C)]
struct Head {
    version: u32,
    size: u32,
    kind: u32,
    domain: u32,
    pool_id: u32,
    flags: u32,
    weight: u32,
    members: u32,
    pools: u32,
    owner: u32,
    uuid: [u64; 2],
    latency_offset: u32,
    nr_histograms: u32,
    nr_buckets: u32,
    latency_unit: u32,
}
const_assert_eq!(COUNTERS_OFFSET, 72);
const_assert_eq!(offset_of!(Head, uuid), 40);
const_assert_eq!(offset_of!(Head, latency_offset), 56);
const_assert_eq!(STATS_INFO_BYTES, 248);
const_assert_eq!(STATS_BYTES, 1272);

impl StatsInfo {
    /// The only version of the layout.
    pub const VERSION: u32 = 1;
    /// [`StatsInfo::size`] of this layout.
    #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
    pub const SIZE: u32 = STATS_BYTES as u32;
    /// [`StatsInfo::latency_offset`] of this layout.
    #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
    pub const LATENCY_OFFSET: u32 = STATS_INFO_BYTES as u32;
    /// In place of a pool's id.
    pub const NO_POOL: u32 = u32::MAX;
    /// A unit of latencies.
    pub const NANOSECONDS: u32 = 1;

    /// The record's bytes up to the histograms.
    pub fn encode(&self) -> [u8; STATS_INFO_BYTES] {
        let mut bytes = [0; STATS_INFO_BYTES];
        for (at, word) in [
            (offset_of!(Head, version), self.version),
            (offset_of!(Head, size), self.size),
            (offset_of!(Head, kind), self.kind.encode()),
            (offset_of!(Head, domain), self.domain),
            (offset_of!(Head, pool_id), self.pool_id),
            (offset_of!(Head, flags), self.flags.bits()),
            (offset_of!(Head, weight), self.weight),
            (offset_of!(Head, members), self.members),
            (offset_of!(Head, pools), self.pools),
            (offset_of!(Head, owner), self.owner),
            (offset_of!(Head, latency_offset), self.latency_offset),
            (offset_of!(Head, nr_histograms), self.nr_histograms),
            (offset_of!(Head, nr_buckets), self.nr_buckets),
            (offset_of!(Head, latency_unit), self.latency_unit),
        ] {
            put(&mut bytes, at, &word.to_le_bytes());
        }
        put(&mut bytes, offset_of!(Head, uuid), self.uuid.0.map(u64::to_le_bytes).as_flattened());
        let counters = self.counters.to_words().map(u64::to_le_bytes);
        put(&mut bytes, COUNTERS_OFFSET, counters.as_flattened());
        bytes
    }

    /// Reads as much of a record as `bytes` has; the rest is 0.
    pub fn decode(bytes: &[u8]) -> Self {
        let word = |at| u32_at(bytes, at);
        let latency_offset = word(offset_of!(Head, latency_offset));
        let counters = &bytes[..bytes.len().min(latency_offset as usize)];
        let uuid = offset_of!(Head, uuid);
        Self {
            version: word(offset_of!(Head, version)),
            size: word(offset_of!(Head, size)),
            kind: StatsKind::decode(word(offset_of!(Head, kind))),
            domain: word(offset_of!(Head, domain)),
            pool_id: word(offset_of!(Head, pool_id)),
            flags: StatsFlags::from_bits_retain(word(offset_of!(Head, flags))),
            weight: word(offset_of!(Head, weight)),
            members: word(offset_of!(Head, members)),
            pools: word(offset_of!(Head, pools)),
            owner: word(offset_of!(Head, owner)),
            uuid: Uuid([u64_at(bytes, uuid), u64_at(bytes, uuid + 8)]),
            latency_offset,
            nr_histograms: word(offset_of!(Head, nr_histograms)),
            nr_buckets: word(offset_of!(Head, nr_buckets)),
            latency_unit: word(offset_of!(Head, latency_unit)),
            counters: StatsCounters::decode(counters),
        }
    }
}

/// An operation of guests whose latency is measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// Puts.
    Put,
    /// Gets.
    Get,
    /// Calls of flush-page.
    FlushPage,
    /// All others: of those that go on in slices, each slice by itself.
    Other,
}

impl Timed {
    /// All, in the order of the record.
    pub const ALL: [Self; 4] = [Self::Put, Self::Get, Self::FlushPage, Self::Other];
}

/// How many calls took how long: bucket `n` counts those of at least 2^n and less than 2^(n + 1)
/// units; the first one also those of less than a unit, the last one all that took longer.
///
/// The time is that in tmem: it begins when the operation's bytes are copied and ends with the
/// status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram(pub [u64; LATENCY_BUCKETS]);

impl Histogram {
    /// The histogram's bytes.
    pub fn encode(&self) -> [u8; HISTOGRAM_BYTES] {
        let mut bytes = [0; HISTOGRAM_BYTES];
        bytes.copy_from_slice(self.0.map(u64::to_le_bytes).as_flattened());
        bytes
    }

    /// An operation's histogram in a record whose beginning reads as `info`; 0 for what the record
    /// does not have.
    pub fn decode(record: &[u8], info: &StatsInfo, of: Timed) -> Self {
        let (place, nr_buckets) = (of as u32, info.nr_buckets);
        let start = (place < info.nr_histograms)
            .then(|| {
                place.checked_mul(nr_buckets)?.checked_mul(8)?.checked_add(info.latency_offset)
            })
            .flatten();
        let Some(start) = start else { return Self::default() };
        let histogram = record.get(start as usize..).unwrap_or_default();
        let bucket = |at| if at < nr_buckets as usize { u64_at(histogram, at * 8) } else { 0 };
        Self(core::array::from_fn(bucket))
    }

    /// Calls in all.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, calls| sum.wrapping_add(*calls))
    }
}

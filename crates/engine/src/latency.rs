//! How long calls took, by client and by pool: histograms that are there only once they are asked for.
//!
//! The host counts for itself and by CPU; this is what it hands on after each call while it measures.
//! A histogram lies with two others in a frame that is found by the number of the client's or the
//! pool's record, is made at the first call that it is to count, and stays as the records stay
//! (`directory.rs`): so who counts needs no lock, and nobody frees what another CPU counts in. Whose
//! the record was before does not show, for a record that is given out has its histogram forgotten.
//!
//! Nothing walks over all histograms when measuring begins anew. Each knows the measurement that it is
//! of; one of an earlier one counts as empty, and the next call that it is to count clears it first.

use crate::client::{Caller, LIVE, SlotWord};
use crate::directory::Directory;
use crate::engine::{CLIENTS_MAX, Engine, POOLS_MAX};
use crate::host::{DomainId, Host};
use crate::limits::HISTOGRAMS_PER_FRAME;
use crate::sync::atomic::AtomicU64;
use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Buckets of a histogram: number `n` is for calls of at least 2^n ns and less than 2^(n + 1), the
/// first one also for shorter ones, the last one for all that took longer.
pub const LATENCY_BUCKETS: usize = 32;

/// Calls that have a histogram of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    /// Puts.
    Put,
    /// Gets.
    Get,
    /// Flushes of a page.
    FlushPage,
    /// All others: each slice by itself.
    Other,
}

const KINDS: usize = Measured::Other as usize + 1;

/// Set in [`Latencies::of`] while the counts are cleared. Measurements have even numbers.
const CLEARING: u64 = 1;
/// From the number of a measurement to that of the next one.
const NEXT: u64 = 2;

/// How long the calls of a client, or those on a pool, took.
///
/// The counts have 64 bits, so that none wraps in practice. When several CPUs count in the moment in
/// which a measurement's first call is counted, those that come while one of them clears are missed.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// The measurement that the counts are of; 0: of none.
    of: AtomicU64,
    counts: [[AtomicU64; LATENCY_BUCKETS]; KINDS],
}

/// A place for each client and each pool, in frames.
pub(crate) type AllLatencies = Directory<
    Latencies,
    { HISTOGRAMS_PER_FRAME as usize },
    { (FIRST_POOL + POOLS_MAX).div_ceil(HISTOGRAMS_PER_FRAME) as usize },
>;

/// The first pool's place: clients and pools have frames of their own.
const FIRST_POOL: u32 = CLIENTS_MAX.next_multiple_of(HISTOGRAMS_PER_FRAME);

/// Whose histogram: a client's or a pool's record number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    Client(u32),
    Pool(u32),
}

impl Whose {
    /// Its place among all.
    const fn place(self) -> u32 {
        match self {
            Self::Client(number) => number,
            Self::Pool(number) => FIRST_POOL + number,
        }
    }
}

impl Latencies {
    /// Counts a call in the measurement `now`.
    fn count(&self, now: u64, what: Measured, bucket: usize) {
        if self.of.load(Acquire) != now && !self.begin(now) {
            return;
        }
        if let Some(count) = self.counts[what as usize].get(bucket) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Clears what was counted in an earlier measurement. `false`: another CPU is at it, or a later one
    /// has begun.
    #[cold]
    #[inline(never)]
    fn begin(&self, now: u64) -> bool {
        let before = self.of.load(Relaxed);
        let clearing = now | CLEARING;
        if before >= now || self.of.compare_exchange(before, clearing, Acquire, Relaxed).is_err() {
            return before == now;
        }
        for count in self.counts.as_flattened() {
            count.store(0, Relaxed);
        }
        // Not if it was forgotten meanwhile.
        self.of.compare_exchange(clearing, now, Release, Relaxed).is_ok()
    }

    /// Adds what was counted in the measurement `now`.
    fn add_to(&self, sum: &mut [u64; LATENCY_BUCKETS], now: u64, what: Measured) {
        if self.of.load(Acquire) != now {
            return;
        }
        for (sum, count) in sum.iter_mut().zip(&self.counts[what as usize]) {
            *sum = sum.wrapping_add(count.load(Relaxed));
        }
    }
}

/// The bucket of a call that took so long.
const fn bucket(nanoseconds: u64) -> usize {
    let bucket = match nanoseconds.checked_ilog2() {
        Some(bucket) => bucket as usize,
        None => 0,
    };
    if bucket < LATENCY_BUCKETS { bucket } else { LATENCY_BUCKETS - 1 }
}

impl<H: Host> Engine<H> {
    /// Begins a measurement: from now on the histograms of all clients and pools are empty.
    pub fn begin_measuring(&self) {
        self.measurement.fetch_add(NEXT, Relaxed);
    }

    /// Counts a call of `domain` that took so long, also for its pool `pool_id` if it has one by that
    /// id. Who is no client, or is dying, has nothing counted; nor has who finds no memory for the
    /// histogram.
    #[inline(never)]
    pub fn count_latency(
        &self,
        domain: DomainId,
        pool_id: Option<u32>,
        what: Measured,
        nanoseconds: u64,
    ) {
        let Some(caller) = self.client_of(domain).filter(|&caller| self.is_living(caller)) else {
            return;
        };
        let bucket = bucket(nanoseconds);
        self.count_for(Whose::Client(caller.client.0.into()), what, bucket);
        if let Some(pool) = pool_id.and_then(|pool_id| self.pool_by_id(caller, pool_id)) {
            self.count_for(pool, what, bucket);
        }
    }

    /// Adds to `sum` how long a client's calls took since measuring last began, or with an id those on
    /// its pool, whoever shares it. Nothing, if there is none.
    #[inline(never)]
    pub fn add_latencies(
        &self,
        sum: &mut [u64; LATENCY_BUCKETS],
        domain: DomainId,
        pool_id: Option<u32>,
        what: Measured,
    ) {
        let whose = self.client_of(domain).and_then(|caller| match pool_id {
            Some(pool_id) => self.pool_by_id(caller, pool_id),
            None => Some(Whose::Client(caller.client.0.into())),
        });
        if let Some(latencies) = whose.and_then(|whose| self.latencies.get(whose.place())) {
            latencies.add_to(sum, self.measurement.load(Acquire), what);
        }
    }

    /// The record is given out anew: what was counted for its last user is nobody's.
    pub(crate) fn forget_latencies(&self, whose: Whose) {
        if let Some(latencies) = self.latencies.get(whose.place()) {
            latencies.of.store(0, Release);
        }
    }

    /// Whether the caller's record is still its own, and not dying.
    fn is_living(&self, caller: Caller) -> bool {
        self.client(caller.client).is_some_and(|client| {
            client.state.load(Acquire) == LIVE && client.domain.load(Relaxed) == caller.domain.0
        })
    }

    /// The pool that a client's id stands for, be it dying.
    fn pool_by_id(&self, caller: Caller, pool_id: u32) -> Option<Whose> {
        let word = SlotWord(self.slot(caller.client, pool_id)?.word.load(Acquire));
        let pool = self.pools.get(word.pool()).filter(|_| word != SlotWord::EMPTY)?;
        // One that the client is leaving may be gone, and its record reused.
        word.is_of(pool.generation.load(Acquire)).then(|| Whose::Pool(word.pool()))
    }

    fn count_for(&self, whose: Whose, what: Measured, bucket: usize) {
        let place = whose.place();
        if self.latencies.get(place).is_none() {
            self.make_latencies(place);
        }
        if let Some(latencies) = self.latencies.get(place) {
            latencies.count(self.measurement.load(Acquire), what, bucket);
        }
    }

    /// Makes the frame of a histogram, for one evicted page at most: a host that is measured is full.
    #[cold]
    #[inline(never)]
    fn make_latencies(&self, place: u32) {
        let segment = (place / HISTOGRAMS_PER_FRAME) as usize;
        // Without it this call is not counted, and the next one comes here again.
        let _ = self.evicting(1, || self.latencies.grow(segment, &self.host));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(latencies: &Latencies, now: u64, what: Measured) -> [u64; LATENCY_BUCKETS] {
        let mut sum = [0; LATENCY_BUCKETS];
        latencies.add_to(&mut sum, now, what);
        sum
    }

    #[test]
    fn a_latency_is_counted_between_two_powers_of_2() {
        for (nanoseconds, wanted) in
            [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (1023, 9), (1024, 10), (1 << 31, 31)]
        {
            assert_eq!(bucket(nanoseconds), wanted, "{nanoseconds}");
        }
        assert_eq!([(1 << 31) - 1, 1 << 32, u64::MAX].map(bucket), [30, 31, 31]);
    }

    #[test]
    fn a_late_call_of_an_earlier_measurement_leaves_the_later_ones_counts() {
        let latencies = Latencies::default();
        latencies.count(4, Measured::Get, 3);
        latencies.count(2, Measured::Get, 3);
        assert_eq!(read(&latencies, 4, Measured::Get)[3], 1);
        assert_eq!(read(&latencies, 2, Measured::Get), [0; LATENCY_BUCKETS]);
    }

    #[test]
    fn what_another_cpu_clears_is_neither_read_nor_counted_in() {
        let latencies = Latencies::default();
        latencies.count(2, Measured::Put, 0);
        latencies.of.store(4 | CLEARING, Relaxed);
        latencies.count(4, Measured::Put, 0);
        assert_eq!(latencies.counts[0][0].load(Relaxed), 1, "as it was");
        assert_eq!(read(&latencies, 4, Measured::Put), [0; LATENCY_BUCKETS]);
        // That CPU is late itself: the next measurement does not wait for it.
        latencies.count(6, Measured::Put, 1);
        assert_eq!(read(&latencies, 6, Measured::Put)[..3], [0, 1, 0]);
    }
}

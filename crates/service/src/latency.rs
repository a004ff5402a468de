//! How long calls took, for their clients and pools: what the host has measured, and what of it is told.

use crate::dispatch::Service;
use crate::platform::Platform;
use hypercall_abi::command;
use hypercall_abi::control::{Histogram, LATENCY_BUCKETS, StatsInfo, StatsKind, Timed};
use tmem_engine::{DomainId, Measured};

const _: () = assert!(LATENCY_BUCKETS == tmem_engine::LATENCY_BUCKETS);

impl<P: Platform> Service<P> {
    /// Begins to measure, from 0 on, or ends it.
    pub(crate) fn set_measuring(&self, on: bool) {
        if on {
            // First: what is measured from now on belongs to it.
            self.engine.begin_measuring();
        }
        self.platform().set_measuring(on);
    }

    /// Counts a call of `domain` that took so long: for its client, and for the pool that it named, if
    /// the client has it now. `command` and `pool_id` are the first two words of the operation, as the
    /// call has seen it. To be called after each slice of a call, while the host measures.
    #[inline(never)]
    pub fn measured(&self, domain: DomainId, command: u32, pool_id: u32, nanoseconds: u64) {
        if !self.platform().is_measuring() {
            return;
        }
        let (what, names_pool) = match command {
            command::PUT_PAGE => (Measured::Put, true),
            command::GET_PAGE => (Measured::Get, true),
            command::FLUSH_PAGE => (Measured::FlushPage, true),
            command::FLUSH_OBJECT | command::DESTROY_POOL => (Measured::Other, true),
            _ => (Measured::Other, false),
        };
        let pool_id = names_pool.then_some(pool_id);
        self.engine.count_latency(domain, pool_id, what, nanoseconds);
    }

    /// Fills in a histogram of the client or the pool whose record this is.
    #[inline(never)]
    pub(crate) fn read_latencies(&self, info: &StatsInfo, of: Timed, histogram: &mut Histogram) {
        let what = match of {
            Timed::Put => Measured::Put,
            Timed::Get => Measured::Get,
            Timed::FlushPage => Measured::FlushPage,
            Timed::Other => Measured::Other,
        };
        let pool_id = (info.kind == StatsKind::Pool).then_some(info.pool_id);
        if let Ok(domain) = u16::try_from(info.domain) {
            self.engine.add_latencies(&mut histogram.0, DomainId(domain), pool_id, what);
        }
    }
}

//! The workloads, one file each, and what they have in common.

pub mod mem;
pub mod miss;
pub mod save;
pub mod w1;
pub mod w2;
pub mod w3;
pub mod w4;
pub mod w5;
pub mod w7;

use crate::floor::FloorMemory;
use crate::guest::LeanService;
use crate::meter::{Cost, Meter};
use crate::original::Original;
use crate::report::Row;
use anyhow::{Context as _, Result, anyhow};
use tmem_host_sim::LeanHost;
use tmem_service::Service;

/// The engine's hash key: always the same, so that runs are alike.
const HASH_KEY: [u64; 4] = [0x0123_4567_89ab_cdef, 0x1357_9bdf_0246_8ace, 0x55aa, 0xc3c3_3c3c];

/// CPUs of the simulated host.
pub const NR_CPUS: usize = 2;
/// Domains of the simulated host.
pub const NR_DOMAINS: usize = 16;

/// What a workload is given.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// Memory for the copy floor.
    pub floors: &'a FloorMemory,
    /// The original engine's figures.
    pub original: &'a Original,
    /// Pages of the workload.
    pub nr_pages: usize,
}

impl<'a> Bench<'a> {
    /// A meter with a floor over as many pages as the host of `service` has frames.
    fn meter(&self, service: &LeanService) -> Result<Meter<'a>> {
        Ok(Meter::new(self.floors.floor(service.platform().nr_frames())?))
    }

    fn row(&self, workload: &'static str, op: &'static str, cost: Cost) -> Row {
        Row::new(self.original, workload, op, self.nr_pages, cost)
    }
}

/// Host frames for a workload of `nr_pages` pages: all of them, and some to spare.
pub const fn host_frames(nr_pages: usize) -> usize {
    nr_pages + nr_pages * 8 / 100 + 4096
}

/// A service on a host of `nr_frames` frames.
///
/// # Errors
/// When there is no memory.
pub fn service(nr_frames: usize) -> Result<LeanService> {
    service_on(host(nr_frames)?)
}

fn host(nr_frames: usize) -> Result<LeanHost> {
    LeanHost::new(nr_frames, NR_CPUS, NR_DOMAINS)
        .with_context(|| format!("no memory for {nr_frames} host frames"))
}

fn service_on(host: LeanHost) -> Result<LeanService> {
    Service::new(host, HASH_KEY).map_err(|_| anyhow!("no memory for the engine's tables"))
}

/// A number that a workload makes of a place in a list: always small enough.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

//! The workloads, one file each.

pub mod miss;
pub mod w1;
pub mod w2;

use crate::floor::FloorMemory;
use crate::guest::LeanService;
use crate::meter::{Cost, Meter};
use anyhow::{Context as _, Result, anyhow};
use tmem_host_sim::LeanHost;
use tmem_service::Service;

/// The engine's hash key: always the same, so that runs are alike.
const HASH_KEY: [u64; 4] = [0x0123_4567_89ab_cdef, 0x1357_9bdf_0246_8ace, 0x55aa, 0xc3c3_3c3c];

/// CPUs of the simulated host.
pub const NR_CPUS: usize = 2;
/// Domains of the simulated host.
pub const NR_DOMAINS: usize = 4;

/// A figure with its name.
#[derive(Clone, Debug)]
pub struct Row {
    /// The workload.
    pub workload: &'static str,
    /// The operation.
    pub op: &'static str,
    /// Pages of the workload.
    pub pages: usize,
    /// What it costs.
    pub cost: Cost,
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
    let host = LeanHost::new(nr_frames, NR_CPUS, NR_DOMAINS)
        .with_context(|| format!("no memory for {nr_frames} host frames"))?;
    Service::new(host, HASH_KEY).map_err(|_| anyhow!("no memory for the engine's tables"))
}

/// A meter with a floor over as many pages as the host has frames.
///
/// # Errors
/// When the floor's memory is smaller.
pub fn meter<'a>(memory: &'a FloorMemory, service: &LeanService) -> Result<Meter<'a>> {
    Ok(Meter::new(memory.floor(service.platform().nr_frames())?))
}

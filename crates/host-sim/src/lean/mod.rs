//! A host that costs next to nothing, for measuring the engine: frames in an arena of huge pages,
//! each CPU with a stock of its own, no faults, no checks.
//!
//! It does what the hypervisor's shim does (`crates/xen-shim`, `frames.rs`) and in the same order, so
//! that a call's cost is the engine's. Nothing that two CPUs write lies in one cache line, but for
//! the list of free frames, which is reached once in a batch. Where [`crate::SimHost`] watches the
//! engine, this one trusts it.
//!
//! Must not know: what is measured. Start with [`LeanHost`].

mod serve;
mod stock;
mod toolstack;

pub use toolstack::LeanToolstack;

use crate::memory::{Arena, PageWords};
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicBool, AtomicU64};
use std::io;
use std::sync::Mutex;
use stock::{FreeList, Kept};
use tmem_engine::DomainId;

/// Frames that each domain can name, 0 to 255: a ring that a guest puts from and gets into.
pub const GFNS_PER_DOMAIN: usize = 256;

/// Numbers that domains can have.
const DOMAIN_NUMBERS: usize = 1 << 16;

/// A domain's account, in cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Account {
    nr_charged: AtomicU64,
}

/// Frames of metadata granted and freed by one CPU, in cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Metadata {
    nr_granted: AtomicU64,
    nr_freed: AtomicU64,
}

/// One CPU's part of the host.
#[derive(Debug)]
struct Cpu {
    kept: Kept,
    metadata: Metadata,
}

/// A host for measurements.
pub struct LeanHost {
    frames: Arena,
    guests: Arena,
    free: FreeList,
    cpus: Box<[Cpu]>,
    accounts: Box<[Account]>,
    /// Whether a domain lives, for each number there can be. In a hypervisor it is a word that the
    /// caller's record holds; few cache lines of this are ever read.
    living: Box<[AtomicBool; DOMAIN_NUMBERS]>,
    /// The numbers of the frames that metadata occupies, where it takes its room from them.
    metadata_frames: Option<Mutex<Vec<u32>>>,
}

impl LeanHost {
    /// A host with `nr_frames` frames for pages, a spare frame beside them for each of `nr_cpus`
    /// CPUs, and the domains 0 to `nr_domains - 1`, each with [`GFNS_PER_DOMAIN`] frames.
    /// Metadata has a budget of its own, without a limit.
    ///
    /// # Errors
    /// When the system has no room for the frames, or there are more than 32 bits can number.
    pub fn new(nr_frames: usize, nr_cpus: usize, nr_domains: usize) -> io::Result<Self> {
        let too_many = || io::Error::from(io::ErrorKind::InvalidInput);
        let last = u32::try_from(nr_frames).map_err(|_| too_many())?;
        let mut spares = last..u32::MAX;
        let cpus: Box<[Cpu]> = (spares.by_ref().take(nr_cpus.max(1)))
            .map(|before| Cpu { kept: Kept::new(before + 1), metadata: Metadata::default() })
            .collect();
        let living: Vec<_> =
            (0..DOMAIN_NUMBERS).map(|nr| AtomicBool::new(nr < nr_domains)).collect();
        let living = living.into_boxed_slice().try_into().map_err(|_| too_many())?;
        Ok(Self {
            frames: Arena::new(nr_frames + cpus.len())?,
            guests: Arena::new(nr_domains * GFNS_PER_DOMAIN)?,
            free: FreeList::new(last),
            cpus,
            accounts: (0..nr_domains).map(|_| Account::default()).collect(),
            living,
            metadata_frames: None,
        })
    }

    /// The same host, but metadata takes its room from the frames, as on a real one. It costs each
    /// block of metadata a lock that all CPUs share.
    #[must_use]
    pub fn with_metadata_in_frames(self) -> Self {
        Self { metadata_frames: Some(Mutex::default()), ..self }
    }

    /// The content of a domain's own frame; `None` when there is no such domain or frame.
    pub fn guest_page(&self, domain: DomainId, gfn: u64) -> Option<&PageWords> {
        let gfn = usize::try_from(gfn).ok().filter(|&gfn| gfn < GFNS_PER_DOMAIN)?;
        self.guests.words(usize::from(domain.0) * GFNS_PER_DOMAIN + gfn)
    }

    /// The pages that hold frames, for reading them as a copy floor does.
    pub const fn nr_frames(&self) -> usize {
        self.frames.nr_pages()
    }

    /// Frames that the engine does not have, spares included. Exact when no call is under way.
    pub fn nr_frames_free(&self) -> usize {
        self.free.len() + self.cpus.iter().map(|cpu| cpu.kept.len()).sum::<usize>()
    }

    /// Frames of metadata that the engine has. Exact when no call is under way.
    pub fn nr_metadata(&self) -> u64 {
        let sum = |count: fn(&Metadata) -> &AtomicU64| -> u64 {
            self.cpus.iter().map(|cpu| count(&cpu.metadata).load(Relaxed)).sum()
        };
        sum(|metadata| &metadata.nr_granted).saturating_sub(sum(|metadata| &metadata.nr_freed))
    }

    /// Frames that are charged to a domain; `None` when there is no such domain.
    pub fn nr_charged(&self, domain: DomainId) -> Option<u64> {
        Some(self.account(domain)?.nr_charged.load(Relaxed))
    }

    /// Begins the destruction of a domain: from now on it is dying.
    pub fn kill_domain(&self, domain: DomainId) {
        self.living[usize::from(domain.0)].store(false, Relaxed);
    }

    fn account(&self, domain: DomainId) -> Option<&Account> {
        self.accounts.get(usize::from(domain.0))
    }

    /// The part of the CPU that this thread plays; one that the host lacks plays the first.
    fn cpu(&self) -> Option<&Cpu> {
        self.cpus.get(crate::current_cpu()).or_else(|| self.cpus.first())
    }
}

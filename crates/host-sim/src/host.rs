//! The host itself, as a test holds it: making and killing domains, planning faults, looking.
//! What the engine and the service see of it is in `serve.rs`.

use crate::builder::{Builder, DomainSpec};
use crate::domain::SimDomain;
use crate::faults::{Fault, Faults, Refusals};
use crate::frames::Frames;
use crate::hooks::{Direction, Hooks};
use crate::latencies::Measured;
use crate::locks;
use core::sync::atomic::{AtomicU64, Ordering};
use hypercall_abi::control::{Histogram, Timed};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tmem_engine::{DomainId, EvictedPage};
use tmem_service::BadFrame;

/// A host in memory; see the crate's head for what it watches.
pub struct SimHost {
    pub(crate) frames: Frames,
    domains: RwLock<BTreeMap<DomainId, Arc<SimDomain>>>,
    pub(crate) nr_metadata: AtomicU64,
    pub(crate) nr_metadata_max: AtomicU64,
    pub(crate) is_metadata_in_frames: bool,
    pub(crate) faults: Faults,
    pub(crate) hooks: Hooks,
    pub(crate) evicted: Mutex<Vec<EvictedPage>>,
    pub(crate) latencies: Measured,
}

impl SimHost {
    /// Starts the description of a host.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(spec: &Builder) -> Self {
        let host = Self {
            frames: Frames::new(spec.nr_frames, spec.nr_reserve, spec.nr_cpus),
            domains: RwLock::default(),
            nr_metadata: AtomicU64::new(0),
            nr_metadata_max: AtomicU64::new(spec.nr_metadata_max),
            is_metadata_in_frames: spec.is_metadata_in_frames,
            faults: Faults::default(),
            hooks: Hooks::default(),
            evicted: Mutex::default(),
            latencies: Measured::default(),
        };
        spec.domains.iter().for_each(|&domain| host.create_domain(domain));
        host
    }

    /// Makes a domain; if there was one of this number, it is gone and forgotten.
    ///
    /// # Panics
    /// If the former domain of this number is alive or still charged.
    pub fn create_domain(&self, spec: DomainSpec) {
        let domain = Arc::new(SimDomain::new(spec.nr_gfns, spec.nr_own, spec.nr_max));
        let mut domains = self.domains.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(former) = domains.insert(DomainId(spec.id), domain) {
            assert!(former.is_dying(), "domain {} is created twice", spec.id);
            assert_eq!(former.nr_charged(), 0, "domain {} died with charges", spec.id);
        }
    }

    /// Begins the destruction of a domain: from now on it is dying.
    pub fn kill_domain(&self, id: DomainId) {
        self.domain(id).kill();
    }

    /// The domain `id`, dying or not.
    ///
    /// # Panics
    /// If there never was one: the test's mistake.
    pub fn domain(&self, id: DomainId) -> Arc<SimDomain> {
        self.find(id).expect("the test made this domain")
    }

    /// The numbers of all domains, dying ones too.
    pub fn domain_ids(&self) -> Vec<DomainId> {
        self.domains.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    pub(crate) fn find(&self, id: DomainId) -> Option<Arc<SimDomain>> {
        self.domains.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Makes the `nth` call of this kind from now on fail (1: the next one), once.
    pub fn fail_nth(&self, kind: Fault, nth: u64) {
        self.faults.plan(kind, nth, false);
    }

    /// Makes the `nth` call of this kind from now on fail (1: the next one) and all after it, until
    /// [`heal`](Self::heal).
    pub fn fail_from(&self, kind: Fault, nth: u64) {
        self.faults.plan(kind, nth, true);
    }

    /// Makes every call of this kind fail, until [`heal`](Self::heal).
    pub fn fail_all(&self, kind: Fault) {
        self.faults.plan(kind, 1, true);
    }

    /// Forgets all planned faults.
    pub fn heal(&self) {
        self.faults.clear();
    }

    /// How often the last fault planned for this kind has struck.
    pub fn fired(&self, kind: Fault) -> u64 {
        self.faults.fired(kind)
    }

    /// All refusals up to now, planned or from want.
    pub fn refusals(&self) -> Refusals {
        self.faults.refusals()
    }

    /// Runs `hook` when half of the next page copied in `direction` is copied, with the frame of
    /// ours still in use. If that copy fails, the hook runs before the failure is answered.
    pub fn on_next_copy(&self, direction: Direction, hook: impl FnOnce() + Send + 'static) {
        self.hooks.set(direction, Box::new(hook));
    }

    /// Whether the hook of [`on_next_copy`](Self::on_next_copy) still waits; takes it away.
    pub fn drop_hook(&self, direction: Direction) -> bool {
        self.hooks.take(direction).is_some()
    }

    /// Runs `hook` just before the `nth` frame from now on is freed (1: the next one).
    pub fn on_nth_free(&self, nth: u64, hook: impl FnOnce() + Send + 'static) {
        self.hooks.set_free(nth, Box::new(hook));
    }

    /// Says how many calls of this kind took how long, as if they had been measured.
    pub fn set_latencies(&self, of: Timed, histogram: Histogram) {
        self.latencies.set(of, histogram);
    }

    /// The pages evicted since the last call of this, in the order of their eviction.
    pub fn take_evicted(&self) -> Vec<EvictedPage> {
        core::mem::take(&mut *self.evicted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Frames that the engine has at present.
    pub fn nr_frames_out(&self) -> usize {
        self.frames.nr_out()
    }

    /// Frames that the engine could take at present, spares not counted.
    pub fn nr_frames_available(&self) -> usize {
        self.frames.nr_available()
    }

    /// Sets how many frames stay free whatever the engine asks; more than there are: none is left.
    pub fn set_reserve(&self, nr_reserve: usize) {
        self.frames.set_reserve(nr_reserve);
    }

    /// Sets the reserve so that the engine can take `nr_frames` more, if so many are free.
    pub fn leave_frames(&self, nr_frames: usize) {
        self.frames.leave(nr_frames);
    }

    /// Frames of metadata that the engine has at present.
    pub fn nr_metadata(&self) -> u64 {
        self.nr_metadata.load(Ordering::Relaxed)
    }

    /// Sets the most frames of metadata.
    pub fn set_metadata_max(&self, nr_max: u64) {
        self.nr_metadata_max.store(nr_max, Ordering::Relaxed);
    }

    /// Engine locks that this thread holds: 0 outside of the engine.
    pub fn nr_locks_held() -> u32 {
        locks::held()
    }

    /// Engine locks that this thread has ever taken.
    pub fn nr_locks_taken() -> u64 {
        locks::taken()
    }

    /// Checks that nothing of the guests' is left once every domain is destroyed.
    ///
    /// # Panics
    /// If a frame is out, a charge stands, or more metadata is out than `nr_metadata_idle` frames.
    pub fn assert_nothing_leaked(&self, nr_metadata_idle: u64) {
        assert_eq!(self.nr_frames_out(), 0, "frames are left with the engine");
        let nr_metadata = self.nr_metadata();
        assert!(
            nr_metadata <= nr_metadata_idle,
            "{nr_metadata} frames of metadata are left, of {nr_metadata_idle} for an idle engine"
        );
        let domains = self.domains.read().unwrap_or_else(PoisonError::into_inner);
        for (id, domain) in domains.iter() {
            assert_eq!(domain.nr_charged(), 0, "charges are left on {id:?}");
        }
    }

    /// A copy fails: the hook that waited for it runs all the same.
    pub(crate) fn refuse_copy(&self, direction: Direction) -> BadFrame {
        if let Some(hook) = self.hooks.take(direction) {
            hook();
        }
        BadFrame
    }
}

//! The host below the engine: frames that loom watches, accounts, and the watch over locks.

use crate::frames::Frames;
use core::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tmem_engine::{ChargeRefused, DomainId, Engine, EvictedPage, Frame, FrameId, Host, Lru};

/// Domains that the accounts have room for.
const DOMAINS: usize = 4;

loom::thread_local! {
    /// Engine locks that this thread holds.
    static NR_HELD: Cell<u32> = Cell::new(0);
}

/// The host.
#[derive(Debug)]
pub struct LoomHost {
    frames: Frames,
    charges: [AtomicU32; DOMAINS],
    nr_metadata: AtomicU32,
    evicted: Mutex<Vec<EvictedPage>>,
}

impl LoomHost {
    /// A host with `nr_frames` frames, and one more as the spare if `keeps_spare`.
    pub fn new(nr_frames: u32, keeps_spare: bool) -> Self {
        Self {
            frames: Frames::new(nr_frames, keeps_spare),
            charges: Default::default(),
            nr_metadata: AtomicU32::new(0),
            evicted: Mutex::default(),
        }
    }

    /// An engine on this host.
    ///
    /// # Panics
    /// If it can't be made.
    pub fn start(self) -> Arc<Engine<Self>> {
        Arc::new(Engine::new(self, [1, 2, 3, 4]).expect("there is memory"))
    }

    /// Copies a guest's page, which holds `value`, into a frame: what a put does.
    pub fn copy_in(&self, frame: FrameId, value: u64) {
        Self::assert_no_lock();
        self.frames.write(frame, value);
    }

    /// Copies a frame out and answers the value: what a get does.
    pub fn copy_out(&self, frame: FrameId) -> u64 {
        Self::assert_no_lock();
        self.frames.read(frame)
    }

    /// The pages that were evicted.
    pub fn evicted(&self) -> Vec<EvictedPage> {
        self.evicted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checks the engine's books against each other and against the host's, with no call under way.
    ///
    /// # Panics
    /// If they differ.
    pub fn audit(engine: &Engine<Self>) {
        let totals = engine.audit().expect("the engine's books agree");
        let host = engine.host();
        assert_eq!(totals.frames, host.frames.nr_out() as u64, "frames are lost or counted twice");
        let nr_metadata = u64::from(host.nr_metadata.load(Relaxed));
        assert_eq!(totals.metadata_frames + totals.kept_frames, nr_metadata, "metadata is lost");
    }

    /// Checks that an engine whose pools are all destroyed has given everything back.
    ///
    /// # Panics
    /// If it has not.
    pub fn assert_all_given_back(engine: &Engine<Self>) {
        Self::audit(engine);
        let host = engine.host();
        assert_eq!(host.frames.nr_out(), 0, "frames are left with the engine");
        let totals = engine.audit().expect("the engine's books agree");
        assert_eq!((totals.pools, totals.metadata_frames), (0, 0), "a pool is left");
        for (domain, charge) in host.charges.iter().enumerate() {
            assert_eq!(charge.load(Relaxed), 0, "domain {domain} is still charged");
        }
    }

    fn account(&self, domain: DomainId) -> &AtomicU32 {
        &self.charges[usize::from(domain.0)]
    }

    fn assert_no_lock() {
        let nr_held = NR_HELD.with(Cell::get);
        assert_eq!(nr_held, 0, "the host is called with an engine lock held");
    }
}

impl Host for LoomHost {
    type Policy = Lru;

    fn take_frame(&self) -> Option<Frame> {
        Self::assert_no_lock();
        self.frames.take()
    }

    fn take_spare(&self) -> Option<Frame> {
        Self::assert_no_lock();
        self.frames.take_spare()
    }

    fn give_frame(&self, frame: Frame) {
        Self::assert_no_lock();
        self.frames.give(frame);
    }

    fn metadata_wanted(&self) -> bool {
        Self::assert_no_lock();
        self.nr_metadata.fetch_add(1, Relaxed);
        true
    }

    fn metadata_freed(&self) {
        Self::assert_no_lock();
        let before = self.nr_metadata.fetch_sub(1, Relaxed);
        assert!(before > 0, "more metadata is freed than there was");
    }

    fn charge(&self, domain: DomainId, frames: u32) -> Result<(), ChargeRefused> {
        Self::assert_no_lock();
        self.account(domain).fetch_add(frames, Relaxed);
        Ok(())
    }

    fn uncharge(&self, domain: DomainId, frames: u32) {
        Self::assert_no_lock();
        let before = self.account(domain).fetch_sub(frames, Relaxed);
        assert!(before >= frames, "{domain:?} is uncharged more than it was charged");
    }

    fn page_evicted(&self, page: EvictedPage) {
        Self::assert_no_lock();
        self.evicted.lock().unwrap_or_else(PoisonError::into_inner).push(page);
    }

    fn lock_held(&self, taken: bool) {
        NR_HELD.with(|nr_held| {
            assert_eq!(nr_held.get(), u32::from(!taken), "two engine locks are held together");
            nr_held.set(u32::from(taken));
        });
    }
}

//! What the engine asks of its host.

use crate::frame::Frame;
use crate::policy::Policy;

/// A domain, as the host numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainId(pub u16);

/// The domain is at its maximum: a frame can't be charged to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargeRefused;

/// A page that eviction took, named as its pool's owner would name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvictedPage {
    /// Owner of the pool.
    pub owner: DomainId,
    /// The owner's pool id.
    pub pool_id: u8,
    /// The object's three words.
    pub object: [u64; 3],
    /// The page's index in the object.
    pub index: u32,
}

/// The machine below: frames, metadata and the domains' accounts.
///
/// # Locking
/// The engine calls none of these with a lock of its own held. An implementation may therefore
/// take the host's locks. None may call back into the engine on the data path.
pub trait Host: Sync {
    /// Whether [`page_evicted`](Self::page_evicted) wants to be told; finding the page's name as
    /// its owner knows it costs a little.
    const REPORTS_EVICTIONS: bool = true;

    /// How the host wants its pages to be evicted.
    type Policy: Policy;

    /// A frame to be overwritten in full, or `None` when taking one would dig into the reserve that
    /// is always left to the host. Never evicts. Its former content must not matter.
    fn take_frame(&self) -> Option<Frame>;

    /// The frame that is kept back so that a duplicate put succeeds on a full host, if it is there.
    /// Kept per CPU; the next [`give_frame`](Self::give_frame) on this CPU fills the place again.
    fn take_spare(&self) -> Option<Frame>;

    /// Takes a frame back. Whoever gets it next must not see what it holds.
    fn give_frame(&self, frame: Frame);

    /// As [`give_frame`](Self::give_frame), but not into a stock of frames: the frame was freed to
    /// make room for metadata, which is allocated next.
    fn give_room(&self, frame: Frame) {
        self.give_frame(frame);
    }

    /// As [`give_room`](Self::give_room), but nothing of ours takes its place: the host itself wants it.
    fn give_back(&self, frame: Frame) {
        self.give_room(frame);
    }

    /// Asks for leave to allocate one frame of metadata from the global allocator.
    ///
    /// The one place where the host limits metadata and where a test makes an allocation fail. On
    /// `true` one call of [`metadata_freed`](Self::metadata_freed) follows, sooner or later.
    fn metadata_wanted(&self) -> bool;

    /// One frame of metadata has gone back to the global allocator.
    fn metadata_freed(&self);

    /// Charges `frames` frames to `domain`, as if they were part of its memory.
    ///
    /// # Errors
    /// The domain would exceed its maximum, or is dying; nothing is charged.
    fn charge(&self, domain: DomainId, frames: u32) -> Result<(), ChargeRefused>;

    /// Takes back a charge of `frames` frames; never more than was charged.
    fn uncharge(&self, domain: DomainId, frames: u32);

    /// `record` is going to be used soon. A hint: it may be ignored, and costs an instruction. Unlike
    /// all other calls this one is made with a lock held.
    #[inline(always)]
    fn prefetch<T>(&self, record: &T) {
        let _ = record;
    }

    /// Hears of each page that was evicted. For tests; a hypervisor keeps the empty default.
    fn page_evicted(&self, page: EvictedPage) {
        let _ = page;
    }

    /// Hears of each engine lock that is taken (`true`) or released (`false`) by this thread. For
    /// tests, which fail a host call that is made with a lock held.
    fn lock_held(&self, taken: bool) {
        let _ = taken;
    }
}

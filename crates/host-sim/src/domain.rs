//! One simulated domain: its frames, what they are good for, its account, its life.

use crate::content::Content;
use crate::memory::{Memory, PageBytes, Reading, Writing};
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tmem_service::{BadFrame, Gfn};

/// What a guest's frame may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GfnKind {
    /// Plain memory: may be read and written.
    Normal = 0,
    /// May be put from, but not got into: a page table, for instance.
    ReadOnly = 1,
    /// Nothing of the domain's that can be accessed.
    Bad = 2,
}

/// The domain's memory against its maximum, in frames.
struct Account {
    nr_own: u32,
    nr_charged: u32,
    nr_max: u32,
}

/// A domain of a [`crate::SimHost`].
pub struct SimDomain {
    memory: Memory,
    kinds: Box<[AtomicU8]>,
    account: Mutex<Account>,
    is_dying: AtomicBool,
}

impl SimDomain {
    /// A domain that can name the frames 0 to `nr_gfns - 1`, all plain memory, and whose own
    /// memory counts `nr_own` frames of at most `nr_max`.
    pub(crate) fn new(nr_gfns: usize, nr_own: u32, nr_max: u32) -> Self {
        Self {
            memory: Memory::new(nr_gfns),
            kinds: (0..nr_gfns).map(|_| AtomicU8::new(GfnKind::Normal as u8)).collect(),
            account: Mutex::new(Account { nr_own, nr_charged: 0, nr_max }),
            is_dying: AtomicBool::new(false),
        }
    }

    /// Changes what frame `gfn` is good for.
    pub fn set_kind(&self, gfn: u64, kind: GfnKind) {
        self.kinds[Self::index(gfn)].store(kind as u8, Ordering::Release);
    }

    /// The guest writes its own frame.
    pub fn fill(&self, gfn: u64, content: Content) {
        content.write(&mut self.memory.write(Self::index(gfn)));
    }

    /// The guest looks at its own frame; `None` for no known content, or no such frame.
    pub fn content(&self, gfn: u64) -> Option<Content> {
        let (index, _) = self.kind(Gfn(gfn))?;
        Content::recognise(&self.memory.read(index))
    }

    /// The bytes of the guest's own frame.
    pub fn bytes(&self, gfn: u64) -> PageBytes {
        *self.memory.read(Self::index(gfn))
    }

    /// Whether `gfn` can be put from.
    pub fn is_readable(&self, gfn: u64) -> bool {
        matches!(self.kind(Gfn(gfn)), Some((_, GfnKind::Normal | GfnKind::ReadOnly)))
    }

    /// Whether `gfn` can be got into.
    pub fn is_writable(&self, gfn: u64) -> bool {
        matches!(self.kind(Gfn(gfn)), Some((_, GfnKind::Normal)))
    }

    /// The domain balloons: sets the frames of its own memory.
    pub fn set_own_frames(&self, nr_own: u32) {
        self.account().nr_own = nr_own;
    }

    /// Frames that tmem has charged.
    pub fn nr_charged(&self) -> u32 {
        self.account().nr_charged
    }

    /// Whether its destruction has begun.
    pub fn is_dying(&self) -> bool {
        self.is_dying.load(Ordering::Acquire)
    }

    /// Begins its destruction; there is no way back.
    pub(crate) fn kill(&self) {
        self.is_dying.store(true, Ordering::Release);
    }

    /// Frame `gfn`, to be put from.
    pub(crate) fn source(&self, gfn: Gfn) -> Result<Reading<'_>, BadFrame> {
        match self.kind(gfn) {
            Some((index, GfnKind::Normal | GfnKind::ReadOnly)) => Ok(self.memory.read(index)),
            Some((_, GfnKind::Bad)) | None => Err(BadFrame),
        }
    }

    /// Frame `gfn`, to be got into.
    pub(crate) fn target(&self, gfn: Gfn) -> Result<Writing<'_>, BadFrame> {
        match self.kind(gfn) {
            Some((index, GfnKind::Normal)) => Ok(self.memory.write(index)),
            Some((_, GfnKind::ReadOnly | GfnKind::Bad)) | None => Err(BadFrame),
        }
    }

    /// Charges frames; false if the maximum would be exceeded or the domain is dying.
    pub(crate) fn charge(&self, nr_frames: u32) -> bool {
        let mut account = self.account();
        let sum = account.nr_own.checked_add(account.nr_charged);
        let sum = sum.and_then(|sum| sum.checked_add(nr_frames));
        let fits = !self.is_dying() && sum.is_some_and(|sum| sum <= account.nr_max);
        if fits {
            account.nr_charged += nr_frames;
        }
        fits
    }

    /// # Panics
    /// If more is given back than was charged.
    pub(crate) fn uncharge(&self, nr_frames: u32) {
        let mut account = self.account();
        let rest = account.nr_charged.checked_sub(nr_frames);
        account.nr_charged = rest.expect("no more is uncharged than was charged");
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kind(&self, gfn: Gfn) -> Option<(usize, GfnKind)> {
        let index = usize::try_from(gfn.0).ok()?;
        let kind = match self.kinds.get(index)?.load(Ordering::Acquire) {
            0 => GfnKind::Normal,
            1 => GfnKind::ReadOnly,
            _ => GfnKind::Bad,
        };
        Some((index, kind))
    }

    /// For the test's own use of a frame; a wrong number is the test's mistake.
    fn index(gfn: u64) -> usize {
        usize::try_from(gfn).expect("a simulated guest is small")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_memory_and_charges_share_the_maximum() {
        let domain = SimDomain::new(1, 6, 8);
        assert!(domain.charge(2) && !domain.charge(1));
        domain.uncharge(1);
        assert!(domain.charge(1));
        domain.set_own_frames(0);
        assert!(domain.charge(6) && !domain.charge(u32::MAX));
        domain.kill();
        domain.set_own_frames(0);
        assert!(!domain.charge(0), "a dying domain is charged nothing");
    }

    #[test]
    fn a_read_only_frame_is_a_source_and_no_target() {
        let domain = SimDomain::new(2, 0, 0);
        domain.set_kind(0, GfnKind::ReadOnly);
        domain.set_kind(1, GfnKind::Bad);
        assert!(domain.source(Gfn(0)).is_ok() && domain.target(Gfn(0)).is_err());
        assert!(domain.source(Gfn(1)).is_err() && domain.target(Gfn(1)).is_err());
        assert!(domain.source(Gfn(2)).is_err() && domain.source(Gfn(u64::MAX)).is_err());
    }
}

//! The traits of the engine and the service, served by a [`LeanHost`].

use super::{Cpu, LeanHost};
use crate::memory::copy_page_words;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use tmem_engine::{ChargeRefused, DomainId, Frame, FrameId, Host, Lru};
use tmem_service::{BadFrame, Domains, Gfn, GuestPages};

/// Adds one to a word that only this CPU writes: no locked instruction is needed.
fn count(word: &AtomicU64) {
    word.store(word.load(Relaxed) + 1, Relaxed);
}

impl LeanHost {
    #[cold]
    #[inline(never)]
    fn refill_and_take(&self, cpu: &Cpu) -> Option<Frame> {
        cpu.kept.refill(&self.free);
        cpu.kept.pop()
    }

    /// The page of a frame. A frame's number is one more than its place.
    fn frame_words(&self, frame: FrameId) -> Option<&crate::memory::PageWords> {
        self.frames.words(frame.get() as usize - 1)
    }
}

impl Host for LeanHost {
    type Policy = Lru;

    const REPORTS_EVICTIONS: bool = false;

    fn take_frame(&self) -> Option<Frame> {
        let cpu = self.cpu()?;
        cpu.kept.pop().or_else(|| self.refill_and_take(cpu))
    }

    fn take_spare(&self) -> Option<Frame> {
        self.cpu()?.kept.pop_spare()
    }

    fn give_frame(&self, frame: Frame) {
        let Some(cpu) = self.cpu() else { return };
        if let Err(frame) = cpu.kept.push(frame) {
            self.free.give(frame);
        }
    }

    fn give_room(&self, frame: Frame) {
        self.free.give(frame);
    }

    fn metadata_wanted(&self) -> bool {
        self.cpu().inspect(|cpu| count(&cpu.metadata.nr_granted)).is_some()
    }

    fn metadata_freed(&self) {
        self.cpu().inspect(|cpu| count(&cpu.metadata.nr_freed));
    }

    fn charge(&self, domain: DomainId, frames: u32) -> Result<(), ChargeRefused> {
        let account = self.account(domain).ok_or(ChargeRefused)?;
        account.nr_charged.fetch_add(u64::from(frames), Relaxed);
        Ok(())
    }

    fn uncharge(&self, domain: DomainId, frames: u32) {
        if let Some(account) = self.account(domain) {
            account.nr_charged.fetch_sub(u64::from(frames), Relaxed);
        }
    }
}

impl GuestPages for LeanHost {
    fn copy_in(&self, domain: DomainId, from: Gfn, to: FrameId) -> Result<(), BadFrame> {
        let from = self.guest_page(domain, from.0).ok_or(BadFrame)?;
        copy_page_words(self.frame_words(to).ok_or(BadFrame)?, from);
        Ok(())
    }

    fn copy_out(&self, domain: DomainId, from: FrameId, to: Gfn) -> Result<(), BadFrame> {
        let to = self.guest_page(domain, to.0).ok_or(BadFrame)?;
        copy_page_words(to, self.frame_words(from).ok_or(BadFrame)?);
        Ok(())
    }
}

impl Domains for LeanHost {
    fn is_dying(&self, domain: DomainId) -> bool {
        self.account(domain).is_none_or(|account| account.is_dying.load(Relaxed))
    }
}

//! The traits of the engine and the service, served by a [`LeanHost`].

use super::{Cpu, LeanHost};
use crate::memory::{copy_page_words, prefetch};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tmem_engine::{ChargeRefused, DomainId, Frame, FrameId, Host, Lru};
use tmem_service::{BadFrame, Domains, Gfn, GuestPages, Holdings, Latencies};

/// Adds one to a word that only this CPU writes: no locked instruction is needed.
fn count(word: &AtomicU64) {
    word.store(word.load(Relaxed) + 1, Relaxed);
}

fn lock(occupied: &Mutex<Vec<u32>>) -> MutexGuard<'_, Vec<u32>> {
    occupied.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LeanHost {
    #[cold]
    #[inline(never)]
    fn refill_and_take(&self, cpu: &Cpu) -> Option<Frame> {
        cpu.kept.refill(&self.free);
        cpu.kept.pop()
    }

    /// The page of a frame. A frame's number is one more than its place.
    pub(super) fn frame_words(&self, frame: FrameId) -> Option<&crate::memory::PageWords> {
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
            cpu.kept.spill(&self.free);
            // There is room now.
            if let Err(frame) = cpu.kept.push(frame) {
                self.free.give(frame);
            }
        }
    }

    fn give_room(&self, frame: Frame) {
        self.free.give(frame);
    }

    #[inline(always)]
    fn prefetch<T>(&self, record: &T) {
        prefetch(record);
    }

    fn metadata_wanted(&self) -> bool {
        if let Some(occupied) = &self.metadata_frames {
            let Some(frame) = self.take_frame() else { return false };
            lock(occupied).push(frame.into_id().get());
        }
        self.cpu().inspect(|cpu| count(&cpu.metadata.nr_granted)).is_some()
    }

    fn metadata_freed(&self) {
        if let Some(occupied) = &self.metadata_frames
            && let Some(id) = lock(occupied).pop().and_then(FrameId::new)
        {
            self.free.give(Frame::from_id(id));
        }
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
    #[inline(always)]
    fn copy_in(&self, domain: DomainId, from: Gfn, to: FrameId) -> Result<(), BadFrame> {
        let from = self.guest_page(domain, from.0).ok_or(BadFrame)?;
        copy_page_words(self.frame_words(to).ok_or(BadFrame)?, from);
        Ok(())
    }

    #[inline(always)]
    fn copy_out(&self, domain: DomainId, from: FrameId, to: Gfn) -> Result<(), BadFrame> {
        let to = self.guest_page(domain, to.0).ok_or(BadFrame)?;
        copy_page_words(to, self.frame_words(from).ok_or(BadFrame)?);
        Ok(())
    }
}

impl Domains for LeanHost {
    fn is_dying(&self, domain: DomainId) -> bool {
        !self.living[usize::from(domain.0)].load(Relaxed)
    }
}

impl Holdings for LeanHost {
    fn held_frames(&self) -> u64 {
        (self.nr_frames() - self.free.len()) as u64 + self.nr_metadata()
    }

    fn ready_frames(&self) -> u64 {
        self.cpus.iter().map(|cpu| cpu.kept.len() as u64).sum()
    }
}

/// None.
impl Latencies for LeanHost {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_frames_asked_for_are_handed_out_and_the_spare_beside_them() {
        let host = LeanHost::new(70, 1, 1).expect("a small host");
        let frames: Vec<Frame> = core::iter::from_fn(|| host.take_frame()).collect();
        assert_eq!(frames.len(), 70);
        let spare = host.take_spare().expect("the spare");
        assert!(host.take_spare().is_none() && host.nr_frames_free() == 0);
        host.give_frame(spare);
        frames.into_iter().for_each(|frame| host.give_frame(frame));
        assert_eq!(host.nr_frames_free(), 71);
        assert!(host.take_spare().is_some());
    }

    #[test]
    fn a_page_is_copied_in_and_out_again() {
        let host = LeanHost::new(1, 1, 2).expect("a small host");
        let (one, two) = (DomainId(0), DomainId(1));
        let word = |domain, gfn| &host.guest_page(domain, gfn).expect("a page")[511];
        word(one, 3).store(42, Relaxed);
        let frame = host.take_frame().expect("the frame");
        assert_eq!(host.copy_in(one, Gfn(3), frame.id()), Ok(()));
        assert_eq!(host.copy_out(two, frame.id(), Gfn(255)), Ok(()));
        assert_eq!(word(two, 255).load(Relaxed), 42);
        assert_eq!(host.copy_out(two, frame.id(), Gfn(256)), Err(BadFrame));
        assert_eq!(host.copy_in(DomainId(2), Gfn(0), frame.id()), Err(BadFrame));
        host.give_frame(frame);
    }

    #[test]
    fn metadata_may_take_its_room_from_the_frames() {
        let host = LeanHost::new(2, 1, 1).expect("a small host").with_metadata_in_frames();
        assert!(host.metadata_wanted() && host.metadata_wanted() && !host.metadata_wanted());
        assert_eq!((host.nr_metadata(), host.nr_frames_free()), (2, 1));
        host.metadata_freed();
        assert_eq!(host.nr_metadata(), 1);
        let frame = host.take_frame().expect("the room that metadata left");
        assert!(!host.metadata_wanted());
        host.give_frame(frame);
    }

    #[test]
    fn charges_and_death_are_a_domains_own() {
        let host = LeanHost::new(1, 1, 2).expect("a small host");
        assert_eq!(host.charge(DomainId(1), 3), Ok(()));
        host.uncharge(DomainId(1), 1);
        assert_eq!(
            (host.nr_charged(DomainId(0)), host.nr_charged(DomainId(1))),
            (Some(0), Some(2))
        );
        assert_eq!(host.charge(DomainId(2), 1), Err(ChargeRefused));
        host.kill_domain(DomainId(1));
        assert!(!host.is_dying(DomainId(0)) && host.is_dying(DomainId(1)));
        assert!(host.is_dying(DomainId(2)));
    }
}

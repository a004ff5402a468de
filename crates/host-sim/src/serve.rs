//! The traits of the engine and the service, served by a [`SimHost`].

use crate::cpu::current_cpu;
use crate::faults::Fault;
use crate::hooks::Direction;
use crate::host::SimHost;
use crate::locks;
use crate::memory::copy_page;
use core::sync::atomic::Ordering;
use hypercall_abi::PAGE_SIZE_BYTES;
use hypercall_abi::control::{Histogram, Timed};
use std::sync::PoisonError;
use tmem_engine::{ChargeRefused, DomainId, EvictedPage, Frame, FrameId, Host, Lru};
use tmem_service::{BadFrame, Domains, Gfn, GuestPages, Holdings, Latencies};

/// Where a hook divides a copy.
const HALF: usize = PAGE_SIZE_BYTES / 2;

impl SimHost {
    /// Counts one more frame of metadata if there is room for it.
    fn grant_metadata(&self) -> bool {
        if self.is_metadata_in_frames && !self.frames.take_for_metadata() {
            return false;
        }
        let nr_max = self.nr_metadata_max.load(Ordering::Relaxed);
        let counted = self
            .nr_metadata
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |nr| (nr < nr_max).then(|| nr + 1));
        if counted.is_err() && self.is_metadata_in_frames {
            self.frames.give_from_metadata();
        }
        counted.is_ok()
    }
}

impl Host for SimHost {
    type Policy = Lru;

    fn take_frame(&self) -> Option<Frame> {
        locks::assert_none_held("take_frame");
        if self.faults.strikes(Fault::Frame) {
            return None;
        }
        let frame = self.frames.take();
        if frame.is_none() {
            self.faults.count_refusal(Fault::Frame);
        }
        frame
    }

    fn take_spare(&self) -> Option<Frame> {
        locks::assert_none_held("take_spare");
        if self.faults.strikes(Fault::Spare) {
            return None;
        }
        let frame = self.frames.take_spare(current_cpu());
        if frame.is_none() {
            self.faults.count_refusal(Fault::Spare);
        }
        frame
    }

    fn give_frame(&self, frame: Frame) {
        locks::assert_none_held("give_frame");
        if let Some(hook) = self.hooks.count_free() {
            hook();
        }
        self.frames.give(frame, current_cpu());
    }

    fn give_room(&self, frame: Frame) {
        locks::assert_none_held("give_room");
        self.frames.give_room(frame);
    }

    fn metadata_wanted(&self) -> bool {
        locks::assert_none_held("metadata_wanted");
        if self.faults.strikes(Fault::Metadata) {
            return false;
        }
        let granted = self.grant_metadata();
        if !granted {
            self.faults.count_refusal(Fault::Metadata);
        }
        granted
    }

    fn metadata_freed(&self) {
        locks::assert_none_held("metadata_freed");
        let before = self.nr_metadata.fetch_sub(1, Ordering::Relaxed);
        assert!(before > 0, "more metadata is freed than was granted");
        if self.is_metadata_in_frames {
            self.frames.give_from_metadata();
        }
    }

    fn charge(&self, domain: DomainId, frames: u32) -> Result<(), ChargeRefused> {
        locks::assert_none_held("charge");
        if self.faults.strikes(Fault::Charge) {
            return Err(ChargeRefused);
        }
        if self.find(domain).is_some_and(|domain| domain.charge(frames)) {
            return Ok(());
        }
        self.faults.count_refusal(Fault::Charge);
        Err(ChargeRefused)
    }

    fn uncharge(&self, domain: DomainId, frames: u32) {
        locks::assert_none_held("uncharge");
        self.domain(domain).uncharge(frames);
    }

    fn page_evicted(&self, page: EvictedPage) {
        locks::assert_none_held("page_evicted");
        self.evicted.lock().unwrap_or_else(PoisonError::into_inner).push(page);
    }

    fn lock_held(&self, taken: bool) {
        locks::count(taken);
    }
}

impl GuestPages for SimHost {
    fn copy_in(&self, domain: DomainId, from: Gfn, to: FrameId) -> Result<(), BadFrame> {
        locks::assert_none_held("copy_in");
        let mut to = self.frames.write(to);
        if self.faults.strikes(Fault::CopyIn) {
            return Err(self.refuse_copy(Direction::In));
        }
        let domain = self.find(domain);
        let source = || domain.as_ref().and_then(|domain| domain.source(from).ok());
        let Some(from) = source() else {
            self.faults.count_refusal(Fault::CopyIn);
            return Err(self.refuse_copy(Direction::In));
        };
        let Some(hook) = self.hooks.take(Direction::In) else {
            copy_page(&mut to, &from);
            return Ok(());
        };
        to[..HALF].copy_from_slice(&from[..HALF]);
        // The guest's own CPUs go on: its frame is free for them between the halves, ours is not.
        drop(from);
        hook();
        let from = source().ok_or(BadFrame)?;
        to[HALF..].copy_from_slice(&from[HALF..]);
        Ok(())
    }

    fn copy_out(&self, domain: DomainId, from: FrameId, to: Gfn) -> Result<(), BadFrame> {
        locks::assert_none_held("copy_out");
        let from = self.frames.read(from);
        if self.faults.strikes(Fault::CopyOut) {
            return Err(self.refuse_copy(Direction::Out));
        }
        let domain = self.find(domain);
        let target = || domain.as_ref().and_then(|domain| domain.target(to).ok());
        let Some(mut to) = target() else {
            self.faults.count_refusal(Fault::CopyOut);
            return Err(self.refuse_copy(Direction::Out));
        };
        let Some(hook) = self.hooks.take(Direction::Out) else {
            copy_page(&mut to, &from);
            return Ok(());
        };
        to[..HALF].copy_from_slice(&from[..HALF]);
        drop(to);
        hook();
        let mut to = target().ok_or(BadFrame)?;
        to[HALF..].copy_from_slice(&from[HALF..]);
        Ok(())
    }
}

impl Domains for SimHost {
    fn is_dying(&self, domain: DomainId) -> bool {
        self.find(domain).is_none_or(|domain| domain.is_dying())
    }
}

impl Holdings for SimHost {
    fn held_frames(&self) -> u64 {
        let (out, spares) = self.frames.nr_held();
        (out + spares) as u64 + self.nr_metadata()
    }

    fn ready_frames(&self) -> u64 {
        self.frames.nr_held().1 as u64
    }
}

/// As a test has set them: nothing is measured.
impl Latencies for SimHost {
    fn set_measuring(&self, on: bool) {
        self.latencies.set_measuring(on);
    }

    fn is_measuring(&self) -> bool {
        self.latencies.is_measuring()
    }

    fn latencies(&self, of: Timed) -> Histogram {
        locks::assert_none_held("latencies");
        self.latencies.get(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::DomainSpec;
    use crate::content::Content;

    #[test]
    #[should_panic(expected = "take_frame is called with 1 engine locks held")]
    fn r70_p30_a_host_call_with_a_lock_held_fails_the_test() {
        let host = SimHost::builder().build();
        host.lock_held(true);
        let _frame = host.take_frame();
    }

    #[test]
    #[should_panic(expected = "a lock is released that was not taken")]
    fn p53_releasing_a_lock_that_is_not_held_fails_the_test() {
        SimHost::builder().build().lock_held(false);
    }

    #[test]
    fn a_hook_runs_in_the_middle_of_one_copy() {
        let host = SimHost::builder().domain(DomainSpec::new(1)).build();
        let (id, domain) = (DomainId(1), host.domain(DomainId(1)));
        domain.fill(0, Content::Unique(1));
        let frame = host.take_frame().expect("a frame");
        let meanwhile = std::sync::Arc::clone(&domain);
        host.on_next_copy(Direction::In, move || meanwhile.fill(0, Content::Unique(2)));
        assert_eq!(host.copy_in(id, Gfn(0), frame.id()), Ok(()));
        assert_eq!(Content::recognise(&host.frames.read(frame.id())), None, "half of each");
        assert_eq!(host.copy_in(id, Gfn(0), frame.id()), Ok(()));
        assert_eq!(host.copy_out(id, frame.id(), Gfn(1)), Ok(()));
        assert_eq!(domain.content(1), Some(Content::Unique(2)));
        host.give_frame(frame);
        host.assert_nothing_leaked(0);
    }

    #[test]
    fn a_hook_runs_before_the_nth_free() {
        let host = SimHost::builder().frames(3).build();
        let frames: Vec<_> = (0..3).filter_map(|_| host.take_frame()).collect();
        let has_run = std::sync::Arc::new(core::sync::atomic::AtomicBool::new(false));
        let seen = std::sync::Arc::clone(&has_run);
        host.on_nth_free(2, move || seen.store(true, Ordering::Relaxed));
        for (number, frame) in (1..).zip(frames) {
            host.give_frame(frame);
            assert_eq!(has_run.load(Ordering::Relaxed), number >= 2);
        }
        host.assert_nothing_leaked(0);
    }

    #[test]
    fn metadata_may_share_the_frames_with_pages() {
        let host = SimHost::builder().frames(2).metadata_in_frames().build();
        let frame = host.take_frame().expect("a frame");
        assert!(host.metadata_wanted() && !host.metadata_wanted());
        assert_eq!(host.take_frame(), None);
        host.give_room(frame);
        assert!(host.metadata_wanted());
        assert_eq!(host.refusals().of(Fault::Metadata), 1);
        (0..2).for_each(|_| host.metadata_freed());
        host.assert_nothing_leaked(0);
    }
}

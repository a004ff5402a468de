//! A call made, watched, and put before the model.

use super::{Step, World};
use crate::SimService;
use crate::model::{FREED_PER_SLICE_MAX, Seen, Verdict};
use core::sync::atomic::Ordering;
use hypercall_abi::Op;
use std::sync::Arc;
use tmem_host_sim::{Content, Fault, SimHost};
use tmem_service::{Clients, DomainId, Outcome, Totals};

impl World {
    /// One slice of any call, which `call` makes.
    pub(super) fn slice_by(
        &mut self,
        domain: u16,
        op: Op,
        content: Content,
        call: impl FnOnce(&SimService, DomainId) -> Outcome,
    ) -> Outcome {
        let caller = DomainId(domain);
        let before = match op {
            Op::GetPage { cmfn, .. } => self.host().domain(caller).content(cmfn),
            _ => None,
        };
        let service = Arc::clone(&self.service);
        let (outcome, mut seen) = self.watch_call(|| call(&service, caller));
        if let Op::GetPage { cmfn, .. } = op {
            seen.content = self.host().domain(caller).content(cmfn);
        }
        self.trace.note(Step::Call(caller, op, content, outcome));
        let verdict = self.note_caller(caller, &seen);
        let verdict = verdict.and_then(|()| self.judge(caller, op, content, before, &seen));
        self.require(verdict);
        outcome
    }

    fn watch_call(&mut self, call: impl FnOnce() -> Outcome) -> (Outcome, Seen) {
        let (outcome, mut seen) = self.watch(call);
        if let Outcome::Done(status) = outcome {
            seen.answer = Some(status.encode());
        }
        let nr_freed = seen.nr_freed;
        assert!(nr_freed <= FREED_PER_SLICE_MAX, "one slice freed {nr_freed} frames");
        (outcome, seen)
    }

    /// Makes a call and gathers what the host saw of it; the answer is not known yet.
    pub(super) fn watch<T>(&mut self, call: impl FnOnce() -> T) -> (T, Seen) {
        let host = self.host();
        drop(host.take_evicted());
        let (refused_before, frames_before) = (host.refusals(), host.nr_frames_out());
        let result = call();
        let nr_freed = frames_before.saturating_sub(host.nr_frames_out());
        assert_eq!(SimHost::nr_locks_held(), 0, "a call ended with a lock held");
        let refusals = host.refusals().since(&refused_before);
        let evicted = host.take_evicted();
        let seen = Seen { answer: None, content: None, evicted, refusals, nr_freed };
        self.model.note_refusals(&seen);
        (result, seen)
    }

    fn note_caller(&mut self, caller: DomainId, seen: &Seen) -> Verdict {
        if self.model.is_client(caller) || self.host().domain(caller).is_dying() {
            return Ok(());
        }
        // Thawing a new client changes nothing and tells whether it is one.
        let is_client = self.service.set_frozen(Clients::One(caller), false).is_ok();
        self.model.note_caller(caller, is_client, seen)
    }

    fn judge(
        &mut self,
        caller: DomainId,
        op: Op,
        content: Content,
        before: Option<Content>,
        seen: &Seen,
    ) -> Verdict {
        let domain = self.host().domain(caller);
        match op {
            Op::PutPage { handle, cmfn } => {
                let is_bad = !domain.is_readable(cmfn) || seen.refused(Fault::CopyIn);
                self.model.put(caller, handle, content, is_bad, seen)
            }
            Op::GetPage { handle, cmfn } => {
                let is_bad = !domain.is_writable(cmfn) || seen.refused(Fault::CopyOut);
                self.model.get(caller, handle, before, is_bad, seen)
            }
            Op::FlushPage { handle } => self.model.flush(caller, handle, seen),
            Op::FlushObject { pool_id, object } => {
                self.model.flush_object(caller, pool_id, object, seen)
            }
            Op::NewPool(args) => self.model.new_pool(caller, args, seen),
            Op::DestroyPool { pool_id } => self.model.destroy(caller, pool_id, seen),
        }
    }

    /// A call by a command number that is none of the live ones, which `call` makes.
    pub(super) fn command_by(
        &mut self,
        domain: u16,
        command: u32,
        pool_id: u32,
        call: impl FnOnce(&SimService, DomainId) -> Outcome,
    ) -> i64 {
        let (service, caller) = (Arc::clone(&self.service), DomainId(domain));
        let (outcome, seen) = self.watch_call(|| call(&service, caller));
        self.trace.note(Step::Other(format!(
            "d{domain} command {command} on {pool_id:#x} -> {outcome:?}"
        )));
        let is_control = matches!(command, 0 | 101 | 102);
        let verdict = if is_control { Ok(()) } else { self.note_caller(caller, &seen) };
        let verdict = verdict.and_then(|()| self.model.command(caller, command, pool_id, &seen));
        self.require(verdict);
        seen.answer.expect("the model has judged that there is one")
    }

    /// Has the service check itself, and compares its totals with the model's.
    ///
    /// # Panics
    /// If the service finds a disagreement in itself, or with the model.
    pub fn audit(&mut self) -> Totals {
        let totals = match self.service.audit() {
            Ok(totals) => totals,
            Err(error) => self.fail(&format!("the audit found {error:?}")),
        };
        let verdict = self.model.compare(&totals, self.host());
        self.require(verdict);
        totals
    }

    /// Checks a fact of the test's own; a failure prints the calls that led to it.
    ///
    /// # Panics
    /// If the fact is none.
    pub fn require(&self, verdict: Verdict) {
        if let Err(complaint) = verdict {
            self.fail(&complaint);
        }
    }

    #[expect(clippy::panic, reason = "this is how a test fails")]
    fn fail(&self, complaint: &str) -> ! {
        self.has_told.store(true, Ordering::Relaxed);
        panic!("{complaint}\nafter{}", self.trace);
    }
}

pub(super) fn agree(what: &str, seen: bool, expected: bool) -> Verdict {
    if seen == expected { Ok(()) } else { Err(format!("{what}: {seen}, expected {expected}")) }
}

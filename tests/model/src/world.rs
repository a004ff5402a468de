//! A service and the model in step: each call goes to both, and the first disagreement fails the
//! test with the calls that led to it.
//!
//! At the end of its life a world destroys all domains and checks that nothing has leaked.

use crate::SimService;
use crate::answer;
use crate::guest::{Guest, one_slice};
use crate::model::{FREED_PER_SLICE_MAX, Model, Seen, Verdict};
use core::fmt;
use hypercall_abi::{Handle, NewPool, OP_BYTES_64, ObjectId, Op, Uuid};
use std::collections::VecDeque;
use std::sync::Arc;
use tmem_host_sim::{Builder, Content, DomainSpec, Fault, GfnKind, SimHost};
use tmem_service::{Clients, DomainId, Outcome, Progress, Service, Totals};

/// The frame that a test's guest puts from.
pub const SOURCE_GFN: u64 = 0;
/// The frame that a test's guest gets into.
pub const TARGET_GFN: u64 = 1;
/// A frame that can be put from, but not got into.
pub const READ_ONLY_GFN: u64 = 2;
/// A frame that cannot be used at all.
pub const BAD_GFN: u64 = 3;

/// What the target of a get holds before: a miss must leave it so.
const UNTOUCHED: Content = Content::Same(0xee);
/// Calls that a failure prints.
const TRACE_LEN: usize = 40;

/// A step that the trace of a failure shows.
enum Step {
    Call(DomainId, Op, Content, Outcome),
    /// Anything else, in words.
    Other(String),
}

/// See the module's head.
pub struct World {
    service: Arc<SimService>,
    model: Model,
    trace: VecDeque<Step>,
    /// Frames of metadata that the service keeps with no client.
    nr_metadata_idle: u64,
}

impl World {
    /// A world on the host that `builder` describes.
    ///
    /// # Panics
    /// If the service does not start.
    pub fn new(builder: Builder) -> Self {
        let host = builder.build();
        for id in host.domain_ids() {
            Self::prepare(&host, id);
        }
        let service = Service::new(host, [1, 2, 3, 4]).ok().expect("the service starts");
        let nr_metadata_idle = service.platform().nr_metadata();
        let service = Arc::new(service);
        Self { service, model: Model::default(), trace: VecDeque::new(), nr_metadata_idle }
    }

    /// A world of the domains 1 to 4 without limits, on 1000 frames.
    pub fn roomy() -> Self {
        Self::new(SimHost::builder().domains(4))
    }

    /// A world of the domains 1 to 4, on `nr_frames` frames.
    pub fn with_frames(nr_frames: usize) -> Self {
        Self::new(SimHost::builder().frames(nr_frames).domains(4))
    }

    fn prepare(host: &SimHost, id: DomainId) {
        let domain = host.domain(id);
        domain.set_kind(READ_ONLY_GFN, GfnKind::ReadOnly);
        domain.set_kind(BAD_GFN, GfnKind::Bad);
    }

    /// The host below.
    pub fn host(&self) -> &SimHost {
        self.service.platform()
    }

    /// The service itself, for what the model does not follow.
    pub fn service(&self) -> &Arc<SimService> {
        &self.service
    }

    /// A guest that calls the service without the model's knowledge.
    pub fn guest(&self, domain: u16) -> Guest {
        Guest::new(&self.service, domain)
    }

    /// The model's view.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// PUT_PAGE of a page that holds `content`.
    pub fn put(&mut self, domain: u16, handle: Handle, content: Content) -> i64 {
        self.put_from(domain, handle, content, SOURCE_GFN)
    }

    /// PUT_PAGE from any frame; a frame that can be read holds `content`.
    pub fn put_from(&mut self, domain: u16, handle: Handle, content: Content, gfn: u64) -> i64 {
        let sim_domain = self.host().domain(DomainId(domain));
        if sim_domain.is_readable(gfn) {
            sim_domain.fill(gfn, content);
        }
        self.call_with(domain, Op::PutPage { handle, cmfn: gfn }, content)
    }

    /// GET_PAGE, and what a hit gave.
    pub fn get(&mut self, domain: u16, handle: Handle) -> (i64, Option<Content>) {
        self.host().domain(DomainId(domain)).fill(TARGET_GFN, UNTOUCHED);
        let answer = self.get_into(domain, handle, TARGET_GFN);
        let content = self.host().domain(DomainId(domain)).content(TARGET_GFN);
        (answer, content.filter(|_| answer == answer::SUCCESS))
    }

    /// GET_PAGE into any frame.
    pub fn get_into(&mut self, domain: u16, handle: Handle, gfn: u64) -> i64 {
        self.call(domain, Op::GetPage { handle, cmfn: gfn })
    }

    /// FLUSH_PAGE.
    pub fn flush(&mut self, domain: u16, handle: Handle) -> i64 {
        self.call(domain, Op::FlushPage { handle })
    }

    /// FLUSH_OBJECT.
    pub fn flush_object(&mut self, domain: u16, pool_id: u32, object: u64) -> i64 {
        self.call(domain, Op::FlushObject { pool_id, object: ObjectId([object, 0, 0]) })
    }

    /// NEW_POOL.
    pub fn new_pool(&mut self, domain: u16, flags: u32, uuid: u64) -> i64 {
        self.call(domain, Op::NewPool(NewPool { flags, uuid: Uuid([uuid, 0]) }))
    }

    /// DESTROY_POOL.
    pub fn destroy(&mut self, domain: u16, pool_id: u32) -> i64 {
        self.call(domain, Op::DestroyPool { pool_id })
    }

    /// Any call but a put, to its end.
    pub fn call(&mut self, domain: u16, op: Op) -> i64 {
        self.call_with(domain, op, Content::ZERO)
    }

    fn call_with(&mut self, domain: u16, op: Op, content: Content) -> i64 {
        loop {
            if let Outcome::Done(status) = self.slice(domain, op, content) {
                return status.encode();
            }
        }
    }

    /// One slice of any call. `content`: for a put, what the source frame holds.
    pub fn slice(&mut self, domain: u16, op: Op, content: Content) -> Outcome {
        let caller = DomainId(domain);
        let before = match op {
            Op::GetPage { cmfn, .. } => self.host().domain(caller).content(cmfn),
            _ => None,
        };
        let service = Arc::clone(&self.service);
        let mut seen = self.watch(|| one_slice(&service, caller, op));
        if let Op::GetPage { cmfn, .. } = op {
            seen.content = self.host().domain(caller).content(cmfn);
        }
        self.note(Step::Call(caller, op, content, seen.outcome));
        let verdict = self.note_caller(caller, &seen);
        let verdict = verdict.and_then(|()| self.judge(caller, op, content, before, &seen));
        self.require(verdict);
        seen.outcome
    }

    /// Makes a call and gathers what the host saw of it.
    fn watch(&self, call: impl FnOnce() -> Outcome) -> Seen {
        let host = self.host();
        drop(host.take_evicted());
        let (refused_before, frames_before) = (host.refusals(), host.nr_frames_out());
        let outcome = call();
        let nr_freed = frames_before.saturating_sub(host.nr_frames_out());
        assert!(nr_freed <= FREED_PER_SLICE_MAX, "one slice freed {nr_freed} frames");
        assert_eq!(SimHost::nr_locks_held(), 0, "a call ended with a lock held");
        let refusals = host.refusals().since(&refused_before);
        Seen { outcome, content: None, evicted: host.take_evicted(), refusals }
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

    /// A call by a command number that is none of the live ones, every other field all-ones.
    pub fn command(&mut self, domain: u16, command: u32, pool_id: u32) -> i64 {
        let mut block = [0xff; OP_BYTES_64];
        block[..4].copy_from_slice(&command.to_le_bytes());
        block[4..8].copy_from_slice(&pool_id.to_le_bytes());
        let (service, caller) = (Arc::clone(&self.service), DomainId(domain));
        let seen = self.watch(|| service.op(caller, &block));
        self.note(Step::Other(format!(
            "d{domain} command {command} on {pool_id:#x} -> {:?}",
            seen.outcome
        )));
        let is_control = matches!(command, 0 | 101 | 102);
        let verdict = if is_control { Ok(()) } else { self.note_caller(caller, &seen) };
        let verdict = verdict.and_then(|()| self.model.command(caller, command, pool_id, &seen));
        self.require(verdict);
        seen.answer().expect("the model has judged that there is one")
    }

    /// Freezes or thaws one domain; false: it is no client.
    pub fn set_frozen(&mut self, domain: u16, is_frozen: bool) -> bool {
        let known = self.service.set_frozen(Clients::One(DomainId(domain)), is_frozen).is_ok();
        self.note(Step::Other(format!("d{domain} frozen: {is_frozen} -> {known}")));
        let verdict = self.model.set_frozen(DomainId(domain), is_frozen, known);
        self.require(verdict);
        known
    }

    /// Freezes or thaws all clients.
    pub fn set_all_frozen(&mut self, is_frozen: bool) {
        let done = self.service.set_frozen(Clients::All, is_frozen).is_ok();
        self.note(Step::Other(format!("all frozen: {is_frozen} -> {done}")));
        self.model.set_all_frozen(is_frozen);
        self.require(agree("set_frozen of all", done, true));
    }

    /// Allows or forbids a domain the sharing of a pool; false: refused.
    pub fn set_auth(&mut self, domain: u16, uuid: Uuid, is_allowed: bool) -> bool {
        let refused_before = self.host().refusals();
        let done = self.service.set_auth(DomainId(domain), uuid, is_allowed).is_ok();
        self.note(Step::Other(format!("d{domain} auth {uuid:?}: {is_allowed} -> {done}")));
        let refused = self.host().refusals().since(&refused_before);
        if !done && refused.of(Fault::Metadata) > 0 {
            return false;
        }
        let expected = self.model.set_auth(DomainId(domain), uuid, is_allowed);
        self.require(agree("set_auth", done, expected));
        done
    }

    /// The host begins to destroy a domain.
    pub fn kill(&mut self, domain: u16) {
        self.note(Step::Other(format!("d{domain} dies")));
        self.host().kill_domain(DomainId(domain));
        self.model.kill(DomainId(domain));
    }

    /// One slice of a dying domain's destruction.
    pub fn destroy_domain_slice(&mut self, domain: u16) -> Progress {
        let frames_before = self.host().nr_frames_out();
        let progress = self.service.destroy_domain(DomainId(domain));
        self.note(Step::Other(format!("d{domain} destroyed: {progress:?}")));
        let nr_freed = frames_before.saturating_sub(self.host().nr_frames_out());
        assert!(nr_freed <= FREED_PER_SLICE_MAX, "one slice freed {nr_freed} frames");
        self.model.destroy_domain(DomainId(domain), progress);
        progress
    }

    /// A domain dies and is destroyed to the end; returns the slices that it took.
    pub fn destroy_domain(&mut self, domain: u16) -> usize {
        self.kill(domain);
        let mut nr_slices = 1;
        while self.destroy_domain_slice(domain) == Progress::More {
            nr_slices += 1;
        }
        let known = self.service.set_frozen(Clients::One(DomainId(domain)), false).is_ok();
        self.require(agree("a destroyed domain's being a client", known, false));
        nr_slices
    }

    /// A new domain gets the number of one that was destroyed.
    pub fn create_domain(&mut self, spec: DomainSpec) {
        self.note(Step::Other(format!("d{} is made anew", spec.id)));
        self.host().create_domain(spec);
        Self::prepare(self.host(), DomainId(spec.id));
        self.model.create_domain(DomainId(spec.id));
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

    fn note(&mut self, step: Step) {
        if self.trace.len() == TRACE_LEN {
            self.trace.pop_front();
        }
        self.trace.push_back(step);
    }

    #[expect(clippy::panic, reason = "this is how a test fails")]
    fn fail(&self, complaint: &str) -> ! {
        let trace: Vec<_> = self.trace.iter().map(ToString::to_string).collect();
        panic!("{complaint}\nafter\n  {}", trace.join("\n  "));
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(domain, op @ Op::PutPage { .. }, content, outcome) => {
                write!(f, "{domain:?} {op:x?} of {content:?} -> {outcome:?}")
            }
            Self::Call(domain, op, _, outcome) => write!(f, "{domain:?} {op:x?} -> {outcome:?}"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

fn agree(what: &str, seen: bool, expected: bool) -> Verdict {
    if seen == expected { Ok(()) } else { Err(format!("{what}: {seen}, expected {expected}")) }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        self.host().heal();
        for DomainId(domain) in self.host().domain_ids() {
            self.destroy_domain(domain);
        }
        let totals = self.audit();
        assert_eq!(totals.clients, 0, "a client is left");
        let nr_kept = self.nr_metadata_idle + totals.kept_frames;
        self.host().assert_nothing_leaked(nr_kept);
    }
}

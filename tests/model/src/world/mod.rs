//! A service and the model in step: each call goes to both, and the first disagreement fails the
//! test with the calls that led to it.
//!
//! At the end of its life a world destroys all domains and checks that nothing has leaked.

mod block;
mod judge;
mod save;
mod toolstack;
mod trace;

use crate::SimService;
use crate::answer;
use crate::guest::{Guest, one_slice};
use crate::model::Model;
pub use block::Block;
use core::sync::atomic::{AtomicBool, Ordering};
use hypercall_abi::{Handle, NewPool, OP_BYTES_64, ObjectId, Op, Uuid};
use std::collections::BTreeMap;
use std::sync::Arc;
use tmem_host_sim::{Builder, Content, GfnKind, SimHost};
use tmem_service::{DomainId, Outcome, Service};
use trace::{Step, Trace};

/// The frame that a test's guest puts from.
pub const SOURCE_GFN: u64 = 0;
/// The frame that a test's guest gets into.
pub const TARGET_GFN: u64 = 1;
/// A frame that can be put from, but not got into.
pub const READ_ONLY_GFN: u64 = 2;
/// A frame that cannot be used at all.
pub const BAD_GFN: u64 = 3;

/// Any key will do that looks random: digits of pi.
const HASH_KEY: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];

/// What the target of a get holds before: a miss must leave it so.
const UNTOUCHED: Content = Content::Same(0xee);

/// See the module's head.
pub struct World {
    service: Arc<SimService>,
    model: Model,
    trace: Trace,
    /// Where each save stands in each pool, as the toolstack keeps it.
    cursors: BTreeMap<(u16, u32), u64>,
    /// Calls made, so that the way in follows from the script alone.
    nr_calls: u32,
    /// Whether the calls that led to a failure have been shown.
    has_told: AtomicBool,
    /// Frames of metadata that the service keeps with no client.
    nr_metadata_idle: u64,
}

impl World {
    /// A world on the host that `builder` describes.
    ///
    /// # Panics
    /// If the service does not start.
    pub fn new(builder: Builder) -> Self {
        Self::with_hash_key(builder, HASH_KEY)
    }

    /// A world whose service hashes with `hash_key`.
    ///
    /// # Panics
    /// If the service does not start.
    pub fn with_hash_key(builder: Builder, hash_key: [u64; 4]) -> Self {
        let host = builder.build();
        for id in host.domain_ids() {
            Self::prepare(&host, id);
        }
        let service = Service::new(host, hash_key).expect("the service starts");
        let nr_metadata_idle = service.platform().nr_metadata();
        let service = Arc::new(service);
        Self {
            service,
            model: Model::default(),
            trace: Trace::default(),
            cursors: BTreeMap::new(),
            nr_calls: 0,
            has_told: AtomicBool::new(false),
            nr_metadata_idle,
        }
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
        self.fill_readable(domain, gfn, content);
        self.call_with(domain, Op::PutPage { handle, cmfn: gfn }, content)
    }

    fn fill_readable(&self, domain: u16, gfn: u64, content: Content) {
        let sim_domain = self.host().domain(DomainId(domain));
        if sim_domain.is_readable(gfn) {
            sim_domain.fill(gfn, content);
        }
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
        let turn = self.nr_calls;
        self.nr_calls = turn.wrapping_add(1);
        self.slice_by(domain, op, content, |service, caller| one_slice(service, caller, op, turn))
    }

    /// A call by a command number that is none of the live ones, every other field all-ones.
    pub fn command(&mut self, domain: u16, command: u32, pool_id: u32) -> i64 {
        let mut block = [0xff; OP_BYTES_64];
        block[..4].copy_from_slice(&command.to_le_bytes());
        block[4..8].copy_from_slice(&pool_id.to_le_bytes());
        self.command_by(domain, command, pool_id, |service, caller| service.op(caller, &block))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The engine or the host failed in the middle of a call.
            if !self.has_told.load(Ordering::Relaxed) && !self.trace.is_empty() {
                eprintln!("after{}", self.trace);
            }
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

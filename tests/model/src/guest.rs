//! A guest as the service sees it: blocks of bytes in, a number out.

use crate::SimService;
use crate::world::{SOURCE_GFN, TARGET_GFN};
use core::sync::atomic::{AtomicU32, Ordering};
use hypercall_abi::{Handle, NewPool, ObjectId, Op, PageIndex, Uuid};
use std::sync::Arc;
use tmem_host_sim::Content;
use tmem_service::{DomainId, Outcome, Progress};

/// The page `index` of the object named by a small number, in pool `pool_id`.
pub fn at(pool_id: u32, object: u64, index: u32) -> Handle {
    Handle { pool_id, object: ObjectId([object, 0, 0]), index: PageIndex(index) }
}

/// A domain that makes calls, each to its end, without a model: for threads and for hooks.
#[derive(Clone)]
pub struct Guest {
    service: Arc<SimService>,
    domain: DomainId,
    source_gfn: u64,
    target_gfn: u64,
}

impl Guest {
    /// The guest of `domain`, using the frames that tests use by default.
    pub fn new(service: &Arc<SimService>, domain: u16) -> Self {
        let service = Arc::clone(service);
        let domain = DomainId(domain);
        Self { service, domain, source_gfn: SOURCE_GFN, target_gfn: TARGET_GFN }
    }

    /// The same guest with frames of its own to copy from and to, for use by another thread.
    #[must_use]
    pub fn with_frames(&self, source_gfn: u64, target_gfn: u64) -> Self {
        Self { source_gfn, target_gfn, ..self.clone() }
    }

    /// Makes a call, slice by slice, until it is finished.
    pub fn call(&self, op: Op) -> i64 {
        run_to_end(&self.service, self.domain, op)
    }

    /// Makes one slice of a call.
    pub fn slice(&self, op: Op) -> Outcome {
        one_slice(&self.service, self.domain, op, next_turn())
    }

    /// NEW_POOL.
    pub fn new_pool(&self, flags: u32, uuid: u64) -> i64 {
        self.call(Op::NewPool(NewPool { flags, uuid: Uuid([uuid, 0]) }))
    }

    /// DESTROY_POOL.
    pub fn destroy(&self, pool_id: u32) -> i64 {
        self.call(Op::DestroyPool { pool_id })
    }

    /// PUT_PAGE of a page that holds `content`.
    pub fn put(&self, handle: Handle, content: Content) -> i64 {
        self.service.platform().domain(self.domain).fill(self.source_gfn, content);
        self.call(Op::PutPage { handle, cmfn: self.source_gfn })
    }

    /// GET_PAGE, and what the page then holds after a hit.
    ///
    /// # Panics
    /// If the hit's page holds no content that any test wrote.
    pub fn get(&self, handle: Handle) -> (i64, Option<Content>) {
        let answer = self.call(Op::GetPage { handle, cmfn: self.target_gfn });
        if answer != crate::answer::SUCCESS {
            return (answer, None);
        }
        let content = self.service.platform().domain(self.domain).content(self.target_gfn);
        assert!(content.is_some(), "a get of {handle:?} gave a torn or foreign page");
        (answer, content)
    }

    /// FLUSH_PAGE.
    pub fn flush(&self, handle: Handle) -> i64 {
        self.call(Op::FlushPage { handle })
    }

    /// FLUSH_OBJECT.
    pub fn flush_object(&self, pool_id: u32, object: u64) -> i64 {
        self.call(Op::FlushObject { pool_id, object: ObjectId([object, 0, 0]) })
    }
}

/// Spreads the calls that no world counts over the ways in.
fn next_turn() -> u32 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed)
}

/// Makes one slice of a call, by turns as a 64-bit caller, a 32-bit caller (where the frame number
/// fits) and decoded.
pub(crate) fn one_slice(service: &SimService, domain: DomainId, op: Op, turn: u32) -> Outcome {
    match (turn % 3, op.encode_compat()) {
        (0, _) => service.call(domain, op),
        (1, Ok(block)) => service.op_compat(domain, &block),
        (_, _) => service.op(domain, &op.encode()),
    }
}

/// Makes a call, slice by slice, until it is finished.
pub fn run_to_end(service: &SimService, domain: DomainId, op: Op) -> i64 {
    loop {
        if let Outcome::Done(status) = one_slice(service, domain, op, next_turn()) {
            return status.encode();
        }
    }
}

/// Kills a domain and destroys it to the end; returns the number of slices.
pub fn destroy_domain(service: &SimService, domain: u16) -> usize {
    let domain = DomainId(domain);
    service.platform().kill_domain(domain);
    let mut nr_slices = 1;
    while service.destroy_domain(domain) == Progress::More {
        nr_slices += 1;
    }
    nr_slices
}

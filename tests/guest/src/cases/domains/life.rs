//! A busy life, which ends at a random moment.

use super::busy::{self, Uuids};
use super::fill_pool;
use crate::fail;
use crate::plain::rng::Rng;
use crate::rig::{Kind, at};
use crate::toolstack::{Call, Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use crate::xen::clock::cycles;
use core::sync::atomic::Ordering;
use hypercall_abi::{Op, Uuid};

/// What the busy ones may join: a pool that the survivor owns, and one that is theirs alone.
pub(super) const UUIDS: Uuids = [Uuid([0xdead, 1]), Uuid([0xdead, 2])];
/// A pool that one of them owns and the survivor joins.
pub(super) const HANDED_ON: Uuid = Uuid([0xdead, 3]);

/// Calls after which a domain dies, at most.
const CALLS_MAX: u32 = 80;
/// Ticks that pass behind that, at most: the length of several calls.
const TICKS_MAX: u32 = 100_000;
/// Pages of a pool whose destruction takes long.
const BIG: u32 = 500;
/// Room of a busy domain for persistent pages.
const ROOM: u64 = 1000;

/// A busy domain of two vCPUs.
pub(in super::super) struct Life {
    pub(super) child: Child,
    /// A call that takes long: it empties or destroys a large pool.
    long: Option<Call>,
}

impl Life {
    /// A domain that may join the shared pools. One in eight has a large pool.
    pub(in super::super) fn begin(control: Control, rng: &mut Rng) -> CaseResult<Self> {
        let caller = Caller::USUAL.into_iter().cycle().nth(rng.below(3) as usize);
        let plan = Plan::new(caller.unwrap_or(Caller::Pv64), ROOM).with_vcpus(2);
        let child = Child::build(plan)?;
        for uuid in UUIDS.into_iter().chain([HANDED_ON]) {
            expect("SET_AUTH", control.authorise(child.domid(), uuid, true), 1)?;
        }
        let long = if rng.one_in(8) { Some(big_pool(&child, rng)?) } else { None };
        Ok(Self { child, long })
    }

    /// Has both vCPUs go through lists of calls.
    pub(in super::super) fn set_to_work(&self, rng: &mut Rng) -> CaseResult {
        for vcpu in 0..2 {
            let mut list = busy::calls(&self.child, rng, &UUIDS)?;
            if let (Some(long), Some(first)) = (self.long, list.first_mut()) {
                *first = long;
            }
            self.child.start(vcpu, &list, 0)?;
        }
        Ok(())
    }

    /// Waits for a random moment: after so many calls, and so many ticks behind.
    pub(in super::super) fn reach_the_end(&self, rng: &mut Rng) -> CaseResult {
        let calls = if rng.one_in(3) { rng.below(4) } else { rng.below(CALLS_MAX) };
        // The first one's count has what it did before.
        let begun = &self.child.mailbox(1)?.begun;
        self.child.wait_for(|| Ok(begun.load(Ordering::SeqCst) >= calls))?;
        let end = cycles() + u64::from(rng.below(TICKS_MAX));
        while cycles() < end {}
        Ok(())
    }

    /// Destroys the domain. Whether one of its vCPUs had begun a call that never ended.
    pub(in super::super) fn end(self, control: Control) -> CaseResult<bool> {
        let mut child = self.child;
        let domid = child.domid();
        expect("killing the domain", child.kill(), 0)?;
        let mut is_cut_short = false;
        for vcpu in 0..2 {
            let mailbox = child.mailbox(vcpu)?;
            let (begun, ended) = (&mailbox.begun, &mailbox.ended);
            is_cut_short |= begun.load(Ordering::SeqCst) != ended.load(Ordering::SeqCst);
        }
        // Its mailboxes are mapped, so it is still there, dead.
        match control.client_info(domid) {
            Ok(info) if info.nr_pools == 0 => {}
            other => fail!("dead domain {domid} is told as {other:?}"),
        }
        child.destroy()?;
        Ok(is_cut_short)
    }
}

/// Fills a large pool; the call that will empty or destroy it.
fn big_pool(child: &Child, rng: &mut Rng) -> CaseResult<Call> {
    let kind = if rng.one_in(2) { Kind::Persistent } else { Kind::Ephemeral };
    let pool = child.new_pool(kind)?;
    fill_pool(child, pool, BIG)?;
    child.tmem_call(&if rng.one_in(2) {
        Op::DestroyPool { pool_id: pool }
    } else {
        Op::FlushObject { pool_id: pool, object: at(pool, 0, 0).object }
    })
}

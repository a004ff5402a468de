//! **Checks** that a domain which starts anew without being destroyed (soft reset, as for a crash
//! kernel) finds none of its pools, and that their room is free (R30, P27): also with a pool so large
//! that freeing it takes long, and many times over.
//!
//! **Why:** the new kernel knows nothing of the old one's pools. They would take its room for ever, and
//! after 16 of them it could make no more.
//!
//! **A broken host** keeps the pools, hands their ids out one behind the other, or loses its way when
//! the reset is interrupted.

use super::super::Case;
use super::fill_pool;
use crate::give_up;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{EMPTY, NO_DEVICE},
};
use crate::toolstack::{Call, Caller, Child, Plan};
use crate::verdict::{CaseResult, expect};
use crate::xen::foreign::rest;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains, Boot::DomainsShadow],
    "soft-reset",
    "a soft reset drops a domain's pools and frees their room",
    run,
);

/// Persistent pages of the domain before each reset: two such pools don't fit into its room.
const PAGES: u32 = 4000;
const ROUNDS: u32 = 5;

fn run(rig: &mut Rig) -> CaseResult {
    let bystander = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    rig.put(bystander, Content(1))?;
    for caller in [Caller::Pvh64, Caller::Pvh32] {
        let child = Child::build(Plan::new(caller, u64::from(PAGES) * 3 / 2))?;
        for _ in 0..ROUNDS {
            expect("the first pool", i64::from(child.new_pool(Kind::Persistent)?), 0)?;
            expect("the second pool", i64::from(child.new_pool(Kind::Ephemeral)?), 1)?;
            fill_pool(&child, 0, PAGES)?;
            fill_pool(&child, 1, 500)?;
            soft_reset(&child)?;
            for pool in 0..3 {
                child.get_none("get after the reset", at(pool, 0, 0), NO_DEVICE)?;
            }
        }
        expect("a pool", i64::from(child.new_pool(Kind::Persistent)?), 0)?;
        child.get_none("get from it", at(0, 0, 0), EMPTY)?;
        child.destroy()?;
    }
    rig.get_hit(bystander, Content(1))
}

/// `__HYPERVISOR_sched_op`, `SCHEDOP_shutdown` and `SHUTDOWN_soft_reset`.
const SCHED_OP: u32 = 29;
const SHUTDOWN: u64 = 2;
const SOFT_RESET: u32 = 5;
/// How often the first domain sleeps for the domain to shut down.
const PATIENCE: u32 = 100_000;
/// A page for the reason.
const REASON: usize = 7;

/// The domain shuts down for a soft reset, is reset, and goes on behind the call that shut it down.
fn soft_reset(child: &Child) -> CaseResult {
    child.open(REASON)?.write(0, &SOFT_RESET.to_le_bytes());
    let call = Call::raw(SCHED_OP, [SHUTDOWN, child.address(REASON), 0, 0, 0]);
    child.start(0, &[call], 1)?;
    let (release, domid) = (child.release(), child.domid());
    for _ in 0..PATIENCE {
        if let Some(reason) = release.info(domid).and_then(|info| info.shutdown_reason()) {
            expect("the domain's reason", i64::from(reason), i64::from(SOFT_RESET))?;
            // Xen resets event channels of domains only that a toolstack has paused.
            child.set_running(false)?;
            expect("the soft reset", release.soft_reset(domid), 0)?;
            child.set_running(true)?;
            return child.wait(0);
        }
        rest();
    }
    give_up!("domain {domid} does not shut down")
}

//! **Checks** a domain that is killed while its call to destroy a large pool is half done and will
//! never be taken up again (R27, P58): the domain dies, its pages are free, others' are untouched.
//!
//! **Why:** Xen puts a long call off between two slices and lets the domain make it again. A domain
//! that is killed then never does, so the pool is half destroyed when the domain's death finds it.
//!
//! **A broken host** frees pages twice, leaks those that were left, or waits for the call for ever.

use super::super::Case;
use super::{available_pages, fill_pool};
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::{CaseResult, expect};
use crate::xen::foreign::rest;
use crate::{fail, give_up};
use core::sync::atomic::Ordering;
use hypercall_abi::Op;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "killed-in-destroy",
    "a domain killed in the middle of a pool's destruction dies and leaves nothing",
    run,
);

/// Pages of the pool. Xen lets a domain run for a millisecond before it lets another one in, also when
/// that one's sleep is over; their destruction takes several times as long, on fast machines too.
const PAGES: u32 = 40_000;
/// Frames that may be missing: the processor's stock and records that are kept.
const STOCK: u64 = 200;
/// How often the domain may be too quick for us.
const ATTEMPTS: u32 = 10;

fn run(rig: &mut Rig) -> CaseResult {
    let bystander = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    rig.put(bystander, Content(1))?;
    let before = available_pages()?;
    for (caller, kind) in [
        (Caller::Pvh64, Kind::Ephemeral),
        (Caller::Pv64, Kind::Persistent),
        (Caller::Pvh32, Kind::Persistent),
    ] {
        let mut attempts = 0;
        while !kill_in_the_middle(caller, kind)? {
            attempts += 1;
            if attempts == ATTEMPTS {
                give_up!("{caller:?}: {PAGES} pages were destroyed at one stretch each time");
            }
        }
        let now = available_pages()?;
        if now + STOCK < before {
            fail!("{before} frames were free, {now} are after the domain was killed");
        }
    }
    rig.get_hit(bystander, Content(1))
}

/// Whether the domain was killed with its call half done.
fn kill_in_the_middle(caller: Caller, kind: Kind) -> CaseResult<bool> {
    let mut child = Child::build(Plan::new(caller, u64::from(PAGES) + 2000))?;
    let empty = available_pages()?;
    let pool = child.new_pool(kind)?;
    fill_pool(&child, pool, PAGES)?;
    let mailbox = child.mailbox(0)?;
    let begun = mailbox.begun.load(Ordering::SeqCst);
    child.start(0, &[child.tmem_call(&Op::DestroyPool { pool_id: pool })?], 1)?;
    // Back from this, either the domain has done all its work, or Xen has put its call off.
    while mailbox.begun.load(Ordering::SeqCst) == begun {
        rest();
    }
    expect("killing the domain", child.kill(), 0)?;
    let is_half_done = !child.is_done(0)?;
    if available_pages()? + STOCK < empty {
        fail!("{caller:?}: the domain is dead and its pages are not free");
    }
    child.destroy()?;
    Ok(is_half_done)
}

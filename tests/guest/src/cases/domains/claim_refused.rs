//! **Checks** that a claim which is larger than all that is free and all that tmem could free is refused,
//! by one frame too, and that no ephemeral page is lost for it; that a claim of as much as there is, is
//! granted, at the cost of ephemeral pages and no persistent one (P17, R11, R57).
//!
//! **Why:** a toolstack tries whether a domain fits. An answer "no" must not empty everybody's cache.
//!
//! **A broken host** evicts first and looks then, or promises what it has not.

use super::super::Case;
use super::{Ballast, available_pages, fill_pool, free_pages};
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::{CaseResult, expect};
use crate::xen::memory::claim;
use hypercall_abi::Op;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "claim-refused",
    "a claim that can't be met is refused and costs no ephemeral page",
    run,
);

/// Frames that are left to tmem and to the claim.
const LEFT: u64 = 6000;
/// Ephemeral pages.
const PAGES: u32 = 4000;
/// `-ENOMEM`.
const NO_MEMORY: i64 = -12;
/// Frames by which the claim that is granted stays below all that there is: what tmem takes and gives
/// back between the question and the claim.
const SLACK: u64 = 100;

fn run(rig: &mut Rig) -> CaseResult {
    let own = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    rig.put(own, Content(1))?;
    let child = Child::build(Plan::new(Caller::Pv64, 100))?;
    // The domain that is claimed for: its maximum is no obstacle.
    let wanting = Child::build(Plan::new(Caller::Pv64, 1 << 30))?;
    let ballast = Ballast::leave_free(LEFT)?;
    let pool = child.new_pool(Kind::Ephemeral)?;
    fill_pool(&child, pool, PAGES)?;

    let domid = wanting.domid();
    for more in [1, 2, 1000, 1 << 20] {
        let all = available_pages()?;
        let free = free_pages()?;
        if all < free + u64::from(PAGES) / 2 {
            fail!("{all} frames are to be had, {free} of them free, beside {PAGES} pages");
        }
        expect("a claim of too much", claim(domid, has(&wanting)? + all + more), NO_MEMORY)?;
        let now = free_pages()?;
        if now > free {
            fail!("a claim of {more} frames too many took free frames from {free} to {now}");
        }
    }
    let left = count(&child, pool)?;
    if left != PAGES {
        fail!("of {PAGES} ephemeral pages {left} are left after claims that were refused");
    }

    fill_pool(&child, pool, PAGES)?;
    let pages = has(&wanting)? + available_pages()? - SLACK;
    expect("a claim of what there is", claim(domid, pages), 0)?;
    let left = count(&child, pool)?;
    expect("ending the claim", claim(domid, 0), 0)?;
    if left > PAGES / 2 {
        fail!("{left} of {PAGES} ephemeral pages are left, all of them were claimed");
    }
    rig.get_hit(own, Content(1))?;
    drop(ballast);
    wanting.destroy()?;
    child.destroy()
}

/// Frames that a domain has: what it claims contains them.
fn has(child: &Child) -> CaseResult<u64> {
    match child.release().info(child.domid()) {
        Some(info) => Ok(info.tot_pages),
        None => fail!("the domain is gone"),
    }
}

/// Gets the pages of the pool, which takes them away; how many there were.
fn count(child: &Child, pool: u32) -> CaseResult<u32> {
    let get = Op::GetPage { handle: at(pool, 0, 0), cmfn: child.target_frame() };
    child.start(0, &[child.tmem_call(&get)?.stepping()], PAGES)?;
    child.wait(0)?;
    Ok(child.counts(0, 0)?.0)
}

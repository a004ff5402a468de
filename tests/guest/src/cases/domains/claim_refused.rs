//! **Checks** that a claim which is larger than all that is free and all that tmem could free is refused,
//! by one frame too, and that no ephemeral page is lost for it; that a claim of as much as there is, is
//! granted, at the cost of ephemeral pages and no persistent one; and that what another claim has counts
//! as nobody's to give (P17, R11, R57).
//!
//! **Why:** a toolstack tries whether a domain fits. An answer "no" must not empty everybody's cache.
//!
//! **A broken host** evicts first and looks then, or promises what it has not.

use super::super::Case;
use super::{Ballast, available_pages, fill_pool, free_pages, try_fill_pool};
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
/// Frames that are claimed beside another claim, which has all that is free.
const EVICTED: u64 = 1000;
/// How often the pool is filled for tmem to grow again.
const ATTEMPTS: u32 = 200;

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

    beside_another(&wanting, &child, pool)?;
    rig.get_hit(own, Content(1))?;
    drop(ballast);
    wanting.destroy()?;
    child.destroy()
}

/// Fills the pool as soon as tmem grows again: for a while after it has made room for a claim it does not,
/// and if that has taken all it has, there is no page either whose place a new one could take.
fn fill_again(child: &Child, pool: u32) -> CaseResult {
    for _ in 0..ATTEMPTS {
        try_fill_pool(child, pool, PAGES)?;
        if available_pages()? >= free_pages()? + u64::from(PAGES) - SLACK {
            // Those that were refused, or made room for others, while tmem did not grow.
            return fill_pool(child, pool, PAGES);
        }
    }
    fail!("{ATTEMPTS} times {PAGES} pages were put, and tmem did not grow")
}

/// All that is free is another's by its claim: then a claim is met by evicting as much, or refused if
/// that would not do.
fn beside_another(wanting: &Child, child: &Child, pool: u32) -> CaseResult {
    fill_again(child, pool)?;
    let other = Child::build(Plan::new(Caller::Pv64, 1 << 30))?;
    let theirs = free_pages()?;
    expect("another's claim", claim(other.domid(), has(&other)? + theirs), 0)?;
    let (domid, free) = (wanting.domid(), free_pages()?);
    for more in [1, 1000] {
        let all = available_pages()?.saturating_sub(theirs);
        let answer = claim(domid, has(wanting)? + all + more);
        expect("a claim of too much beside another", answer, NO_MEMORY)?;
        let now = free_pages()?;
        if now > free {
            fail!("beside another's, {more} frames too many: {free} were free, {now} are");
        }
    }
    expect("a claim beside another", claim(domid, has(wanting)? + EVICTED), 0)?;
    let left = u64::from(count(child, pool)?);
    expect("ending the claim", claim(domid, 0), 0)?;
    expect("ending the other's claim", claim(other.domid(), 0), 0)?;
    if (left + EVICTED).abs_diff(PAGES.into()) > SLACK {
        fail!("of {PAGES} ephemeral pages {left} are left, {EVICTED} were claimed");
    }
    other.destroy()
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

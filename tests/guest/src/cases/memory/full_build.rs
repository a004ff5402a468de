//! **Checks** that on a host full of ephemeral pages domains are built, run, balloon down and up, and
//! are given every single frame that is free or can be freed, scrubbed (R11, R57, R72, P17, P65): with
//! the figure that toolstacks read (R57), not one frame less.
//!
//! **Why:** ephemeral pages lie in memory that nobody needs. Whoever starts a domain must not notice
//! that they are there.
//!
//! **A broken host** refuses frames that it said were to be had, hands out one that is still somebody's
//! or that holds what somebody wrote, or takes a page that is to stay.

use super::super::Case;
use super::{FullHost, Hoard, available_pages, build};
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::CaseResult;

pub(in super::super) const CASE: Case = Case::full(
    &[Boot::Memory],
    "full-build",
    "on a full host domains are built, run and balloon, with all memory that is to be had",
    run,
);

/// Persistent pages of each domain.
const SWAPPED: u32 = 50;

fn run(rig: &mut Rig) -> CaseResult {
    let host = FullHost::fill(rig)?;
    let guests = [guest(Caller::Pvh32)?, guest(Caller::Pvh64)?, guest(Caller::Pv64)?];
    let mut hoard = Hoard::build()?;
    host.fill_again(rig)?;

    take_all(&mut hoard, "free or freeable")?;
    check(rig, &host, &hoard, &guests)?;

    // It gives half of that back, others fill it, and it wants it again.
    let all = available_pages()?;
    hoard.shrink(BALLOON)?;
    host.fill_again(rig)?;
    let regained = hoard.grow(BALLOON)?;
    if regained != BALLOON {
        fail!("{all} frames were to be had, {BALLOON} more were given back, {regained} came again");
    }
    check(rig, &host, &hoard, &guests)?;

    let Hoard { child, .. } = hoard;
    child.destroy()?;
    host.fill_again(rig)?;
    host.check(rig)
}

/// Frames that the domain gives back in between.
const BALLOON: u64 = 9000;

/// A domain of one kind with pages in a persistent pool.
fn guest(caller: Caller) -> CaseResult<Child> {
    let child = build(Plan::new(caller, 2 * u64::from(SWAPPED)))?;
    child.new_pool(Kind::Persistent)?;
    for index in 0..SWAPPED {
        child.put(at(0, 7, index), swapped(&child, index))?;
    }
    Ok(child)
}

fn swapped(child: &Child, index: u32) -> Content {
    Content::of(child.domid().into(), index.into())
}

/// Gives a domain all that physinfo says is to be had.
fn take_all(hoard: &mut Hoard, what: &str) -> CaseResult {
    let promised = available_pages()?;
    let given = hoard.grow(promised)?;
    if given != promised {
        fail!("of {promised} frames that were {what} a domain got {given}");
    }
    Ok(())
}

/// All that must be there is there.
fn check(rig: &Rig, host: &FullHost, hoard: &Hoard, guests: &[Child]) -> CaseResult {
    hoard.check()?;
    host.check(rig)?;
    for child in guests {
        for index in 0..SWAPPED {
            child.get_hit(at(0, 7, index), swapped(child, index))?;
        }
    }
    Ok(())
}

//! **Checks** 10,000,000 calls with random arguments: every command number, pool ids in and out of
//! range, frames and pointers good and bad (R1 to R25, R73, P40, P42, P43, P44, P49). Each answer is one
//! that the command can give; afterwards the pools that were left alone hold what they held, those of
//! two other domains too (R26), no byte of anybody else's was delivered, no room is lost (R52, R71,
//! R72). Xen writes next to nothing to its console meanwhile, which the reader of the log counts (P45).
//!
//! **Why:** what goes wrong once in a million calls a guest can have in a second. The seed is printed
//! and repeats the run.
//!
//! **A broken host** crashes, answers what no guest expects, delivers a page that nobody put, or loses
//! room bit by bit.

use super::Case;
use super::hostile::storm;
use crate::give_up;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::CaseResult;

pub(super) const CASE: Case = Case::of(
    &[Boot::Storm],
    "hostile-storm",
    "ten million random calls get allowed answers and break nothing",
    run,
);

/// Pages of each bystander.
const PAGES: u32 = 30;

fn run(rig: &mut Rig) -> CaseResult {
    let bystanders = [bystander(Caller::Pv64)?, bystander(Caller::Pvh64)?];
    storm(rig, 10_000_000)?;
    for child in bystanders {
        wake(&child, true)?;
        for index in 0..PAGES {
            child.get_hit(at(0, 1, index), content(&child, index))?;
        }
        child.destroy()?;
    }
    Ok(())
}

/// A domain with a persistent pool, which stops for the time of the storm.
fn bystander(caller: Caller) -> CaseResult<Child> {
    let child = Child::build(Plan::new(caller, 100))?;
    let pool = child.new_pool(Kind::Persistent)?;
    for index in 0..PAGES {
        child.put(at(pool, 1, index), content(&child, index))?;
    }
    wake(&child, false)?;
    Ok(child)
}

fn content(child: &Child, index: u32) -> Content {
    Content::of(u64::from(child.domid()), u64::from(index))
}

fn wake(child: &Child, wanted: bool) -> CaseResult {
    let (release, domid) = (child.release(), child.domid());
    match if wanted { release.unpause(domid) } else { release.pause(domid) } {
        0 => Ok(()),
        answer => give_up!("stopping or waking domain {domid}: {answer}"),
    }
}

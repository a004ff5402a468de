//! **Checks** that PVH domains of four vCPUs are built on a full host that has been busy for long and of
//! which nothing at all is free. Xen needs two pages side by side for each of these vCPUs (those of AMD's
//! way of virtualising), and eight for the state of all that a toolstack asks for; and pages are evicted
//! in an order that has nothing to do with where they lie.
//!
//! **Why:** nobody falls back to less, and no toolstack tries again: the domain can't be built.
//!
//! **A broken host** gives up after evicting some pages here and some there, with the host still full.

use super::super::Case;
use super::{FullHost, Hoard, available_pages, build, free_pages};
use crate::fail;
use crate::plain::args::Boot;
use crate::rig::Rig;
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::CaseResult;

pub(in super::super) const CASE: Case = Case::full(
    &[Boot::Memory],
    "full-vcpus",
    "on a full host that has been busy for long, vCPUs get their pairs of pages",
    run,
);

/// How often domains are built and destroyed, how many, and vCPUs of each.
const ROUNDS: u32 = 3;
const DOMAINS: usize = 6;
const VCPUS: u32 = 4;

fn run(rig: &mut Rig) -> CaseResult {
    let host = FullHost::fill(rig)?;
    let mut hoard = Hoard::build()?;
    for _ in 0..ROUNDS {
        host.fill_again(rig)?;
        host.shuffle(rig)?;
        let mut domains: [Option<Child>; DOMAINS] = [const { None }; DOMAINS];
        for place in &mut domains {
            // In what was left free there are blocks.
            let free = free_pages()?;
            if hoard.grow(free)? != free {
                fail!("{free} pages were free, and a domain did not get them");
            }
            *place = Some(build(Plan { vcpus: VCPUS, ..Plan::new(Caller::Pvh64, 0) })?);
        }
        for child in domains.into_iter().flatten() {
            child.destroy()?;
        }
        hoard.check()?;
    }
    if available_pages()? < super::FREEABLE_MIN {
        fail!("{DOMAINS} domains of 600 pages cost the host nearly all that it had");
    }
    host.check(rig)
}

//! **Checks** that on a full host a domain that wants memory below a certain address gets all of it that
//! is free or can be freed there: without being refused where pages are evicted in an order that has
//! nothing to do with their place, and else after as many refusals as it takes to evict what is older.
//! A request that can't be met costs no more than such a number of evictions (P19).
//!
//! **Why:** devices and old interfaces reach low memory only.
//!
//! **A broken host** hands out memory somewhere else, or never finds what lies there.

use super::super::Case;
use super::places::{Place, drain};
use super::{Filled, FullHost, available_pages, build};
use crate::fail;
use crate::plain::args::Boot;
use crate::rig::Rig;
use crate::toolstack::{Caller, Plan};
use crate::verdict::CaseResult;
use crate::xen::memory::{Where, populate_blocks};

pub(in super::super) const CASE: Case = Case::full(
    &[Boot::Memory],
    "full-low",
    "on a full host memory below an address is to be had, all that could be freed",
    run,
);

/// Below 64 MiB on a machine that has more.
const BITS: u32 = 26;
const LOW: Place = Place {
    name: "below 64 MiB",
    flags: Where::below(BITS),
    region: (BITS, u32::MAX),
    holds: |frame| frame < 1 << (BITS - 12),
};
/// Below 8 KiB, where nobody has memory to give.
const NOWHERE: Where = Where::below(13);
/// Pages that a request may evict in vain.
const WASTE_MAX: u64 = 2048;

fn run(rig: &mut Rig) -> CaseResult {
    let host = FullHost::fill(rig)?;
    for filled in [Filled::InOrder, Filled::Shuffled] {
        drain(rig, &host, &LOW, filled)?;
    }
    host.fill_again(rig)?;
    let child = build(Plan::new(Caller::Pv64, 10))?;
    let (before, free) = (available_pages()?, super::free_pages()?);
    let got = populate_blocks(child.domid(), &mut [0x10_0000], 0, NOWHERE);
    let (after, evicted) = (available_pages()?, super::free_pages()? - free);
    if got != 0 || after < before || evicted > WASTE_MAX + 64 {
        fail!("a page below 8 KiB: {got} given, {evicted} freed, {before} available, then {after}");
    }
    child.destroy()
}

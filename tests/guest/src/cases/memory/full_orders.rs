//! **Checks** that whole blocks of ephemeral pages go back to Xen: on a host that was filled in order a
//! domain gets blocks of 2 to 512 pages, most of those that free and freeable memory could make; on one
//! that has been busy for long still nearly all pairs (P65).
//!
//! **Why:** Xen needs some small blocks for itself, and a domain that is populated by big ones is faster
//! for its whole life.
//!
//! **A broken host** evicts single pages of many blocks, so that nothing but single pages comes free.

use super::super::Case;
use super::{Filled, FullHost, available_pages, build};
use crate::plain::args::Boot;
use crate::rig::Rig;
use crate::toolstack::{Caller, Plan};
use crate::verdict::CaseResult;
use crate::xen::memory::{Where, populate_blocks};
use crate::{fail, say};

pub(in super::super) const CASE: Case = Case::full(
    &[Boot::Memory],
    "full-orders",
    "on a full host blocks of 2 to 512 pages are to be had, most of those that could be freed",
    run,
);

/// What must come free in percent of what could, and how often a domain may be refused a block before
/// it has that many: it asks again then, as one does who makes do with less meanwhile.
struct Bound {
    filled: Filled,
    order: u32,
    percent: u64,
    refusals: u32,
}

impl Bound {
    const fn new(filled: Filled, order: u32, percent: u64, refusals: u32) -> Self {
        Self { filled, order, percent, refusals }
    }
}

/// Small blocks are Xen's own; nobody asks again. Bigger ones are broken where tmem took page by page,
/// which is the last 16 MiB before the host was full, a tenth of this machine.
const BOUNDS: [Bound; 11] = [
    Bound::new(Filled::InOrder, 1, 98, 0),
    Bound::new(Filled::InOrder, 2, 98, 0),
    Bound::new(Filled::InOrder, 3, 98, 0),
    Bound::new(Filled::InOrder, 4, 90, 20),
    Bound::new(Filled::InOrder, 5, 90, 20),
    Bound::new(Filled::InOrder, 6, 80, 20),
    Bound::new(Filled::InOrder, 7, 80, 20),
    Bound::new(Filled::InOrder, 8, 70, 20),
    Bound::new(Filled::InOrder, 9, 60, 20),
    Bound::new(Filled::Shuffled, 1, 98, 0),
    Bound::new(Filled::Shuffled, 2, 90, 0),
];

/// The domain's first block, and how many it asks for at once.
const FIRST: u64 = 0x10_0000;
const BATCH: usize = 64;

fn run(rig: &mut Rig) -> CaseResult {
    let host = FullHost::fill(rig)?;
    for Bound { filled, order, percent, refusals } in BOUNDS {
        host.fill_again(rig)?;
        if filled == Filled::Shuffled {
            host.shuffle(rig)?;
        }
        let child = build(Plan::new(Caller::Pvh64, u64::from(u32::MAX)))?;
        let possible = available_pages()? >> order;
        let (mut given, mut refused) = (0, 0);
        while given < possible && (refused == 0 || refused < refusals) {
            let count = (possible - given).min(BATCH as u64);
            let got = populate(child.domid(), given, count, order);
            given += got;
            refused += u32::from(got != count);
        }
        say!("{filled:?}, blocks of {}: {given} of {possible}, {refused} refusals", 1 << order);
        if given * 100 < possible * percent {
            fail!("{filled:?}: of {possible} blocks of {} a domain got {given}", 1 << order);
        }
        child.destroy()?;
        host.check_persistent(rig)?;
    }
    Ok(())
}

/// Gives a domain up to `count` blocks behind those `given` before; how many it got.
fn populate(domid: u16, given: u64, count: u64, order: u32) -> u64 {
    let mut list: [u64; BATCH] =
        core::array::from_fn(|number| FIRST + ((given + number as u64) << order));
    let count = usize::try_from(count).unwrap_or_default();
    let list = list.get_mut(..count).unwrap_or_default();
    populate_blocks(domid, list, order, Where::ANYWHERE) as u64
}

//! **Checks** that age is counted over all pools of the host and not in each (R42).
//!
//! **Why:** a pool that nobody uses any more must not keep its pages at the cost of a busy one.
//!
//! **A broken host** evicts from the pool that is putting, or from one pool until it is empty.

use super::Case;
use super::script::{flood, more_than_fits, oldest_gone};
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::small("evict-across-pools", "the oldest page goes first, whichever pool it is in", run);

fn run(rig: &mut Rig) -> CaseResult {
    let pools = [
        rig.new_pool(Kind::Ephemeral)?,
        rig.new_pool(Kind::Ephemeral)?,
        rig.new_pool(Kind::Ephemeral)?,
    ];
    // Changing hands after 1, 2, 3, ... pages of a run, unevenly.
    let handle = |number: u32| {
        let pool = match number % 11 {
            0..2 => pools[0],
            2..5 => pools[1],
            _ => pools[2],
        };
        at(pool, u64::from(number / 77), number)
    };
    let pages = more_than_fits();
    flood(rig, pages, handle)?;
    oldest_gone(rig, pages, handle)?;
    Ok(())
}

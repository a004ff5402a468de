//! **Checks** that a host without a free frame makes room by dropping the oldest ephemeral pages
//! (R41, R42): every put is accepted, and what is left is exactly the youngest.
//!
//! **Why:** the oldest page is the one least likely to be asked for. A put of an ephemeral page that
//! is refused while older ones sit there is a worse cache.
//!
//! **A broken host** refuses puts, drops a young page before an old one, or delivers wrong bytes
//! from a frame that it used again.

use super::Case;
use super::script::{flood, more_than_fits, oldest_gone};
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::small("evict-oldest-first", "a full host drops the oldest ephemeral pages first", run);

fn run(rig: &mut Rig) -> CaseResult {
    let pool = rig.new_pool(Kind::Ephemeral)?;
    let handle = |number: u32| at(pool, u64::from(number / 300), number % 300);
    let pages = more_than_fits();
    flood(rig, pages, handle)?;
    oldest_gone(rig, pages, handle)?;
    Ok(())
}

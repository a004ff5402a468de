//! **Checks** 10,000,000 calls with random arguments: every command number, pool ids in and out of range,
//! frames and pointers good and bad (R1 to R25, R73, P40, P42, P43, P44, P49). Each answer is one that
//! the command can give; afterwards the pools that were left alone hold what they held, no byte of
//! anybody else's was delivered, no room is lost (R52, R71, R72). Xen writes next to nothing to its console meanwhile, which the reader
//! of the log counts (P45).
//!
//! **Why:** what goes wrong once in a million calls a guest can have in a second.
//!
//! **A broken host** crashes, answers what no guest expects, delivers a page that nobody put, or loses
//! room bit by bit.

use super::hostile::storm;
use super::Case;
use crate::plain::args::Boot;
use crate::rig::Rig;
use crate::verdict::CaseResult;

pub(super) const CASE: Case = Case::of(
    &[Boot::Storm],
    "hostile-storm",
    "ten million random calls get allowed answers and break nothing",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    storm(rig, 10_000_000)
}

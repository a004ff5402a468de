//! **Checks** the same of a 32-bit PV domain as `multicall` does of a 64-bit one (R7, R22, P29, P73).
//!
//! **Why:** Xen has a list of another layout then, and resumes a call in it by other code.
//!
//! **A broken host** reads the blocks of the list's calls in the wrong layout.

use super::super::Case;
use super::multicall_domains::converse;
use crate::plain::args::Boot;
use crate::rig::Rig;
use crate::toolstack::Caller;
use crate::verdict::CaseResult;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "multicall-pv32",
    "the same in multicalls of a 32-bit PV domain",
    run,
);

fn run(_rig: &mut Rig) -> CaseResult {
    converse(Caller::Pv32)
}

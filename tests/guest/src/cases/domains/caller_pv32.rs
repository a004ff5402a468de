//! **Checks** the same of a 32-bit PV domain as `every-caller` does of the others (R2, R3, R8, R9,
//! R16, R20, P73). Such domains are a choice of Xen's configuration (`CONFIG_PV32`).
//!
//! **Why:** a 32-bit PV domain names machine frames in a field of four bytes.
//!
//! **A broken host** reads 56 bytes, and takes what lies behind the 52 for half of the frame number.

use super::super::Case;
use super::every_caller::converse;
use crate::plain::args::Boot;
use crate::rig::Rig;
use crate::toolstack::Caller;
use crate::verdict::CaseResult;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "caller-pv32",
    "32-bit PV domains put, get and flush",
    run,
);

fn run(_rig: &mut Rig) -> CaseResult {
    converse(Caller::Pv32)
}

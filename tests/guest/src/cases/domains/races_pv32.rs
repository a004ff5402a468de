//! **Checks** what `limit-race`, `vcpu-races` and `restart-elsewhere` check, of 32-bit PV domains (R4, R6,
//! R7, R8, R11, R17, R22, R23, R48, R49, P2, P6, P29, P34, P36, P73). Such domains are a choice of Xen's
//! configuration (`CONFIG_PV32`).
//!
//! **Why:** they call through another gate than all others, and their requests for memory are answered
//! with machine frames of four bytes.
//!
//! **A broken host** does all of this right for every other kind of caller.

use super::super::Case;
use super::limit_race::{Before, race_to_the_limit};
use super::restart_elsewhere::{Long, Way, move_long_calls, on_another_processor, on_another_vcpu};
use super::vcpu_races::{Racers, race_at_a_page};
use crate::plain::args::Boot;
use crate::rig::Rig;
use crate::toolstack::Caller;
use crate::verdict::CaseResult;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::DomainsFour],
    "races-pv32",
    "vCPUs of 32-bit PV domains race for room and at a page; long calls go on elsewhere",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    let caller = Caller::Pv32;
    race_to_the_limit(rig, caller, &[Before::Nothing, Before::Puts])?;
    race_at_a_page(rig, Racers { caller, rounds: 1000 })?;
    let moves: [(Long, Way); 2] =
        [(Long::Destroy, on_another_processor), (Long::Flush, on_another_vcpu)];
    move_long_calls(rig, caller, &moves)
}

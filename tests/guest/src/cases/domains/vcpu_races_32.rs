//! **Checks** the same of PVH domains in 32-bit mode as `vcpu-races` does of 64-bit ones (R4, R6, R7, R8,
//! R17, R22, R23, R49, P2, P36, P73).
//!
//! **Why:** an answer has 32 bits then, and an operation 52 bytes, of which Xen makes those that all else
//! goes by.
//!
//! **A broken host** answers one of two racing vCPUs with half a status, or takes the frame that the other
//! one named.

use super::super::Case;
use super::vcpu_races::{Racers, race_at_a_page};
use crate::plain::args::Boot;
use crate::toolstack::Caller;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::DomainsFour],
    "vcpu-races-32",
    "the same of domains in 32-bit mode: allowed answers, whole pages, none too old",
    |rig| race_at_a_page(rig, Racers { caller: Caller::Pvh32, rounds: 400 }),
);

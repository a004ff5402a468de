//! **Checks** the same of PVH domains in 32-bit mode as `limit-race` does of 64-bit ones (R48, R49, P6,
//! P34, R11, P73).
//!
//! **Why:** their operations and their requests for memory come in layouts of their own, through other
//! code of Xen's.
//!
//! **A broken host** keeps the maximum with one layout and exceeds it with the other.

use super::super::Case;
use super::limit_race::{Before, race_to_the_limit};
use crate::plain::args::Boot;
use crate::toolstack::Caller;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::DomainsFour],
    "limit-race-32",
    "the same of domains in 32-bit mode: together they reach the maximum, to the frame",
    |rig| race_to_the_limit(rig, Caller::Pvh32, &[Before::Memory]),
);

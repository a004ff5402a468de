//! **Checks** the same of PVH domains in 32-bit mode as `restart-elsewhere` does of 64-bit ones (R7, R22,
//! R49, P29, P73).
//!
//! **Why:** Xen resumes a call of 32 bits by other code, and reads the operation anew in its layout.
//!
//! **A broken host** resumes such a call with the arguments of another, or takes the rest for done.

use super::super::Case;
use super::restart_elsewhere::{Long, Way, move_long_calls, on_another_processor, on_another_vcpu};
use crate::plain::args::Boot;
use crate::toolstack::Caller;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::DomainsFour],
    "restart-elsewhere-32",
    "a long call from 32-bit mode goes on on another processor and on another vCPU",
    |rig| {
        let moves: [(Long, Way); 2] =
            [(Long::Destroy, on_another_vcpu), (Long::Flush, on_another_processor)];
        move_long_calls(rig, Caller::Pvh32, &moves)
    },
);

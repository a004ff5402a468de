//! **Checks** what `log-dirty` checks, of a PV domain (P20, R2, R8, R9): its log goes by its own numbers
//! for its frames, not by the machine's, by which it names them.
//!
//! **Why:** under the log a PV domain runs on tables that Xen shadows: it is the other way in which
//! domains are migrated.
//!
//! **A broken host** notes a get's frame under a number that is none of the domain's, or not at all.

use super::super::Case;
use super::log_dirty::look;
use crate::plain::args::Boot;
use crate::toolstack::Caller;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "log-dirty-pv",
    "the same for a PV domain, on a Xen that can shadow its tables",
    |_rig| look(Caller::Pv64),
);

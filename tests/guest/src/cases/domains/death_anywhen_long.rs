//! **Checks** what `death-anywhen` checks, of 2,000 domains (R27, P36, P58).
//!
//! **Why:** what goes wrong in one moment of a life in a thousand shows only among thousands.
//!
//! **A broken host** survives the short case, and loses a page, a frame or itself in this one.

use super::super::Case;
use super::death_anywhen::die;
use crate::plain::args::Boot;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::DomainsLong],
    "death-anywhen-long",
    "2000 domains are destroyed at random moments of busy lives and leave nothing",
    |rig| die(rig, 2000),
);

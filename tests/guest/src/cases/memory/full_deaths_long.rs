//! **Checks** what `full-deaths` checks, of 2,000 domains (R11, R27, R29, P36, P58).
//!
//! **Why:** what goes wrong in one moment of a life in a thousand shows only among thousands.
//!
//! **A broken host** survives the short case, and loses a page, a frame or itself in this one.

use super::super::Case;
use super::full_deaths::die;
use crate::plain::args::Boot;

pub(in super::super) const CASE: Case = Case::full(
    &[Boot::MemoryLong],
    "full-deaths-long",
    "on a full host 2000 domains die at random moments, others are built of what they leave",
    |rig| die(rig, 2000),
);

//! **Checks** that a single object can be put into until it is larger than the host: its own oldest
//! pages go (R43, R44, P61).
//!
//! **Why:** a large file is one object. The original skipped objects in use, and the one that is put
//! into always is: it walked long lists and found nothing.
//!
//! **A broken host** refuses puts, or hangs.

use super::Case;
use super::script::{flood, more_than_fits, oldest_gone};
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::small("evict-one-object", "an object larger than the host loses its own oldest pages", run);

fn run(rig: &mut Rig) -> CaseResult {
    let pool = rig.new_pool(Kind::Ephemeral)?;
    let pages = more_than_fits();
    flood(rig, pages, |number| at(pool, 1, number))?;
    oldest_gone(rig, pages, |number| at(pool, 1, number))?;
    Ok(())
}

//! **Checks** that a hit in a persistent pool leaves the page there, however often (R9, R11).
//!
//! **Why:** swap reads a page back and keeps the slot until it is freed; a page that is gone at the
//! second read is lost data.
//!
//! **A broken host** takes the page away, as from an ephemeral pool.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::new("persistent-get", "a hit in a persistent pool leaves the page, n times over", run);

fn run(rig: &mut Rig) -> CaseResult {
    let pool = rig.new_pool(Kind::Persistent)?;
    for index in 0..300 {
        rig.put(at(pool, 9, index), Content::of(9, u64::from(index)))?;
    }
    for _ in 0..4 {
        for index in 0..300 {
            rig.get_hit(at(pool, 9, index), Content::of(9, u64::from(index)))?;
        }
    }
    Ok(())
}

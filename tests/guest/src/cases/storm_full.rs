//! **Checks** random operations against the model on a host without a free frame: ephemeral pages
//! may go missing and puts be refused, but nothing stale or torn is ever read, and no persistent
//! page is lost (R5, R11, R12).
//!
//! **Why:** paths that make room, or fail to, run only there.
//!
//! **A broken host** delivers a page of another handle, or an old one, or loses a persistent one.

use super::model::{Host, Model};
use super::script::{flood, more_than_fits};
use super::Case;
use crate::fail;
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::small("storm-full", "random operations on a host without a free frame", run);

/// Pool ids that the model uses are the lowest; the flood goes to the last.
const FLOOD_POOL: u32 = 15;

fn run(rig: &mut Rig) -> CaseResult {
    for _ in 0..FLOOD_POOL {
        rig.new_pool(Kind::Ephemeral)?;
    }
    let flood_pool = rig.new_pool(Kind::Ephemeral)?;
    if flood_pool != FLOOD_POOL {
        fail!("the sixteenth pool has id {flood_pool}");
    }
    for pool in 0..FLOOD_POOL {
        rig.destroy_pool(pool);
    }
    let handle = |number: u32| at(FLOOD_POOL, u64::from(number / 512), number % 512);
    flood(rig, more_than_fits(), handle)?;

    let mut rng = rig.rng(0xf0);
    let mut model = Model::new(Host::Full);
    for round in 0..10 {
        model.script(rig, &mut rng, 2000)?;
        model.check_all(rig)?;
        // What scripts freed is taken again.
        flood(rig, 1000, |number| at(FLOOD_POOL, 1 << 40 | round, number))?;
    }
    if model.hits() < 1000 {
        fail!("only {} hits: the script did not do its work", model.hits());
    }
    Ok(())
}

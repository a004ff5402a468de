//! **Checks** that this Xen has tmem at all: NEW_POOL gives a pool.
//!
//! **Why:** every other case skips without it, and a run of skips must not look like a success.
//!
//! **A broken host** answers -38 (not built in) or -19 (not switched on) in a boot that has both.

use super::{Boot, Case, Needs};
use crate::rig::{Kind, Rig};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case = Case {
    name: "tmem-present",
    boots: &[Boot::Default, Boot::Pvh64, Boot::Pvh32],
    about: "hypercall 38 is answered by a tmem that is switched on",
    needs: Needs::Nothing,
    run,
};

fn run(rig: &mut Rig) -> CaseResult {
    for (kind, id) in [(Kind::Ephemeral, 0), (Kind::Persistent, 1)] {
        expect("NEW_POOL", i64::from(rig.new_pool(kind)?), id)?;
    }
    Ok(())
}

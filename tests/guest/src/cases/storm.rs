//! **Checks** tens of thousands of random operations against a small model: every status and every
//! byte (R1 to R25 together).
//!
//! **Why:** each rule has a case of its own; what is wrong between them shows in a sequence that
//! nobody would write down. The seed is printed, and repeats the run.
//!
//! **A broken host** differs from the model somewhere.

use super::{Case, model::{Host, Model}};
use crate::fail;
use crate::rig::Rig;
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::new("storm", "random operations agree with a model, status and byte", run);

fn run(rig: &mut Rig) -> CaseResult {
    let mut rng = rig.rng(0x57);
    let mut model = Model::new(Host::Roomy);
    for _ in 0..20 {
        model.script(rig, &mut rng, 2000)?;
        model.check_all(rig)?;
    }
    if model.hits() < 2000 {
        fail!("only {} hits: the script did not do its work", model.hits());
    }
    Ok(())
}

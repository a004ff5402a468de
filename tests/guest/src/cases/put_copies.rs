//! **Checks** that a put copies (R2): the guest may overwrite the frame as soon as the call is back.
//!
//! **Why:** the page that was put is on its way to being reused for something else.
//!
//! **A broken host** keeps a reference to the guest's frame, and a get delivers what was written
//! there later.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::new("put-copies", "what is written to the frame after a put changes nothing", run);

fn run(rig: &mut Rig) -> CaseResult {
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        for index in 0..16 {
            rig.put(at(pool, 1, index), Content::of(4, u64::from(index)))?;
            rig.pages.fill_source(Content(0));
        }
        for index in 0..16 {
            rig.get_hit(at(pool, 1, index), Content::of(4, u64::from(index)))?;
        }
    }
    Ok(())
}

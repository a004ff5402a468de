//! **Checks** that at the limit, with no room for one more page, every stored page can still be
//! replaced (P35, R4).
//!
//! **Why:** a replacement needs no frame in the end. Swap writes the same slots over and over; a host
//! that refuses there throws the page away as well (R5).
//!
//! **A broken host** answers -12 or -28, or keeps the old page.

use super::{Case, script::fill};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{NO_MEMORY, SUCCESS}};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case =
    Case::new("limit-duplicate", "at the limit every stored page can still be replaced", run);

fn run(rig: &mut Rig) -> CaseResult {
    rig.balloon.set_room(1000);
    let pool = rig.new_pool(Kind::Persistent)?;
    let stored = fill(rig, pool, 0)?;
    for round in 1..4 {
        for index in 0..stored {
            let answer = rig.try_put(at(pool, 0, index), Content::of(round, u64::from(index)));
            if answer != SUCCESS {
                fail!("duplicate put {index} at the limit: answered {answer}");
            }
        }
        expect("put of a new page", rig.try_put(at(pool, 9, 9), Content(1)), NO_MEMORY)?;
        for index in 0..stored {
            rig.get_hit(at(pool, 0, index), Content::of(round, u64::from(index)))?;
        }
    }
    Ok(())
}

//! **Checks** that a page's age is counted from the put that created it: replacing its content does
//! not make it younger (R42).
//!
//! **Why:** so the original did, and so a page that is written over and over but never read does not
//! push out pages that are.
//!
//! **A broken host** keeps the replaced pages and drops younger ones.

use super::Case;
use super::script::{flood, more_than_fits, oldest_gone};
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::small("evict-put-age", "a duplicate put does not make a page younger", run);

/// Pages that are replaced.
const OLD: u32 = 200;

fn run(rig: &mut Rig) -> CaseResult {
    let replaced = rig.new_pool(Kind::Ephemeral)?;
    for index in 0..OLD {
        rig.put(at(replaced, 0, index), Content(1))?;
    }
    let pool = rig.new_pool(Kind::Ephemeral)?;
    let handle = |number: u32| at(pool, u64::from(number / 300), number % 300);
    let pages = more_than_fits();
    // A thousand pages later nothing is evicted yet; the old ones are replaced, and stay the oldest.
    flood(rig, 1000, handle)?;
    for index in 0..OLD {
        rig.put(at(replaced, 0, index), Content(2))?;
    }
    flood(rig, pages, handle)?;
    oldest_gone(rig, pages, handle)?;
    for index in 0..OLD {
        if rig.get_maybe(at(replaced, 0, index), Content(2))? {
            crate::fail!("page {index}, older than thousands that were evicted, is there");
        }
    }
    Ok(())
}

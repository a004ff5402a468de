//! **Checks** that a page's age is counted from the put that created it: replacing its content does
//! not make it younger (R42).
//!
//! **Why:** so the original did, and so a page that is written over and over but never read does not
//! push out pages that are.
//!
//! **A broken host** keeps the replaced pages and drops younger ones.

use super::Case;
use super::script::{flood, more_than_fits, oldest_gone};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::small("evict-put-age", "a duplicate put does not make a page younger", run);

/// Pages that are replaced.
const REPLACED: u32 = 200;

fn run(rig: &mut Rig) -> CaseResult {
    let pool = rig.new_pool(Kind::Ephemeral)?;
    let handle = |number: u32| at(pool, u64::from(number / 300), number % 300);
    // How many pages does this host hold? (Reading them takes them away again.)
    let pages = more_than_fits();
    flood(rig, pages, handle)?;
    let capacity = pages - oldest_gone(rig, pages, handle)?;

    // The oldest pages; then as many that nothing is evicted yet; then the oldest are replaced.
    let replaced = rig.new_pool(Kind::Ephemeral)?;
    for index in 0..REPLACED {
        rig.put(at(replaced, 0, index), Content(1))?;
    }
    flood(rig, capacity / 2, handle)?;
    for index in 0..REPLACED {
        rig.put(at(replaced, 0, index), Content(2))?;
    }
    // Then so many that about a quarter of all must go: the oldest, if age is what it should be.
    let second = rig.new_pool(Kind::Ephemeral)?;
    flood(rig, capacity / 4 * 3, |number| at(second, 0, number))?;
    for index in 0..REPLACED {
        if rig.get_maybe(at(replaced, 0, index), Content(2))? {
            fail!("page {index} is there, though thousands of younger ones were evicted");
        }
    }
    if !rig.get_maybe(handle(capacity / 2 - 1), Content::of(1, u64::from(capacity / 2 - 1)))? {
        fail!("a page was evicted that is younger than three quarters of what the host holds");
    }
    Ok(())
}

//! **Checks** that a page can be replaced on a host without a free frame, and that what comes back is
//! the new content (R4, R5, P3, P35).
//!
//! **Why:** the original refused such a put before it looked for an old copy, which stayed readable:
//! stale data.
//!
//! **A broken host** refuses, or delivers the old content.

use super::Case;
use super::script::{flood, more_than_fits};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::SUCCESS};
use crate::verdict::CaseResult;

pub(super) const CASE: Case =
    Case::small("evict-duplicate", "a page can be replaced on a host without a free frame", run);

/// Pages that are replaced: the youngest of each pool.
const PAGES: u32 = 500;

fn run(rig: &mut Rig) -> CaseResult {
    let swap = rig.new_pool(Kind::Persistent)?;
    for index in 0..PAGES {
        rig.put(at(swap, 1, index), Content(1))?;
    }
    let cache = rig.new_pool(Kind::Ephemeral)?;
    let pages = more_than_fits();
    flood(rig, pages, |number| at(cache, 1, number))?;
    let youngest = pages - PAGES;
    for round in 2..5 {
        for index in 0..PAGES {
            for page in [at(swap, 1, index), at(cache, 1, youngest + index)] {
                let answer = rig.try_put(page, Content::of(round, u64::from(index)));
                if answer != SUCCESS {
                    fail!("duplicate put {index} on a full host: answered {answer}");
                }
            }
        }
    }
    for index in 0..PAGES {
        for page in [at(swap, 1, index), at(cache, 1, youngest + index)] {
            rig.get_hit(page, Content::of(4, u64::from(index)))?;
        }
    }
    Ok(())
}

//! A client whose pages may be lost: clean ones, that it could read from its disk again.

use super::{TOLD, obey};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Rig, at, statuses};
use crate::say;
use crate::verdict::CaseResult;
use crate::xen::rings::store::Store;

/// Pages that go in and out.
const PAGES: u32 = 2000;

/// The ephemeral pool.
const POOL: u32 = 0;

/// Puts each page and gets it again, round after round: a hit takes it away, and is followed by a put.
/// A miss is nothing wrong; a wrong byte is.
pub(super) fn run(rig: &Rig, store: &Store) -> CaseResult {
    let (mut nr_refused, mut is_told) = (0_u32, false);
    for round in 1_u32.. {
        let mut nr_right = 0;
        for page in 0..PAGES {
            let handle = at(POOL, (page / 50).into(), page % 50);
            let content = Content::of(0xcac4e, page.into());
            nr_right += u32::from(rig.get_maybe(handle, content)?);
            match rig.try_put(handle, content) {
                statuses::SUCCESS => {}
                statuses::FROZEN | statuses::NO_MEMORY => nr_refused += 1,
                answer => fail!("put of a clean page: answered {answer}"),
            }
        }
        if !is_told {
            say!("client: stored {PAGES} pages");
            is_told = true;
        }
        if round % TOLD == 1 {
            say!("client: round {round}: {nr_right} pages right, {nr_refused} puts refused so far");
        }
        obey(store, round);
    }
    Ok(())
}

//! **Checks** that thousands of pages come back byte for byte, from both kinds of pool (R3); that a
//! put leaves its source alone; that gets write into their page and not beside it.
//!
//! **Why:** this is what tmem is for. Contents are pseudo-random and differ in every word, so a page
//! of another handle, a half-copied page or a shifted one shows.
//!
//! **A broken host** returns another page's bytes, mixes two, or copies less or more than 4096.

use super::Case;
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;
use hypercall_abi::Handle;

pub(super) const CASE: Case = Case::new(
    "put-get-data",
    "thousands of pseudo-random pages come back byte for byte, in another order",
    run,
);

/// Pages in each pool; prime, so that any stride visits all.
const PAGES: u32 = 4999;

fn run(rig: &mut Rig) -> CaseResult {
    let pools = [rig.new_pool(Kind::Ephemeral)?, rig.new_pool(Kind::Persistent)?];
    for number in 0..PAGES {
        for pool in pools {
            let content = content(rig, pool, number);
            rig.put(handle(pool, number), content)?;
            if rig.pages.source_difference(content).is_some() {
                fail!("put changed the page that it was made from");
            }
        }
    }
    let mut number = 0;
    for _ in 0..PAGES {
        number = (number + 1871) % PAGES;
        for pool in pools {
            rig.get_hit(handle(pool, number), content(rig, pool, number))?;
        }
    }
    Ok(())
}

/// Files of 64 pages.
fn handle(pool: u32, number: u32) -> Handle {
    at(pool, u64::from(number / 64), number % 64)
}

fn content(rig: &Rig, pool: u32, number: u32) -> Content {
    Content::of(rig.seed, u64::from(pool) << 32 | u64::from(number))
}

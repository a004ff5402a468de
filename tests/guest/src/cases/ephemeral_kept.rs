//! **Checks** that with memory to spare every ephemeral page is still there when it is asked for.
//!
//! **Why:** a rule that allows any ephemeral page to vanish would be met by a host that stores
//! none. Eviction is for a host without a free frame; this machine has many.
//!
//! **A broken host** drops puts, or evicts too soon.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;
use hypercall_abi::Handle;

pub(super) const CASE: Case =
    Case::bulk("ephemeral-kept", "no ephemeral page is lost while the host has memory", run);

/// Pages: 80 MiB, of more than 300 that are free.
const PAGES: u32 = 20_000;

fn run(rig: &mut Rig) -> CaseResult {
    let pools = [rig.new_pool(Kind::Ephemeral)?, rig.new_pool(Kind::Ephemeral)?];
    let handle = |number: u32| -> Handle {
        let pool = if number.is_multiple_of(3) { pools[0] } else { pools[1] };
        at(pool, u64::from(number / 1000), number % 1000)
    };
    for number in 0..PAGES {
        rig.put(handle(number), Content::of(10, u64::from(number)))?;
    }
    for number in 0..PAGES {
        rig.get_hit(handle(number), Content::of(10, u64::from(number)))?;
    }
    Ok(())
}

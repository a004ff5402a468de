//! **Checks** each bit of NEW_POOL's flags word (R24, R33): version not 1, shared and persistent at
//! once, a page size other than 4 KiB, PRECOMPRESSED and every reserved bit give -1; bit 3, which
//! has no name, is ignored.
//!
//! **Why:** the version field is what keeps guests of the first ABI out, whose object ids lie
//! elsewhere in the block (P74). A refused call must not use up a pool id.
//!
//! **A broken host** accepts a word that means something it does not do, or leaks an id.

use super::Case;
use crate::rig::{Kind, Rig, statuses::NOT_PERMITTED};
use crate::verdict::{CaseResult, expect};
use crate::fail;
use hypercall_abi::Uuid;

pub(super) const CASE: Case =
    Case::new("new-pool-flags", "each bad flag of NEW_POOL is refused, bit 3 is ignored", run);

/// Version 1 in its place.
const VERSION_1: u32 = 1 << 24;

fn run(rig: &mut Rig) -> CaseResult {
    for version in [0, 2, 3, 127, 128, 255] {
        refused(rig, version << 24)?;
        refused(rig, version << 24 | 1)?;
    }
    refused(rig, VERSION_1 | 0b11)?;
    for page_size in 1..16 {
        refused(rig, VERSION_1 | page_size << 4)?;
    }
    refused(rig, VERSION_1 | 0b100)?;
    refused(rig, VERSION_1 | 0b101)?;
    for bit in 8..24 {
        refused(rig, VERSION_1 | 1 << bit)?;
        refused(rig, VERSION_1 | 1 << bit | 1)?;
    }
    // None of those took an id: the lowest is still free.
    for (id, flags) in (0..).zip([0b0000, 0b0001, 0b0010, 0b1000, 0b1001, 0b1010]) {
        let answer = rig.try_new_pool(VERSION_1 | flags, Uuid([3, 4]));
        if answer != id {
            fail!("NEW_POOL with flags {:#x}: answered {answer}, not {id}", VERSION_1 | flags);
        }
    }
    expect("NEW_POOL", i64::from(rig.new_pool(Kind::Persistent)?), 6)
}

fn refused(rig: &Rig, flags: u32) -> CaseResult {
    let answer = rig.try_new_pool(flags, Uuid::default());
    if answer != NOT_PERMITTED {
        fail!("NEW_POOL with flags {flags:#010x}: answered {answer}, not {NOT_PERMITTED}");
    }
    Ok(())
}

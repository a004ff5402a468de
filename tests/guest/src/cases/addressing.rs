//! **Checks** that handles which differ in the pool, in any one of the 192 bits of the object id, or
//! in any one of the 32 bits of the index, name different pages (R1, P50).
//!
//! **Why:** object ids are file handles and inode numbers: any bit may be the one that differs. The
//! original once compared a word of the id with itself.
//!
//! **A broken host** drops bits in its hash or comparison, and one page answers for two handles.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, statuses};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::{Handle, ObjectId, PageIndex};

pub(super) const CASE: Case = Case::new(
    "addressing",
    "handles that differ in one bit of pool, object id or index never alias",
    run,
);

/// Indexes at the borders of tree nodes and of the field.
const INDEXES: [u32; 8] = [0, 1, 63, 64, 4095, 4096, 1 << 31, u32::MAX];

/// Handles in one pool: one for each bit of the id, one for each of `INDEXES`, one for each bit of
/// the index.
const HANDLES: u32 = 192 + 8 + 32;

fn run(rig: &mut Rig) -> CaseResult {
    let pools = [
        rig.new_pool(Kind::Ephemeral)?,
        rig.new_pool(Kind::Persistent)?,
        rig.new_pool(Kind::Ephemeral)?,
    ];
    let base = ObjectId([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0x0f1e_2d3c_4b5a_6978]);
    for (base, flush) in [(base, true), (ObjectId::default(), false)] {
        for pool in pools {
            for number in 0..HANDLES {
                rig.put(handle(pool, base, number), content(pool, number))?;
            }
        }
        for pool in pools {
            for number in (0..HANDLES).rev() {
                rig.get_hit(handle(pool, base, number), content(pool, number))?;
            }
        }
        // A flush of one takes that one only.
        if flush {
            let persistent = pools[1];
            for number in (0..HANDLES).step_by(2) {
                let answer = rig.flush_page(handle(persistent, base, number));
                expect("flush", answer, statuses::SUCCESS)?;
            }
            for number in 0..HANDLES {
                let handle = handle(persistent, base, number);
                if number % 2 == 0 {
                    rig.get_none("get after flush", handle, statuses::NOTHING)?;
                } else {
                    rig.get_hit(handle, content(persistent, number))?;
                }
            }
        }
    }
    Ok(())
}

fn handle(pool_id: u32, base: ObjectId, number: u32) -> Handle {
    let mut object = base;
    let mut index = PageIndex(5);
    match number {
        0..192 => {
            let word = object.0.get_mut(number as usize / 64);
            word.into_iter().for_each(|word| *word ^= 1 << (number % 64));
        }
        192..200 => {
            let found = INDEXES.get(number as usize - 192);
            index = PageIndex(found.copied().unwrap_or_default());
        }
        // Away from `INDEXES`: no two handles may be the same.
        _ => index = PageIndex(0x0a5a_5a55 ^ 1 << (number % 32)),
    }
    Handle { pool_id, object, index }
}

fn content(pool: u32, number: u32) -> Content {
    Content::of(5, u64::from(pool) << 16 | u64::from(number))
}

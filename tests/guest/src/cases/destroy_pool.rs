//! **Checks** DESTROY_POOL (R22, R7, P43, P44): 1 for a live pool, 0 for an empty slot and for every
//! id out of range; afterwards the id is free, and a pool made anew in it is empty.
//!
//! **Why:** a file system that is unmounted and mounted again must not see pages of before.
//!
//! **A broken host** indexes beyond its table with an id like 16 or -1, or lets old pages through.

use super::Case;
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case =
    Case::new("destroy-pool", "DESTROY_POOL answers 1 or 0 and leaves nothing readable", run);

fn run(rig: &mut Rig) -> CaseResult {
    for id in [0, 15, 16, 17, 255, 256, 65_536, 1 << 31, (1 << 31) + 1, u32::MAX - 1, u32::MAX] {
        let answer = rig.destroy_pool(id);
        if answer != statuses::NOTHING {
            fail!("destroy of pool {id}, which does not exist: answered {answer}, not 0");
        }
    }
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        for index in 0..50 {
            rig.put(at(pool, u64::from(index) / 7, index), Content::of(2, u64::from(index)))?;
        }
        expect("destroy", rig.destroy_pool(pool), statuses::SUCCESS)?;
        expect("destroy, again", rig.destroy_pool(pool), statuses::NOTHING)?;
        rig.get_none("get on a destroyed pool", at(pool, 0, 0), statuses::NO_DEVICE)?;

        expect("NEW_POOL", i64::from(rig.new_pool(kind)?), i64::from(pool))?;
        rig.get_none("get on a pool made anew", at(pool, 0, 0), statuses::EMPTY)?;
        rig.put(at(pool, 99, 99), Content(1))?;
        for index in 0..50 {
            let old = at(pool, u64::from(index) / 7, index);
            rig.get_none("get of a page of the pool before", old, statuses::NOTHING)?;
        }
        expect("destroy", rig.destroy_pool(pool), statuses::SUCCESS)?;
    }
    Ok(())
}

//! **Checks** that memory which ephemeral pages fill goes back to Xen when it needs it: the guest
//! fills the host and then takes all frames again that it had given back, one by one, and each is
//! there; persistent pages survive it (R11, P19, P65).
//!
//! **Why:** ephemeral pages lie in memory that nobody needs. Xen's allocator must get it where it would
//! fail otherwise, or a host with tmem is a host on which nothing can be started.
//!
//! **A broken host** refuses the frames, or takes them from pages that are to stay.

use super::Case;
use super::script::{flood, more_than_fits};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::verdict::CaseResult;

pub(super) const CASE: Case = Case::small(
    "reclaim-balloon",
    "memory filled with ephemeral pages is there for a domain that balloons up",
    run,
);

/// Persistent pages, and frames that stay given back for them and their metadata.
const PERSISTENT: u32 = 500;
const ROOM_LEFT: usize = 1000;

fn run(rig: &mut Rig) -> CaseResult {
    let persistent = rig.new_pool(Kind::Persistent)?;
    for index in 0..PERSISTENT {
        rig.put(at(persistent, 0, index), Content::of(2, u64::from(index)))?;
    }
    let ephemeral = rig.new_pool(Kind::Ephemeral)?;
    let page = |number: u32| at(ephemeral, u64::from(number / 64), number % 64);
    flood(rig, more_than_fits(), page)?;

    let left = rig.balloon.set_room(ROOM_LEFT);
    if left != ROOM_LEFT {
        fail!("on a host full of ephemeral pages {left} frames stayed out of reach, not {ROOM_LEFT}");
    }
    for index in 0..PERSISTENT {
        rig.get_hit(at(persistent, 0, index), Content::of(2, u64::from(index)))?;
    }
    // What is left of the others is what it was.
    for number in 0..more_than_fits() {
        rig.get_maybe(page(number), Content::of(1, u64::from(number)))?;
    }
    Ok(())
}

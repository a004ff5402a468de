//! **Checks** that pages scattered over the whole range of indexes and over thousands of objects
//! are all stored and found (R1, P21).
//!
//! **Why:** such handles cost the most bookkeeping, and a guest may choose them so. What they cost
//! must be bounded: half of the room must still hold pages.
//!
//! **A broken host** loses pages where its index grows, or lets bookkeeping eat the room.

use super::Case;
use crate::fail;
use crate::plain::content::Content;
use crate::plain::rng::mix;
use crate::rig::{Kind, ROOM, Rig, at, statuses};
use crate::verdict::CaseResult;
use hypercall_abi::Handle;

pub(super) const CASE: Case = Case::bulk(
    "sparse-indexes",
    "scattered indexes and objects are stored, found, and cost a bounded share of the room",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    #[expect(clippy::cast_possible_truncation, reason = "the room is a few thousand frames")]
    let wanted = ROOM as u32 / 2;
    for shape in [Shape::OneObject, Shape::ManyObjects] {
        let pool = rig.new_pool(Kind::Persistent)?;
        for number in 0..wanted {
            let content = Content::of(rig.seed, u64::from(number));
            let answer = rig.try_put(shape.handle(pool, number), content);
            if answer != statuses::SUCCESS {
                fail!("{shape:?}: put {number} answered {answer}, in a room of {ROOM} frames");
            }
        }
        for number in (0..wanted).rev() {
            let content = Content::of(rig.seed, u64::from(number));
            rig.get_hit(shape.handle(pool, number), content)?;
        }
        rig.destroy_pool(pool);
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// One object, indexes all over the 32 bits.
    OneObject,
    /// An object for each page, each at another index.
    ManyObjects,
}

impl Shape {
    fn handle(self, pool: u32, number: u32) -> Handle {
        // An odd factor permutes the 32-bit numbers: no two indexes are the same.
        let index = number.wrapping_mul(0x9e37_79b1);
        match self {
            Self::OneObject => at(pool, 1, index),
            Self::ManyObjects => at(pool, mix(u64::from(number)), index),
        }
    }
}

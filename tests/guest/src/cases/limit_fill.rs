//! **Checks** that a persistent pool takes about as many pages as the domain gave frames back, then
//! answers -12; that those stored stay readable and the refused one is not; and that flushing some
//! gives room for as many at once (R48, R49, R13).
//!
//! **Why:** this is the bargain of persistent pools: give memory back, get as much to keep pages in.
//!
//! **A broken host** stores more than the room, much less, or keeps the room after a flush.

use super::{Case, script::fill};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{NO_MEMORY, NOTHING, SUCCESS}};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case = Case::new(
    "limit-fill",
    "a persistent pool holds what the room allows, then -12; flushing makes room at once",
    run,
);

/// Frames of room.
const ROOM: u32 = 2000;

fn run(rig: &mut Rig) -> CaseResult {
    rig.balloon.set_room(ROOM as usize);
    let pool = rig.new_pool(Kind::Persistent)?;
    let stored = fill(rig, pool, 0)?;
    if !(ROOM / 8 * 7..=ROOM).contains(&stored) {
        fail!("{stored} pages were stored in a room of {ROOM} frames");
    }
    rig.get_none("get of the page that was refused", at(pool, 0, stored), NOTHING)?;
    for index in 0..stored {
        rig.get_hit(at(pool, 0, index), Content::of(0, u64::from(index)))?;
    }

    for index in 0..100 {
        expect("flush", rig.flush_page(at(pool, 0, index)), SUCCESS)?;
    }
    for index in 0..100 {
        let answer = rig.try_put(at(pool, 0, index), Content::of(1, u64::from(index)));
        if answer != SUCCESS {
            fail!("put {index} of 100, after 100 pages were flushed: answered {answer}");
        }
    }
    let more = fill(rig, pool, stored)? - stored;
    if stored + more > ROOM || more > 8 {
        fail!("{stored} pages fitted; after flush and put of 100 of them {more} more did");
    }
    expect("put", rig.try_put(at(pool, 7, 7), Content(1)), NO_MEMORY)?;
    for index in 0..stored {
        let content = Content::of(u64::from(index < 100), u64::from(index));
        rig.get_hit(at(pool, 0, index), content)?;
    }
    Ok(())
}

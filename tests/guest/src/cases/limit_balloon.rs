//! **Checks** the limit in both directions: giving more frames back makes room for more pages, and
//! while pages are stored Xen does not give the domain those frames again (R48).
//!
//! **Why:** the sum counts. A host that tests it only in a put lets the guest fill the pool first and
//! grow afterwards.
//!
//! **A broken host** lets guest memory and persistent pages together exceed the domain's maximum.

use super::{Case, script::fill};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::SUCCESS};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case = Case::new(
    "limit-balloon",
    "guest memory and persistent pages together stay within the maximum, both ways",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    rig.balloon.set_room(1000);
    let pool = rig.new_pool(Kind::Persistent)?;
    let first = fill(rig, pool, 0)?;
    rig.balloon.set_room(1500);
    let second = fill(rig, pool, first)?;
    let more = second - first;
    if !(400..=500).contains(&more) {
        fail!("500 frames given back made room for {more} pages");
    }

    let room = rig.balloon.set_room(0);
    if room < second as usize {
        fail!("{second} persistent pages stored, but Xen left only {room} frames with them");
    }
    for index in 0..second {
        rig.get_hit(at(pool, 0, index), Content::of(0, u64::from(index)))?;
    }

    // What is flushed can be had as memory at once, and what is destroyed too.
    for index in 0..200 {
        expect("flush", rig.flush_page(at(pool, 0, index)), SUCCESS)?;
    }
    let after_flush = rig.balloon.set_room(0);
    if after_flush + 200 > room {
        fail!("200 pages were flushed, but only {} frames came back", room - after_flush);
    }
    expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
    let left = rig.balloon.set_room(0);
    if left != 0 {
        fail!("after the pool was destroyed {left} frames stayed out of reach");
    }
    Ok(())
}

//! **Checks** a guest that never comes back to a long call: interrupted in the middle, it changes the
//! operation in its memory to another one. That one is carried out; what was begun can be finished
//! by a call of its own, and frees all room then; a half-destroyed pool stays out of reach until
//! then (R7, R22, R49, P29).
//!
//! **Why:** Xen reads the operation again for each slice. A host that remembers half a call somewhere
//! trusts the guest to finish it.
//!
//! **A broken host** answers for the wrong operation, lets half a pool be used, or loses its room.

use super::Case;
use super::script::{in_the_middle, put_many};
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{EMPTY, NO_DEVICE, SUCCESS}};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::Op;

pub(super) const CASE: Case = Case::new(
    "abandoned-calls",
    "a long call that the guest turns into another one is left in order",
    run,
);

/// Pages in a pool: two such pools don't fit into the room.
const PAGES: u32 = 7000;

fn run(rig: &mut Rig) -> CaseResult {
    in_the_middle("flush of an object", || flush_that_becomes_a_put(rig))?;
    in_the_middle("destruction of a pool", || destroy_that_becomes_a_put(rig))
}

/// Each page is there, or it is not. Whether the flush was interrupted in the middle.
fn flush_that_becomes_a_put(rig: &mut Rig) -> CaseResult<bool> {
    let other = at(rig.new_pool(Kind::Ephemeral)?, 1, 1);
    let pool = rig.new_pool(Kind::Persistent)?;
    let put = Op::PutPage { handle: other, cmfn: rig.pages.source_mfn() }.encode();
    put_many(rig, pool, PAGES)?;
    rig.pages.fill_source(Content(1));
    let flush = Op::FlushObject { pool_id: pool, object: at(pool, 0, 0).object }.encode();
    let found = rig.events.interrupt(&flush, &[], Some(put));
    if found.in_the_middle {
        expect("the put that took the flush's place", found.answer, SUCCESS)?;
        rig.get_hit(other, Content(1))?;
        for index in 0..PAGES {
            rig.get_maybe(at(pool, 0, index), Content::of(3, u64::from(index)))?;
        }

        // Flushed to the end, all of its room is free.
        expect("flush, to the end", rig.flush_object(at(pool, 0, 0)), SUCCESS)?;
        rig.get_none("get after the flush", at(pool, 0, PAGES - 1), EMPTY)?;
        put_many(rig, pool, PAGES)?;
    }
    for pool in [other.pool_id, pool] {
        expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
    }
    Ok(found.in_the_middle)
}

/// The pool stays out of reach until its destruction is finished. Whether that was interrupted in
/// the middle.
fn destroy_that_becomes_a_put(rig: &mut Rig) -> CaseResult<bool> {
    let other = at(rig.new_pool(Kind::Ephemeral)?, 1, 1);
    let pool = rig.new_pool(Kind::Persistent)?;
    let put = Op::PutPage { handle: other, cmfn: rig.pages.source_mfn() }.encode();
    put_many(rig, pool, PAGES)?;
    rig.pages.fill_source(Content(2));
    let destroy = Op::DestroyPool { pool_id: pool }.encode();
    let found = rig.events.interrupt(&destroy, &[], Some(put));
    if !found.in_the_middle {
        for pool in [other.pool_id, pool] {
            rig.destroy_pool(pool);
        }
        return Ok(false);
    }
    expect("the put that took the destroy's place", found.answer, SUCCESS)?;
    rig.get_hit(other, Content(2))?;

    rig.get_none("get on a half-destroyed pool", at(pool, 0, 0), NO_DEVICE)?;
    let next = rig.new_pool(Kind::Persistent)?;
    expect("NEW_POOL meanwhile", i64::from(next), i64::from(pool) + 1)?;
    expect("destroy, to the end", rig.destroy_pool(pool), SUCCESS)?;
    // All of its room is free.
    put_many(rig, next, PAGES)?;
    for pool in [other.pool_id, next] {
        expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
    }
    Ok(true)
}

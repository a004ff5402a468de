//! **Measures** what an operation costs, in ticks of the cycle counter: thousands of calls of each
//! kind in a row, the frames of the guest by turns. Every answer is checked, and what gets deliver.
//!
//! **Why:** under an emulator that counts instructions the figures are the same in every run, on any
//! machine. The order of the rows, the loop and the frames are those of the measurements of the
//! original, so that the two can be compared.
//!
//! **A broken host** answers wrongly or delivers wrong data; a slow one shows in the figures, which
//! `cargo xtask bench --xen` reads.

use super::Case;
use crate::rig::meter::{CALLS, Call, count, count_null, count_some};
use crate::rig::statuses::{EMPTY, NOTHING, SUCCESS};
use crate::rig::{Kind, RING_PAGES, Rig, Ring};
use crate::verdict::{CaseResult, expect};
use crate::{fail, give_up, say};
use hypercall_abi::command::{FLUSH_OBJECT, FLUSH_PAGE, GET_PAGE, PUT_PAGE};

pub(super) const CASE: Case =
    Case::price("price", "what each operation costs, in ticks of the cycle counter", run);

/// Factor of the permuted order: call i visits page (i * 1237) mod 4000.
const STRIDE: u32 = 1237;
/// Pages of an object, where there are many.
const OBJECT_PAGES: u32 = 8;
/// Room for a persistent pool of twice as many pages as there are calls.
const ROOM: usize = 10_000;
/// An object that is not there.
const NO_OBJECT: u64 = 2;

fn run(rig: &mut Rig) -> CaseResult {
    let Some(ring) = Ring::take(&rig.balloon) else { give_up!("the ring has no frames") };
    if rig.balloon.set_room(ROOM) != ROOM {
        give_up!("could not give {ROOM} frames back");
    }
    tell("null", count_null());
    persistent(rig, &ring)?;
    ephemeral(rig, &ring)
}

/// One object of a persistent pool.
fn persistent(rig: &Rig, ring: &Ring) -> CaseResult {
    let pool = rig.new_pool(Kind::Persistent)?;
    let call = |command| Call::new(command, pool, 1);
    let in_order = |number: u32, call: &mut Call| {
        call.set_index(number);
        call.set_frame(ring.mfn(number));
    };
    let permuted = |number: u32, call: &mut Call| {
        call.set_index(permute(number));
        call.set_frame(ring.mfn(number));
    };
    let behind = |number: u32, call: &mut Call| {
        call.set_index(CALLS + number);
        call.set_frame(ring.mfn(number));
    };

    tell("empty_get", count("get", call(GET_PAGE), EMPTY, in_order)?);
    ring.fill(1);
    tell("first_put", count("put", call(PUT_PAGE), SUCCESS, in_order)?);
    tell("get", count("get", call(GET_PAGE), SUCCESS, permuted)?);
    check_ring(ring, 1, permute)?;
    ring.fill(2);
    tell("duplicate_put", count("put", call(PUT_PAGE), SUCCESS, permuted)?);
    let absent = Call::new(GET_PAGE, pool, NO_OBJECT);
    tell("miss_no_object", count("get", absent, NOTHING, permuted)?);
    tell("miss_no_index", count("get", call(GET_PAGE), NOTHING, behind)?);
    if (0..RING_PAGES).any(|turn| !ring.holds(turn, 2, turn)) {
        fail!("a put or a miss wrote into the guest's frame");
    }
    // The put of page (i * 1237) mod 4000 was made from frame i mod 16.
    count("get", call(GET_PAGE), SUCCESS, permuted)?;
    check_ring(ring, 2, |number| number)?;
    tell("flush_page", count("flush", call(FLUSH_PAGE), SUCCESS, permuted)?);
    expect("get on a flushed pool", call(GET_PAGE).send(), EMPTY)?;
    tell("put", count("put", call(PUT_PAGE), SUCCESS, in_order)?);
    tell("next_put", count("put", call(PUT_PAGE), SUCCESS, behind)?);
    expect("destroy", rig.destroy_pool(pool), SUCCESS)
}

/// Objects of eight pages of an ephemeral pool.
fn ephemeral(rig: &Rig, ring: &Ring) -> CaseResult {
    let pool = rig.new_pool(Kind::Ephemeral)?;
    let call = |command| Call::new(command, pool, 0);
    let in_order = |number: u32, call: &mut Call| {
        call.set_object(object(number));
        call.set_index(number % OBJECT_PAGES);
        call.set_frame(ring.mfn(number));
    };
    let objects = |number: u32, call: &mut Call| call.set_object(object(number * OBJECT_PAGES));

    ring.fill(3);
    tell("put_ephemeral", count("put", call(PUT_PAGE), SUCCESS, in_order)?);
    tell("exclusive_get", count("get", call(GET_PAGE), SUCCESS, in_order)?);
    check_ring(ring, 3, |number| number)?;
    expect("get on a pool that was read out", call(GET_PAGE).send(), EMPTY)?;
    tell("put_ephemeral_again", count("put", call(PUT_PAGE), SUCCESS, in_order)?);
    let nr_objects = CALLS / OBJECT_PAGES;
    let flush = count_some(nr_objects, "flush", call(FLUSH_OBJECT), SUCCESS, objects)?;
    tell_some("flush_object", flush, nr_objects);
    expect("get on a flushed pool", call(GET_PAGE).send(), EMPTY)?;
    expect("destroy", rig.destroy_pool(pool), SUCCESS)
}

const fn permute(number: u32) -> u32 {
    number * STRIDE % CALLS
}

/// The object of page `number` of the ephemeral pool.
const fn object(number: u32) -> u64 {
    1000 + (number / OBJECT_PAGES) as u64
}

/// The last calls' gets have left in the ring what was put there, with `tag`: the page of call
/// `number` from the frame of call `source(number)`.
fn check_ring(ring: &Ring, tag: u64, source: impl Fn(u32) -> u32) -> CaseResult {
    match (CALLS - RING_PAGES..CALLS).find(|&number| !ring.holds(number, tag, source(number))) {
        Some(number) => fail!("get number {number} delivered wrong data"),
        None => Ok(()),
    }
}

/// A line for whoever reads the log.
fn tell(op: &str, ticks: u64) {
    tell_some(op, ticks, CALLS);
}

/// The same for another number of calls.
fn tell_some(op: &str, ticks: u64, calls: u32) {
    say!("tmem-guest: price {op} {ticks} ticks {calls} calls");
}

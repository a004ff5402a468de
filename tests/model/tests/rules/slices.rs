//! Long calls in slices: each frees a bounded number of pages, takes effect at once, and can be
//! gone on with, mixed with other calls, or forgotten.
//!
//! That no slice frees more than 32 frames is checked by `World` for every call of every test.

use hypercall_abi::{ObjectId, Op, Uuid};
use tmem_host_sim::Content;
use tmem_model_tests::{FREED_PER_SLICE_MAX, World, answer, at, flags};
use tmem_service::{DomainId, Outcome, Progress};

const FLUSH: Op = Op::FlushObject { pool_id: 0, object: ObjectId([1, 0, 0]) };
const DESTROY: Op = Op::DestroyPool { pool_id: 0 };

/// A world in which domain 1 has a pool 0 with `nr_pages` pages in object 1.
fn world_with(pool: u32, nr_pages: u32) -> World {
    let mut world = World::with_frames(4000);
    assert!(world.set_auth(1, Uuid([7, 0]), true));
    assert_eq!(world.new_pool(1, pool, 7), 0);
    for index in 0..nr_pages {
        assert_eq!(world.put(1, at(0, 1, index), Content::Unique(index)), 1);
    }
    world
}

/// Makes slices until the call is done; returns their number and the answer.
fn slices(world: &mut World, op: Op) -> (usize, i64) {
    for nr_slices in 1.. {
        if let Outcome::Done(status) = world.slice(1, op, Content::ZERO) {
            return (nr_slices, status.encode());
        }
    }
    unreachable!("a call ends")
}

#[test]
fn r69_p29_the_longest_slice_is_the_same_for_small_and_for_large_pools() {
    for (op, pool) in
        [(FLUSH, flags::EPHEMERAL), (DESTROY, flags::EPHEMERAL), (DESTROY, flags::PERSISTENT)]
    {
        for nr_pages in [0, 1, 64, 65, 200, 1000] {
            let mut world = world_with(pool, nr_pages);
            let (nr_slices, answer) = slices(&mut world, op);
            assert_eq!(answer, 1);
            let nr_pages = usize::try_from(nr_pages).expect("a small number");
            assert!(nr_slices >= nr_pages / FREED_PER_SLICE_MAX);
            // Progress: slices that free little are few.
            let nr_slices_max = nr_pages / 16 + 64;
            assert!(nr_slices <= nr_slices_max, "{nr_slices} slices for {nr_pages} pages");
            assert_eq!(world.host().nr_frames_out(), 0);
        }
    }
}

#[test]
fn a_flush_takes_effect_with_its_first_slice() {
    let mut world = world_with(flags::PERSISTENT, 300);
    assert_eq!(world.slice(1, FLUSH, Content::ZERO), Outcome::Again);
    assert!(world.host().nr_frames_out() > 0, "memory comes back later");
    for index in (0..300).step_by(7) {
        assert_eq!(world.get(1, at(0, 1, index)).1, None);
    }
    assert_eq!(slices(&mut world, FLUSH).1, 1);
    assert_eq!(world.host().nr_frames_out(), 0);
}

#[test]
fn a_flush_goes_on_from_the_op_alone_and_flushes_what_was_put_meanwhile() {
    let mut world = world_with(flags::PERSISTENT, 300);
    assert_eq!(world.slice(1, FLUSH, Content::ZERO), Outcome::Again);
    // Another vCPU puts into the same object, into another, and flushes that one.
    assert_eq!(world.put(1, at(0, 1, 5), Content::Unique(1005)), 1);
    assert_eq!(world.put(1, at(0, 2, 5), Content::Unique(2005)), 1);
    assert_eq!(world.get(1, at(0, 1, 5)), (1, Some(Content::Unique(1005))));
    assert_eq!(world.flush_object(1, 0, 3), 1);
    let (_, answer) = slices(&mut world, FLUSH);
    assert_eq!(answer, 1);
    assert_eq!(world.get(1, at(0, 1, 5)), (0, None), "the call that went on is a new flush");
    assert_eq!(world.get(1, at(0, 2, 5)), (1, Some(Content::Unique(2005))));
    assert_eq!(world.host().nr_frames_out(), 1);
}

#[test]
fn a_flush_of_a_frozen_client_says_so_after_its_last_slice() {
    let mut world = world_with(flags::PERSISTENT, 300);
    assert!(world.set_frozen(1, true));
    assert_eq!(slices(&mut world, FLUSH).1, answer::FROZEN);
    assert_eq!(world.host().nr_frames_out(), 0);
}

#[test]
fn a_flush_that_is_never_gone_on_with_leaks_nothing() {
    for pool in [flags::PERSISTENT, flags::EPHEMERAL, flags::SHARED] {
        let mut world = world_with(pool, 300);
        assert_eq!(world.slice(1, FLUSH, Content::ZERO), Outcome::Again);
        for index in 0..100 {
            assert_eq!(world.put(1, at(0, 1, index), Content::Unique(1000 + index)), 1);
        }
        for index in 0..100 {
            assert_eq!(world.get(1, at(0, 1, index)).1, Some(Content::Unique(1000 + index)));
        }
        assert_eq!(world.destroy(1, 0), 1);
        assert_eq!(world.host().nr_frames_out(), 0);
        assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
    }
}

#[test]
fn a_dying_pool_answers_no_device_and_keeps_its_id_until_the_last_slice() {
    let mut world = world_with(flags::EPHEMERAL, 300);
    assert_eq!(world.slice(1, DESTROY, Content::ZERO), Outcome::Again);
    assert_eq!(world.put(1, at(0, 1, 1), Content::ZERO), answer::NO_DEVICE);
    assert_eq!(world.get(1, at(0, 1, 1)).0, answer::NO_DEVICE);
    assert_eq!(world.flush(1, at(0, 1, 1)), answer::NO_DEVICE);
    assert_eq!(world.flush_object(1, 0, 1), answer::NO_DEVICE);
    assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), 1, "not the dying pool's id");
    assert_eq!(world.put(1, at(1, 1, 1), Content::Unique(1)), 1);
    assert_eq!(slices(&mut world, DESTROY).1, 1);
    assert_eq!(world.destroy(1, 0), 0);
    assert_eq!(world.new_pool(1, flags::PERSISTENT, 0), 0);
    assert_eq!(world.get(1, at(0, 1, 1)).0, answer::EMPTY);
    assert_eq!(world.get(1, at(1, 1, 1)), (1, Some(Content::Unique(1))));
}

#[test]
fn a_dying_pool_counts_against_the_16() {
    let mut world = world_with(flags::EPHEMERAL, 300);
    for id in 1..16 {
        assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), id);
    }
    assert_eq!(world.slice(1, DESTROY, Content::ZERO), Outcome::Again);
    assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), answer::NOT_PERMITTED);
    assert_eq!(slices(&mut world, DESTROY).1, 1);
    assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), 0);
}

#[test]
fn charges_fall_as_frames_are_freed() {
    let mut world = world_with(flags::PERSISTENT, 300);
    let mut before = world.host().domain(DomainId(1)).nr_charged();
    assert!(before >= 300);
    while world.slice(1, DESTROY, Content::ZERO) == Outcome::Again {
        let now = world.host().domain(DomainId(1)).nr_charged();
        let nr_frames = u32::try_from(world.host().nr_frames_out()).expect("few frames");
        assert!(now >= nr_frames, "charged {now} for {nr_frames} frames");
        assert!(now <= before);
        before = now;
    }
    assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
}

#[test]
fn a_pool_whose_destruction_is_never_finished_goes_with_its_domain() {
    for pool in [flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED] {
        let mut world = world_with(pool, 300);
        assert_eq!(world.slice(1, DESTROY, Content::ZERO), Outcome::Again);
        world.destroy_domain(1);
        assert_eq!(world.host().nr_frames_out(), 0);
        assert_eq!(world.audit().pools, 0);
    }
}

#[test]
fn r69_p29_the_death_of_a_domain_is_sliced_and_others_go_on() {
    let mut world = world_with(flags::PERSISTENT, 500);
    world.new_pool(2, flags::EPHEMERAL, 0);
    world.kill(1);
    let mut nr_slices = 0;
    while world.destroy_domain_slice(1) == Progress::More {
        nr_slices += 1;
        assert_eq!(world.put(2, at(0, 1, nr_slices), Content::Unique(nr_slices)), 1);
        assert_eq!(world.get(1, at(0, 1, 1)).0, answer::NO_DEVICE);
    }
    assert!(nr_slices >= 7);
    for index in 1..=nr_slices {
        assert_eq!(world.get(2, at(0, 1, index)), (1, Some(Content::Unique(index))));
    }
    assert_eq!(
        world.service().destroy_domain(DomainId(1)),
        Progress::Done,
        "once more is harmless"
    );
}

#[test]
fn r36_a_leavers_objects_are_gone_from_the_first_slice_on() {
    let mut world = world_with(flags::SHARED, 300);
    assert!(world.set_auth(2, Uuid([7, 0]), true));
    assert_eq!(world.new_pool(2, flags::SHARED, 7), 0);
    for object in 100..400 {
        assert_eq!(world.put(1, at(0, object, 0), Content::Unique(1)), 1);
        assert_eq!(world.put(2, at(0, 1000 + object, 0), Content::Unique(2)), 1);
    }
    let mut nr_slices = 0;
    while world.slice(1, DESTROY, Content::ZERO) == Outcome::Again {
        nr_slices += 1;
        let object = 100 + 31 * nr_slices % 300;
        assert_eq!(world.get(2, at(0, object, 0)), (0, None));
        assert_eq!(world.get(2, at(0, 1000 + object, 0)), (1, Some(Content::Unique(2))));
        // What the leaver had, the stayer may put anew, and keeps.
        assert_eq!(world.put(2, at(0, object, 0), Content::Unique(3)), 1);
        assert_eq!(world.put(1, at(0, object, 0), Content::Unique(4)), answer::NO_DEVICE);
    }
    assert!(nr_slices >= 7);
    for slice in 1..=nr_slices {
        let object = 100 + 31 * slice % 300;
        assert_eq!(world.get(2, at(0, object, 0)), (1, Some(Content::Unique(3))));
    }
    assert_eq!(world.audit().ephemeral_pages, 300 + nr_slices.min(300));
}

#[test]
fn a_shared_pool_half_destroyed_can_be_made_anew() {
    let mut world = world_with(flags::SHARED, 300);
    assert_eq!(world.slice(1, DESTROY, Content::ZERO), Outcome::Again);
    assert!(world.set_auth(2, Uuid([7, 0]), true));
    assert_eq!(world.new_pool(2, flags::SHARED, 7), 0);
    assert_eq!(world.get(2, at(0, 1, 1)).0, answer::EMPTY);
    assert_eq!(world.put(2, at(0, 1, 1), Content::Unique(9)), 1);
    assert_eq!(slices(&mut world, DESTROY).1, 1);
    assert_eq!(world.get(2, at(0, 1, 1)), (1, Some(Content::Unique(9))));
}

#[test]
fn dead_pages_give_their_frames_to_whoever_needs_them() {
    let mut world = world_with(flags::EPHEMERAL, 300);
    assert_eq!(world.slice(1, FLUSH, Content::ZERO), Outcome::Again);
    world.host().leave_frames(0);
    world.new_pool(2, flags::EPHEMERAL, 0);
    for index in 0..100 {
        assert_eq!(world.put(2, at(0, 1, index), Content::Unique(index)), 1);
    }
    for index in 0..100 {
        assert_eq!(world.get(2, at(0, 1, index)), (1, Some(Content::Unique(index))));
    }
}

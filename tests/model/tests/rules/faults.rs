//! Every failure that the host can have, at every place where it can have it: R71, P52, P38.

use hypercall_abi::Uuid;
use tmem_host_sim::{Content, DomainSpec, Fault, SimHost};
use tmem_model_tests::{World, answer, at, flags};

/// Calls that reach every kind of memory: clients, pools, objects, pages, duplicates, shared pools,
/// eviction, long calls, death. Answers are judged by the model.
fn exercise(world: &mut World) {
    for domain in [1, 2] {
        world.set_auth(domain, Uuid([7, 0]), true);
        for flags in [flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED] {
            world.new_pool(domain, flags, 7);
        }
        for pool in 0..3 {
            for number in 0..12 {
                let handle = at(pool, u64::from(number % 5), number << 5);
                world.put(domain, handle, Content::Unique(number));
                world.put(domain, handle, Content::Unique(100 + number));
                world.get(domain, handle);
            }
        }
    }
    for number in 0..12 {
        world.get(1, at(2, u64::from(number % 5), number << 5));
        world.flush(2, at(2, u64::from(number % 5), number << 5));
    }
    world.flush_object(1, 1, 2);
    world.destroy(2, 0);
    world.destroy(1, 2);
    world.destroy_domain(1);
    world.create_domain(DomainSpec::new(1));
    world.new_pool(1, flags::PERSISTENT, 0);
    world.put(1, at(0, 1, 1), Content::Unique(1));
    world.get(1, at(0, 1, 1));
    world.audit();
}

/// Runs `exercise` on hosts of `nr_frames` frames with the first call of `kind` failing, then with
/// the second, and so on until no fault strikes any more. Returns how many struck.
fn sweep(kind: Fault, nr_frames: usize) -> u64 {
    for nth in 1.. {
        let builder = SimHost::builder().frames(nr_frames);
        let mut world = World::new(builder.domain(DomainSpec::new(1)).domain(DomainSpec::new(2)));
        world.host().fail_nth(kind, nth);
        exercise(&mut world);
        if world.host().fired(kind) == 0 {
            return nth - 1;
        }
        // Whatever failed, the next calls find everything in order (P38: no lock is left held).
        world.host().heal();
        assert_eq!(world.put(1, at(0, 1, 1), Content::Unique(7)), 1);
        assert_eq!(world.get(1, at(0, 1, 1)), (1, Some(Content::Unique(7))));
    }
    unreachable!("the exercise ends")
}

#[test]
fn r71_p52_every_frame_request_may_fail() {
    assert!(sweep(Fault::Frame, 200) >= 100);
    assert!(sweep(Fault::Frame, 25) >= 100);
}

#[test]
fn r71_p52_every_metadata_request_may_fail() {
    assert!(sweep(Fault::Metadata, 200) >= 10);
}

#[test]
fn r71_p52_every_charge_may_fail() {
    assert!(sweep(Fault::Charge, 200) >= 24);
}

#[test]
fn r71_p64_every_copy_in_may_fail() {
    assert!(sweep(Fault::CopyIn, 200) >= 100);
}

#[test]
fn r71_p39_p64_every_copy_out_may_fail() {
    assert!(sweep(Fault::CopyOut, 200) >= 40);
}

#[test]
fn r71_every_spare_may_be_missing() {
    assert!(sweep(Fault::Spare, 8) >= 1);
}

#[test]
fn r71_whole_kinds_of_memory_may_be_missing_for_long() {
    for first in Fault::ALL {
        for second in Fault::ALL {
            let mut world = World::with_frames(25);
            world.host().fail_all(first);
            world.host().fail_all(second);
            exercise(&mut world);
            world.host().heal();
            exercise_again(&mut world);
        }
    }
}

/// After a bad time everything works again.
fn exercise_again(world: &mut World) {
    let pool = u32::try_from(world.new_pool(3, flags::PERSISTENT, 0)).expect("a pool id");
    for index in 0..5 {
        assert_eq!(world.put(3, at(pool, 1, index), Content::Unique(index)), 1);
    }
    for index in 0..5 {
        assert_eq!(world.get(3, at(pool, 1, index)), (1, Some(Content::Unique(index))));
    }
}

#[test]
fn p7_a_new_pool_without_memory_is_refused_and_leaves_the_slot_free() {
    for flags in [flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED] {
        let mut world = World::roomy();
        assert!(world.set_auth(1, Uuid([7, 0]), true));
        for nth in 1.. {
            world.host().fail_nth(Fault::Metadata, nth);
            let id = world.new_pool(1, flags, 7);
            if world.host().fired(Fault::Metadata) == 0 {
                assert_eq!(id, 0);
                break;
            }
            assert_eq!(id, answer::NO_MEMORY);
            assert_eq!(world.put(1, at(0, 1, 1), Content::ZERO), answer::NO_DEVICE);
            assert_eq!(world.destroy(1, 0), 0);
        }
        world.host().heal();
    }
}

#[test]
fn p38_p48_after_each_error_no_lock_is_held_and_the_next_call_proceeds() {
    // Each error answer once, with a good call behind it; `World` looks after each whether a lock is
    // held.
    tmem_model_tests::check(
        "d1 get 0 1 1                -> -19
         d1 new flags 0              -> -1
         d1 new persistent           -> 0
         d1 get 0 1 1                -> -1001
         d1 put 0 1 1 A              -> 1
         d1 get 0 1 2                -> 0
         d1 get 0 1 1 into bad       -> -14
         d1 get 0 1 1                -> 1 A
         d1 put 0 1 2 B from bad     -> -14
         d1 put 0 1 2 B              -> 1
         d1 put 0 1 2 C from bad     -> -14
         host frames 0
         d1 put 0 1 3 D              -> -12
         host fail frame
         host fail spare
         d1 put 0 1 1 E              -> -28
         host heal
         d1 put 0 1 1 E              -> 1
         d1 freeze                   -> ok
         d1 put 0 1 4 F              -> -1000
         d1 flush 0 1 4              -> -1000
         d1 flush-object 0 4         -> -1000
         d1 command 99 0             -> -38
         d1 command 0 0              -> -95
         d1 thaw                     -> ok
         d1 get 0 1 1                -> 1 E",
    );
}

/// A put that fails half-way through its metadata leaves an empty table in an index of several.
/// Destroying the pool must find it: it is charged to the domain.
#[test]
fn r49_r71_a_table_that_a_failed_put_left_is_given_back() {
    // An index whose pages need two entries for each object: a head and a block.
    const FURTHER: u32 = 64;
    let mut world = World::with_frames(6000);
    world.new_pool(1, flags::PERSISTENT, 0);
    for object in 0..4000 {
        assert_eq!(world.put(1, at(0, object, FURTHER), Content::Same(0)), 1);
    }
    for object in 0..4000 {
        world.flush(1, at(0, object, FURTHER));
    }
    let mut nr_refused = 0;
    for object in 0..200 {
        world.host().fail_nth(Fault::Metadata, 2);
        nr_refused += u32::from(world.put(1, at(0, object, FURTHER), Content::Same(0)) != 1);
        world.host().heal();
        world.flush(1, at(0, object, FURTHER));
    }
    assert!(nr_refused >= 10, "only {nr_refused} puts failed half-way");
    world.audit();
    assert_eq!(world.destroy(1, 0), 1);
    assert_eq!(world.audit().metadata_frames, 0);
}

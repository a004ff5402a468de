//! What a guest can do between two slices of a long call: turn it into another call, go on with it
//! on another thread, or never (R69, P29, P57). A call that goes on is a new call to Xen, so nothing
//! of this may depend on the guest's good will.

use hypercall_abi::{ObjectId, Op, Uuid};
use tmem_host_sim::{Content, on_cpu};
use tmem_model_tests::{World, at, flags, play_in};
use tmem_service::{DomainId, Outcome, Progress};

const KINDS: [u32; 3] = [flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED];
const LONG_CALLS: [Op; 2] =
    [Op::FlushObject { pool_id: 0, object: ObjectId([1, 0, 0]) }, Op::DestroyPool { pool_id: 0 }];
const NR_PAGES: u32 = 200;

/// What the guest does instead of going on, each call to its end.
const TURNS: [&str; 16] = [
    "d1 put 0 1 5 A        # the same object",
    "d1 put 0 1 900 B      # a page of it that was not there",
    "d1 put 0 2 5 C        # another object",
    "d1 get 0 1 5",
    "d1 get 1 1 1          # another pool",
    "d1 flush 0 1 5",
    "d1 flush-object 0 1   # the same call again",
    "d1 flush-object 0 7   # an object that is not there",
    "d1 flush-object 1 1   # one in another pool",
    "d1 destroy 0",
    "d1 destroy 1",
    "d1 destroy 9",
    "d1 new persistent",
    "d1 new shared 7       # the pool itself, if it is shared",
    "d1 freeze\n d1 put 0 1 6 D\n d1 thaw\n d1 put 0 1 6 E",
    "d1 destroy 0\n d1 new ephemeral\n d1 put 0 1 5 F",
];

/// How the long call goes on.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Never,
    Here,
    OnAnotherThread,
}

/// Domain 1 has pool 0 of `kind` with a large object, and pool 1 with a page; domain 2 shares pool
/// 0 if that can be, and has a page there.
fn world_of(kind: u32) -> World {
    let mut world = World::with_frames(1000);
    for domain in [1, 2] {
        assert!(world.set_auth(domain, Uuid([7, 0]), true));
    }
    assert_eq!(world.new_pool(1, kind, 7), 0);
    assert_eq!(world.new_pool(1, flags::PERSISTENT, 0), 1);
    assert_eq!(world.new_pool(2, kind, 7), 0);
    for index in 0..NR_PAGES {
        assert_eq!(world.put(1, at(0, 1, index), Content::Unique(100 + index)), 1);
    }
    assert_eq!(world.put(1, at(1, 1, 1), Content::Unique(10)), 1);
    assert_eq!(world.put(2, at(0, 3, 1), Content::Unique(11)), 1);
    world
}

/// Makes slices of domain 1's call until it is done.
fn finish(world: &mut World, op: Op) {
    while world.slice(1, op, Content::ZERO) == Outcome::Again {}
}

#[test]
fn r69_p29_a_long_call_may_turn_into_any_other_and_go_on_anywhere_or_never() {
    for kind in KINDS {
        for long_call in LONG_CALLS {
            for turn in TURNS {
                for rest in [Rest::Never, Rest::Here, Rest::OnAnotherThread] {
                    println!("pool {kind:#x}: {long_call:?}; then {turn}; the rest: {rest:?}");
                    play(kind, long_call, turn, rest);
                }
            }
        }
    }
}

fn play(kind: u32, long_call: Op, turn: &str, rest: Rest) {
    let mut world = world_of(kind);
    assert_eq!(world.slice(1, long_call, Content::ZERO), Outcome::Again);
    play_in(&mut world, turn);
    world.audit();
    match rest {
        Rest::Never => {}
        Rest::Here => finish(&mut world, long_call),
        Rest::OnAnotherThread => {
            let world = &mut world;
            std::thread::scope(|scope| {
                scope.spawn(move || on_cpu(1, || finish(world, long_call)));
            });
        }
    }
    world.audit();
    // The model knows which pages there must be; domain 2 notices nothing.
    for index in (0..NR_PAGES).step_by(9) {
        world.get(1, at(0, 1, index));
    }
    world.get(1, at(1, 1, 1));
    assert_eq!(world.get(2, at(0, 3, 1)), (1, Some(Content::Unique(11))));
    assert_eq!(world.put(2, at(0, 3, 2), Content::Unique(12)), 1);
    assert_eq!(world.get(2, at(0, 3, 2)), (1, Some(Content::Unique(12))));
    // When the world goes, it looks whether anything leaked.
}

/// Ways to the end of everything that domain 1 has: the long calls that it begins, and what it does
/// then.
const ENDINGS: [(&[Op], &str); 7] = [
    (&[], "audit"),
    (&[LONG_CALLS[0]], "audit"),
    (&[LONG_CALLS[1]], "audit"),
    (&LONG_CALLS, "audit"),
    (&[], "d1 destroy 0\n d1 destroy 0"),
    (&[LONG_CALLS[1]], "d1 new shared 7\n d1 put 2 1 1 A\n d1 destroy 2\n d1 destroy 0"),
    (&[LONG_CALLS[0]], "d2 die"),
];

/// `host-sim` fails the test when a frame is freed that is not out, or that is still read.
#[test]
fn p57_whatever_way_a_pool_ends_each_of_its_frames_is_freed_once() {
    for kind in KINDS {
        for (begun, then) in ENDINGS {
            println!("pool {kind:#x}: {begun:?}, then {then}");
            let mut world = world_of(kind);
            for &long_call in begun {
                assert_eq!(world.slice(1, long_call, Content::ZERO), Outcome::Again);
            }
            play_in(&mut world, then);
            world.audit();
            world.kill(1);
            while world.destroy_domain_slice(1) == Progress::More {}
            world.audit();
            assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
            world.destroy_domain(2);
            assert_eq!(world.host().nr_frames_out(), 0);
        }
    }
}

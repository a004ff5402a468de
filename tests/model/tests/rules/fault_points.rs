//! Every call of a script fails at every point where it can, once and from then on, and freezing
//! comes at every point: R71, R53, P52.

use tmem_host_sim::{Builder, Content, DomainSpec, Fault, SimHost};
use tmem_model_tests::{World, at, flags, play_in};

/// Puts, duplicate puts, new pools, joins, gets, flushes: what happens to pools, objects and pages.
/// A step a line; pool 0 is persistent, 1 ephemeral, 2 shared.
const SCRIPT: &str = "d1 allow 7
    d2 allow 7
    d1 new persistent
    d1 new ephemeral
    d1 new shared 7
    d2 new shared 7
    d1 put 0 1 1 A
    d1 put 1 1 1 B
    d1 put 2 1 1 C
    d1 put 0 2 4294967295 D
    d1 put 1 2 4294967295 E
    d1 put 2 2 3 F                # near page 1: who used an object last is known by blocks
    d1 put 0 1 1 G                # duplicates
    d1 put 1 1 1 H
    d1 put 2 1 1 I
    d1 get 0 1 1
    d1 get 1 1 1
    d2 get 0 1 1
    d1 get 1 1 1
    d1 put 1 1 1 J                # new again
    d1 put 0 1 1 K from bad
    d1 put 1 1 9 L from bad
    d1 get 1 1 1 into bad
    d2 put 0 2 1 M
    d1 put 0 5 0 N                # a larger object, its pages far apart
    d1 put 0 5 1048576 O
    d1 put 0 5 2097152 P
    d1 put 1 5 0 Q
    d1 put 1 5 1048576 R
    d1 flush 0 5 1048576
    d1 flush-object 0 5
    d1 flush-object 1 5
    d1 put 0 5 0 S
    d1 get 0 5 0
    d1 destroy 2
    d2 get 0 2 1
    d1 destroy 0
    d1 new persistent
    d1 put 0 1 1 T
    d1 put 0 1 1 U
    d1 get 0 1 1";

/// Hosts with plenty, with little, with metadata among the pages, and with a domain at its maximum.
fn hosts() -> [Builder; 4] {
    let with = |builder: Builder, nr_max| {
        builder.domain(DomainSpec::new(1).max(nr_max)).domain(DomainSpec::new(2))
    };
    [
        with(SimHost::builder().frames(200), u32::MAX),
        with(SimHost::builder().frames(3), u32::MAX),
        with(SimHost::builder().frames(60).metadata_in_frames(), u32::MAX),
        with(SimHost::builder().frames(200), 9),
    ]
}

/// After the bad time everything works again. The books are looked at when the world goes.
fn works_again(world: &mut World) {
    world.host().heal();
    world.set_all_frozen(false);
    for domain in [1, 2] {
        let id = world.new_pool(domain, flags::EPHEMERAL, 0);
        let pool = u32::try_from(id).expect("a pool id");
        assert_eq!(world.put(domain, at(pool, 1, 1), Content::Unique(1)), 1);
        assert_eq!(world.get(domain, at(pool, 1, 1)), (1, Some(Content::Unique(1))));
    }
}

/// How a fault comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coming {
    /// One call fails.
    Once,
    /// It fails, and so do all after it.
    ToStay,
    /// The same, and all other calls fail that a put could turn to.
    WithAllElse,
}

/// Lets the first call of `kind` fail, then the second, and so on, until there are no more such
/// calls; returns how many there were.
fn sweep(host: &Builder, kind: Fault, coming: Coming) -> u64 {
    for nth in 1.. {
        let mut world = World::new(host.clone());
        match coming {
            Coming::Once => world.host().fail_nth(kind, nth),
            Coming::ToStay => world.host().fail_from(kind, nth),
            Coming::WithAllElse => {
                world.host().fail_from(kind, nth);
                world.host().fail_all(if kind == Fault::Spare {
                    Fault::Frame
                } else {
                    Fault::Spare
                });
            }
        }
        let mut has_struck = false;
        for step in SCRIPT.lines() {
            play_in(&mut world, step);
            // An audit takes longer than all else here, so not after every step.
            if !has_struck && world.host().fired(kind) > 0 {
                has_struck = true;
                world.audit();
            }
        }
        works_again(&mut world);
        if !has_struck {
            return nth - 1;
        }
    }
    unreachable!("the script ends")
}

#[test]
fn r71_p52_every_call_of_a_script_fails_once_at_every_point() {
    for (number, host) in hosts().iter().enumerate() {
        for kind in Fault::ALL {
            let nr_points = sweep(host, kind, Coming::Once);
            // Only a host that is short asks for its spare.
            let is_asked_for = kind != Fault::Spare || number == 1;
            assert!(nr_points > 0 || !is_asked_for, "host {number} is never asked for {kind:?}");
        }
    }
}

#[test]
fn r71_p52_every_call_of_a_script_fails_from_every_point_on() {
    for host in &hosts() {
        for kind in Fault::ALL {
            sweep(host, kind, Coming::ToStay);
        }
    }
}

#[test]
fn r71_r5_p3_without_a_spare_every_call_of_a_script_fails_from_every_point_on() {
    for kind in Fault::ALL {
        sweep(&hosts()[0], kind, Coming::WithAllElse);
    }
}

/// Freezes before step `point` of the script, where from then on `missing` fails.
fn freeze_at(host: &Builder, point: usize, missing: Option<Fault>) {
    let mut world = World::new(host.clone());
    for (number, step) in SCRIPT.lines().enumerate() {
        if number == point {
            if point.is_multiple_of(2) {
                world.set_all_frozen(true);
            } else {
                world.set_frozen(1, true);
            }
            if let Some(kind) = missing {
                world.host().fail_all(kind);
            }
        }
        play_in(&mut world, step);
    }
    works_again(&mut world);
}

#[test]
fn r53_r71_freezing_at_every_point_of_a_script_whatever_is_missing() {
    for point in 0..SCRIPT.lines().count() {
        hosts().iter().for_each(|host| freeze_at(host, point, None));
        for kind in Fault::ALL {
            freeze_at(&hosts()[0], point, Some(kind));
        }
    }
}

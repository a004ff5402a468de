//! A pool destroyed, a sharer that leaves, a domain that dies, in the middle of a copy.

use super::*;

#[test]
fn p36_a_pool_destroyed_during_a_get_frees_its_page_when_the_get_ends() {
    for pool in ALL_KINDS {
        let (world, guest, other) = meeting(pool, 100);
        let first = meet(
            &world,
            Direction::Out,
            move || {
                // It may have to wait for the get; it must not take the frame away from it.
                let outcome = other.slice(hypercall_abi::Op::DestroyPool { pool_id: 0 });
                assert!(matches!(outcome, Outcome::Done(_) | Outcome::Again));
                assert_eq!(other.put(PAGE, B), answer::NO_DEVICE);
            },
            || guest.get(PAGE),
        );
        assert!([(1, Some(A)), (answer::NO_DEVICE, None)].contains(&first), "{first:?}");
        guest.destroy(0);
        assert_eq!(world.host().nr_frames_out(), 0);
        assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
        assert_eq!(guest.new_pool(pool, 7), 0);
        assert_eq!(guest.get(PAGE).0, answer::EMPTY);
    }
}

#[test]
fn p36_a_pool_destroyed_and_made_anew_during_a_get_is_another_pool() {
    for pool in ALL_KINDS {
        let (world, guest, other) = meeting(pool, 100);
        let bad = guest.with_frames(0, tmem_model_tests::BAD_GFN);
        meet(
            &world,
            Direction::Out,
            move || {
                let destroy = hypercall_abi::Op::DestroyPool { pool_id: 0 };
                for _ in 0..10 {
                    let _ = other.slice(destroy);
                }
                // The id may be free by now, or not yet.
                let id = other.new_pool(pool, 7);
                assert!(id == 0 || id == 1, "{id}");
                let new = u32::try_from(id).expect("an id");
                assert_eq!(other.put(Handle { pool_id: new, ..PAGE }, B), 1);
            },
            || bad.get(PAGE).0,
        );
        guest.destroy(0);
        guest.destroy(1);
        assert_eq!(world.host().nr_frames_out(), 0);
    }
}

#[test]
fn p2_a_pool_destroyed_during_a_put_takes_nothing_in() {
    for pool in ALL_KINDS {
        for is_made_anew in [false, true] {
            let (world, guest, other) = meeting(pool, 100);
            let answer = meet(
                &world,
                Direction::In,
                move || {
                    assert_eq!(other.destroy(0), 1);
                    if is_made_anew {
                        assert_eq!(other.new_pool(flags::PERSISTENT, 0), 0);
                    }
                },
                || guest.put(PAGE, B),
            );
            if is_made_anew {
                let (got, content) = guest.get(PAGE);
                let expected = if answer == 1 { (1, Some(B)) } else { (answer::EMPTY, None) };
                assert_eq!((got, content), expected);
            } else {
                assert_eq!(answer, answer::NO_DEVICE);
                assert_eq!(world.host().nr_frames_out(), 0);
            }
            guest.destroy(0);
            assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
        }
    }
}

#[test]
fn p36_a_domain_that_dies_during_its_put_leaves_nothing() {
    for pool in ALL_KINDS {
        let (world, guest, _) = meeting(pool, 100);
        let service = world.service().clone();
        let answer = meet(
            &world,
            Direction::In,
            move || {
                destroy_domain(&service, 1);
            },
            || guest.put(at(0, 1, 9), B),
        );
        assert_eq!(answer, answer::NO_DEVICE);
        assert_eq!(world.host().nr_frames_out(), 0);
        assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
    }
}

#[test]
fn p36_a_domain_that_dies_during_its_get_is_destroyed_once_the_get_has_ended() {
    for pool in ALL_KINDS {
        let (world, guest, _) = meeting(pool, 100);
        let service = world.service().clone();
        meet(
            &world,
            Direction::Out,
            move || {
                service.platform().kill_domain(DomainId(1));
                for _ in 0..5 {
                    let _ = service.destroy_domain(DomainId(1));
                }
            },
            || guest.get(PAGE),
        );
        while world.service().destroy_domain(DomainId(1)) == Progress::More {}
        assert_eq!(world.host().nr_frames_out(), 0);
        assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
    }
}

#[test]
fn p36_a_hand_over_during_a_get_and_during_a_put() {
    for direction in [Direction::In, Direction::Out] {
        let (world, guest, _) = meeting(flags::SHARED, 100);
        let second = world.guest(2);
        assert_eq!(second.new_pool(flags::SHARED, 7), 0);
        assert_eq!(second.put(at(0, 2, 2), C), 1);
        let leaver = guest.clone();
        let meanwhile = move || assert_eq!(leaver.destroy(0), 1);
        match direction {
            Direction::In => {
                let answer = meet(&world, direction, meanwhile, || second.put(at(0, 3, 3), B));
                assert_eq!(answer, 1);
                assert_eq!(second.get(at(0, 3, 3)), (1, Some(B)));
            }
            Direction::Out => {
                let got = meet(&world, direction, meanwhile, || second.get(at(0, 2, 2)));
                assert_eq!(got, (1, Some(C)));
            }
        }
        assert_eq!(second.get(at(0, 2, 2)), (1, Some(C)));
        assert_eq!(second.get(PAGE), (0, None), "the leaver's object is gone");
    }
}

#[test]
fn r36_a_get_that_ends_after_its_domain_has_left_makes_nobody_the_last_user() {
    let world = World::new(tmem_host_sim::SimHost::builder().frames(100).cpus(2).domains(4));
    let guests = [1, 2, 3].map(|domain| {
        world.service().set_auth(DomainId(domain), Uuid([7, 0]), true).expect("room for one");
        world.guest(domain)
    });
    let [leaver, keeper, passer] = guests;
    assert_eq!(keeper.new_pool(flags::SHARED, 7), 0);
    assert_eq!(leaver.new_pool(flags::SHARED, 7), 0);
    assert_eq!(keeper.put(PAGE, A), 1);
    let other = leaver.with_frames(4, 5);
    let first =
        meet(&world, Direction::Out, move || assert_eq!(other.destroy(0), 1), || leaver.get(PAGE));
    assert_eq!(first, (1, Some(A)));
    // Another one that comes and goes takes along what nobody who is there has used last.
    assert_eq!(passer.new_pool(flags::SHARED, 7), 0);
    assert_eq!(passer.destroy(0), 1);
    assert_eq!(keeper.get(PAGE), (1, Some(A)));
}

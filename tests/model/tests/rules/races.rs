//! Calls that meet in the middle of a copy: P1, P2, P36, R6, R15, R17, R43.
//!
//! `on_next_copy` runs the second call while the first one copies with no lock held, so each
//! meeting happens every time. `host-sim` fails the test if a frame is freed or rewritten while the
//! first call still uses it. The model does not follow these; the audit does.

use hypercall_abi::{Handle, Uuid};
use tmem_host_sim::{Content, Direction, Fault, on_cpu};
use tmem_model_tests::{Guest, World, answer, at, destroy_domain, flags};
use tmem_service::{DomainId, Outcome, Progress};

const A: Content = Content::Unique(1);
const B: Content = Content::Unique(2);
const C: Content = Content::Unique(3);
const PAGE: Handle = Handle {
    pool_id: 0,
    object: hypercall_abi::ObjectId([1, 0, 0]),
    index: hypercall_abi::PageIndex(1),
};

const ALL_KINDS: [u32; 3] = [flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED];

/// A world on `nr_frames` frames whose domain 1 has a pool 0 with `PAGE` holding A, and two guests
/// of domain 1 that use different frames: this CPU's and another's.
fn meeting(pool: u32, nr_frames: usize) -> (World, Guest, Guest) {
    let world = World::new(tmem_host_sim::SimHost::builder().frames(nr_frames).cpus(2).domains(4));
    for domain in [1, 2] {
        world.service().set_auth(DomainId(domain), Uuid([7, 0]), true).expect("room for one");
    }
    let guest = world.guest(1);
    assert_eq!(guest.new_pool(pool, 7), 0);
    assert_eq!(guest.put(PAGE, A), 1);
    let other = guest.with_frames(4, 5);
    (world, guest, other)
}

/// Runs `call` with `meanwhile` in the middle of its copy; checks the books afterwards.
fn meet<R>(
    world: &World,
    direction: Direction,
    meanwhile: impl FnOnce() + Send + 'static,
    call: impl FnOnce() -> R,
) -> R {
    world.host().on_next_copy(direction, || on_cpu(1, meanwhile));
    let result = call();
    assert!(!world.host().drop_hook(direction), "the calls have met");
    world.service().audit().expect("the books are right");
    result
}

#[test]
fn r8_of_two_gets_at_once_one_gets_the_private_ephemeral_page() {
    let (world, guest, other) = meeting(flags::EPHEMERAL, 100);
    other.put(at(0, 1, 2), B);
    let first = meet(
        &world,
        Direction::Out,
        move || assert_eq!(other.get(PAGE), (0, None)),
        || guest.get(PAGE),
    );
    assert_eq!(first, (1, Some(A)));
    assert_eq!(guest.get(PAGE), (0, None));
}

#[test]
fn r9_r10_of_two_gets_at_once_both_get_a_page_that_stays() {
    for pool in [flags::PERSISTENT, flags::SHARED] {
        let (world, guest, other) = meeting(pool, 100);
        let first = meet(
            &world,
            Direction::Out,
            move || assert_eq!(other.get(PAGE), (1, Some(A))),
            || guest.get(PAGE),
        );
        assert_eq!(first, (1, Some(A)));
        assert_eq!(guest.get(PAGE), (1, Some(A)));
    }
}

#[test]
fn r15_p1_a_page_claimed_by_a_get_with_a_bad_frame_comes_back() {
    let (world, guest, _) = meeting(flags::EPHEMERAL, 100);
    let bad = guest.with_frames(0, tmem_model_tests::BAD_GFN);
    let first = meet(&world, Direction::Out, || {}, || bad.get(PAGE).0);
    assert_eq!(first, answer::BAD_ADDRESS);
    assert_eq!(guest.get(PAGE), (1, Some(A)));
}

#[test]
fn r6_r15_a_page_that_was_missed_while_it_was_claimed_does_not_come_back() {
    let (world, guest, other) = meeting(flags::EPHEMERAL, 100);
    guest.put(at(0, 1, 2), B);
    let bad = guest.with_frames(0, tmem_model_tests::BAD_GFN);
    let first = meet(
        &world,
        Direction::Out,
        move || assert_eq!(other.get(PAGE), (0, None)),
        || bad.get(PAGE).0,
    );
    assert_eq!(first, answer::BAD_ADDRESS);
    assert_eq!(guest.get(PAGE), (0, None), "it was missed once");
    assert_eq!(world.host().nr_frames_out(), 1);
    assert_eq!(guest.put(PAGE, C), 1);
    assert_eq!(guest.get(PAGE), (1, Some(C)));
}

#[test]
fn r5_r15_a_put_during_a_get_with_a_bad_frame_wins() {
    for pool in ALL_KINDS {
        let (world, guest, other) = meeting(pool, 100);
        let bad = guest.with_frames(0, tmem_model_tests::BAD_GFN);
        let first = meet(
            &world,
            Direction::Out,
            move || assert_eq!(other.put(PAGE, B), 1),
            || bad.get(PAGE).0,
        );
        assert_eq!(first, answer::BAD_ADDRESS);
        assert_eq!(guest.get(PAGE), (1, Some(B)));
    }
}

#[test]
fn r17_a_put_during_a_get_leaves_the_get_its_old_page_and_the_next_get_the_new_one() {
    for pool in ALL_KINDS {
        let (world, guest, other) = meeting(pool, 100);
        let first = meet(
            &world,
            Direction::Out,
            move || assert_eq!(other.put(PAGE, B), 1),
            || guest.get(PAGE),
        );
        assert_eq!(first, (1, Some(A)));
        assert_eq!(guest.get(PAGE), (1, Some(B)));
    }
}

#[test]
fn r17_many_puts_during_one_get_without_free_memory() {
    for pool in ALL_KINDS {
        let (world, guest, other) = meeting(pool, 3);
        let first = meet(
            &world,
            Direction::Out,
            move || {
                for number in 10..20 {
                    let answer = other.put(PAGE, Content::Unique(number));
                    assert!([1, answer::NO_SPACE, answer::NO_MEMORY].contains(&answer));
                }
            },
            || guest.get(PAGE),
        );
        assert_eq!(first, (1, Some(A)));
    }
}

#[test]
fn r7_a_flush_during_a_get_is_obeyed_by_every_later_get() {
    for pool in ALL_KINDS {
        for whole_object in [false, true] {
            let (world, guest, other) = meeting(pool, 100);
            let first = meet(
                &world,
                Direction::Out,
                move || {
                    let answer =
                        if whole_object { other.flush_object(0, 1) } else { other.flush(PAGE) };
                    assert_eq!(answer, 1);
                },
                || guest.get(PAGE),
            );
            assert_eq!(first, (1, Some(A)), "the get came first");
            assert_eq!(guest.get(PAGE), (answer::EMPTY, None));
            assert_eq!(world.host().nr_frames_out(), 0);
        }
    }
}

#[test]
fn r7_a_flush_during_a_get_with_a_bad_frame_is_obeyed() {
    for pool in ALL_KINDS {
        let (world, guest, other) = meeting(pool, 100);
        let bad = guest.with_frames(0, tmem_model_tests::BAD_GFN);
        let first = meet(
            &world,
            Direction::Out,
            move || assert_eq!(other.flush(PAGE), 1),
            || bad.get(PAGE).0,
        );
        assert_eq!(first, answer::BAD_ADDRESS);
        assert_eq!(guest.get(PAGE), (answer::EMPTY, None));
        assert_eq!(world.host().nr_frames_out(), 0);
    }
}

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
fn r43_eviction_skips_a_page_that_is_being_read() {
    for pool in [flags::EPHEMERAL, flags::SHARED] {
        let (world, guest, other) = meeting(pool, 4);
        for index in 2..5 {
            assert_eq!(guest.put(at(0, 1, index), B), 1);
        }
        drop(world.host().take_evicted());
        let first = meet(
            &world,
            Direction::Out,
            move || {
                for index in 0..6 {
                    assert_eq!(other.put(at(0, 9, index), C), 1);
                }
            },
            || guest.get(PAGE),
        );
        assert_eq!(first, (1, Some(A)));
        let evicted = world.host().take_evicted();
        assert!(evicted.iter().all(|page| (page.object[0], page.index) != (1, 1)), "{evicted:?}");
    }
}

#[test]
fn r43_with_every_page_in_use_a_put_is_refused_and_does_not_wait() {
    for pool in [flags::EPHEMERAL, flags::SHARED] {
        let (world, guest, other) = meeting(pool, 1);
        let first = meet(
            &world,
            Direction::Out,
            move || assert_eq!(other.put(at(0, 9, 9), C), answer::NO_MEMORY),
            || guest.get(PAGE),
        );
        assert_eq!(first, (1, Some(A)));
    }
}

#[test]
fn r5_two_puts_of_one_handle_at_once_leave_one_of_them() {
    for pool in ALL_KINDS {
        let (world, guest, other) = meeting(pool, 100);
        let first = meet(
            &world,
            Direction::In,
            move || assert_eq!(other.put(PAGE, B), 1),
            || guest.put(PAGE, C),
        );
        assert_eq!(first, 1);
        assert_eq!(guest.get(PAGE), (1, Some(C)), "the one that was finished last");
        assert_eq!(world.host().nr_frames_out(), usize::from(pool != flags::EPHEMERAL));
    }
}

#[test]
fn p51_two_puts_that_make_one_object_at_once_are_both_stored() {
    for pool in ALL_KINDS {
        let (world, guest, other) = meeting(pool, 100);
        let first = meet(
            &world,
            Direction::In,
            move || assert_eq!(other.put(at(0, 77, 1), B), 1),
            || guest.put(at(0, 77, 2), C),
        );
        assert_eq!(first, 1);
        assert_eq!(guest.get(at(0, 77, 1)), (1, Some(B)));
        assert_eq!(guest.get(at(0, 77, 2)), (1, Some(C)));
    }
}

#[test]
fn r5_a_put_that_turns_bad_in_the_middle_removes_what_another_stored_meanwhile_or_came_before_it() {
    let (world, guest, other) = meeting(flags::PERSISTENT, 100);
    world.host().fail_nth(Fault::CopyIn, 1);
    // The hook's own put is the second copy in: only the first fails.
    let first = meet(
        &world,
        Direction::In,
        move || assert_eq!(other.put(PAGE, B), 1),
        || guest.put(PAGE, C),
    );
    assert_eq!(first, answer::BAD_ADDRESS);
    let (answer, content) = guest.get(PAGE);
    assert_ne!(content, Some(A), "the page from before both puts");
    assert!(answer != 1 || content == Some(B));
}

#[test]
fn r53_a_freeze_during_a_put_lets_it_through_or_refuses_it_whole() {
    let (world, guest, _) = meeting(flags::PERSISTENT, 100);
    let service = world.service().clone();
    let answer = meet(
        &world,
        Direction::In,
        move || {
            let _ = service.set_frozen(tmem_service::Clients::All, true);
        },
        || guest.put(at(0, 1, 2), B),
    );
    let expected = match answer {
        1 => (1, Some(B)),
        answer => {
            assert_eq!(answer, answer::FROZEN);
            (0, None)
        }
    };
    assert_eq!(guest.get(at(0, 1, 2)), expected);
}

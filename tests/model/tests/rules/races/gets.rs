//! What meets a get in the middle of its copy.

use super::*;
use std::sync::Arc;

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

/// Gets the pages 0, 1, 2, ... one within the other's copy, each into a frame of its own, and makes
/// the call `innermost` while all of them are being read.
fn while_reading(
    world: &Arc<World>,
    page: u32,
    nr_pages: u32,
    innermost: Box<dyn FnOnce() + Send>,
) {
    if page == nr_pages {
        innermost();
        return;
    }
    let (within, cpu) = (Arc::clone(world), usize::try_from(page % 2).unwrap_or(0));
    world.host().on_next_copy(Direction::Out, move || {
        on_cpu(cpu, || while_reading(&within, page + 1, nr_pages, innermost));
    });
    let gfn = 8 + u64::from(page);
    let got = world.guest(1).with_frames(gfn, gfn).get(at(0, 1, page));
    assert_eq!(got, (1, Some(Content::Unique(page))));
}

#[test]
fn r43_r69_a_put_gives_up_within_bounds_while_many_old_pages_are_being_read() {
    const NR_PAGES: u32 = 30;
    const NR_READ: u32 = 20;
    for pool in [flags::EPHEMERAL, flags::SHARED] {
        let domain = tmem_host_sim::DomainSpec::new(1).gfns(64);
        let host = tmem_host_sim::SimHost::builder().frames(NR_PAGES as usize).cpus(2);
        let world = Arc::new(World::new(host.domain(domain)));
        world.service().set_auth(DomainId(1), Uuid([7, 0]), true).expect("room for one");
        let guest = world.guest(1);
        assert_eq!(guest.new_pool(pool, 7), 0);
        for index in 0..NR_PAGES {
            assert_eq!(guest.put(at(0, 1, index), Content::Unique(index)), 1);
        }
        let within = Arc::clone(&world);
        let innermost = move || {
            drop(within.host().take_evicted());
            let other = within.guest(1).with_frames(4, 5);
            let answer = other.put(at(0, 2, 0), B);
            let evicted = within.host().take_evicted();
            assert!(evicted.len() <= tmem_model_tests::EVICTED_PER_PUT_MAX);
            let is_unread = |index: u32| (NR_READ..NR_PAGES).contains(&index);
            assert!(evicted.iter().all(|page| is_unread(page.index)), "{evicted:?}");
            assert_eq!(answer == 1, !evicted.is_empty(), "the put answered {answer}");
            assert!([1, answer::NO_MEMORY].contains(&answer));
        };
        while_reading(&world, 0, NR_READ, Box::new(innermost));
        world.service().audit().expect("the books are right");
    }
}

//! What meets a put in the middle of its copy.

use super::*;

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

/// Without a free frame the new page comes into the spare; the old one stays whole until it is done.
/// (In an ephemeral pool the old page itself would make room.)
#[test]
fn p35_r17_a_get_during_a_duplicate_put_without_free_memory_gives_the_old_page_whole() {
    let (world, guest, other) = meeting(flags::PERSISTENT, 1);
    assert_eq!(guest.put(at(0, 1, 2), B), answer::NO_MEMORY, "the only frame is taken");
    for number in 10..20 {
        let (reader, old) = (other.clone(), guest.get(PAGE));
        let answer = meet(
            &world,
            Direction::In,
            move || assert_eq!(reader.get(PAGE), old),
            || guest.put(PAGE, Content::Unique(number)),
        );
        assert_eq!(answer, 1);
        assert_eq!(other.get(PAGE), (1, Some(Content::Unique(number))));
        assert_eq!(world.host().nr_frames_out(), 1);
    }
}

/// The page that a get still reads gets a second record; it must not bring the ages out of order.
#[test]
fn r42_a_duplicate_put_during_a_get_leaves_the_order_of_ages_whole() {
    for pool in [flags::EPHEMERAL, flags::SHARED] {
        let (world, guest, other) = meeting(pool, 6);
        for index in 2..6 {
            assert_eq!(guest.put(at(0, 1, index), C), 1);
        }
        let got = meet(
            &world,
            Direction::Out,
            move || assert_eq!(other.put(at(0, 1, 3), B), 1),
            || guest.get(at(0, 1, 3)),
        );
        assert_eq!(got, (1, Some(C)));
        // Every page of the pool goes to make room, and the books are right each time.
        let evictor = world.guest(2);
        assert_eq!(evictor.new_pool(flags::PERSISTENT, 0), 0);
        for index in 0..6 {
            assert_eq!(evictor.put(at(0, 1, index), A), 1);
            world.service().audit().expect("the books are right");
        }
        assert_eq!(guest.get(at(0, 1, 3)).0, answer::EMPTY);
    }
}

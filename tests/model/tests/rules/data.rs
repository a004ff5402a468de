//! What put and get do to data: R1 to R13, R16 to R18.

use hypercall_abi::{Handle, ObjectId, Op, PageIndex};
use tmem_host_sim::{Content, Direction, Fault};
use tmem_model_tests::{SOURCE_GFN, TARGET_GFN, World, answer, at, check, flags};
use tmem_service::DomainId;

/// Every handle that differs from the first in one bit, and some telling indexes.
fn neighbours() -> Vec<Handle> {
    let objects = (0..192).map(|bit| {
        let mut words = [0; 3];
        words[bit / 64] = 1 << (bit % 64);
        Handle { object: ObjectId(words), ..Handle::default() }
    });
    let bits = (0..32).map(|bit| PageIndex(1 << bit));
    let indexes = bits.chain([0, 63, 65, 4095, u32::MAX].map(PageIndex));
    let same_object = indexes.map(|index| Handle { index, ..Handle::default() });
    objects.chain(same_object).collect()
}

#[test]
fn r1_handles_that_differ_in_one_bit_are_independent() {
    let mut world = World::roomy();
    for kind in [flags::PERSISTENT, flags::EPHEMERAL] {
        let pool_id = u32::try_from(world.new_pool(1, kind, 0)).expect("a pool id");
        let handles = neighbours().into_iter().map(|handle| Handle { pool_id, ..handle });
        let pages: Vec<_> = handles.zip((1..).map(Content::Unique)).collect();
        for &(handle, content) in &pages {
            assert_eq!(world.put(1, handle, content), 1);
        }
        for &(handle, content) in &pages {
            assert_eq!(world.get(1, handle), (1, Some(content)));
        }
    }
}

#[test]
fn r1_the_same_handle_in_two_pools_names_two_pages() {
    check(
        "d1 new ephemeral     -> 0
         d1 new persistent    -> 1
         d2 new ephemeral     -> 0
         d1 put 0 1 1 A       -> 1
         d1 put 1 1 1 B       -> 1
         d2 put 0 1 1 C       -> 1
         d1 get 0 1 1         -> 1 A
         d1 get 1 1 1         -> 1 B
         d2 get 0 1 1         -> 1 C",
    );
}

#[test]
fn p50_an_object_whose_words_are_permuted_is_another_object() {
    let mut world = World::roomy();
    world.new_pool(1, flags::PERSISTENT, 0);
    let words = [[1, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
    let handles = words.map(|words| Handle { object: ObjectId(words), ..Handle::default() });
    for (handle, number) in handles.into_iter().zip(1..) {
        assert_eq!(world.put(1, handle, Content::Unique(number)), 1);
    }
    for (handle, number) in handles.into_iter().zip(1..) {
        assert_eq!(world.get(1, handle), (1, Some(Content::Unique(number))));
    }
}

#[test]
fn p26_objects_that_collided_in_the_originals_hash_are_all_found() {
    let mut world = World::with_frames(3000);
    world.new_pool(1, flags::PERSISTENT, 0);
    for number in 0..2000 {
        let handle = at(0, u64::from(number) << 8, 0);
        assert_eq!(world.put(1, handle, Content::Unique(number)), 1);
    }
    for number in (0..2000).step_by(17) {
        let handle = at(0, u64::from(number) << 8, 0);
        assert_eq!(world.get(1, handle), (1, Some(Content::Unique(number))));
    }
}

#[test]
fn r2_the_guest_may_reuse_its_frame_after_a_put() {
    let mut world = World::roomy();
    world.new_pool(1, flags::PERSISTENT, 0);
    world.put(1, at(0, 1, 1), Content::Unique(1));
    world.host().domain(DomainId(1)).fill(SOURCE_GFN, Content::Unique(2));
    assert_eq!(world.get(1, at(0, 1, 1)), (1, Some(Content::Unique(1))));
}

#[test]
fn r2_the_guest_may_write_the_frame_that_it_got() {
    let mut world = World::roomy();
    world.new_pool(1, flags::PERSISTENT, 0);
    world.put(1, at(0, 1, 1), Content::Unique(1));
    world.get(1, at(0, 1, 1));
    world.host().domain(DomainId(1)).fill(TARGET_GFN, Content::Unique(2));
    assert_eq!(world.get(1, at(0, 1, 1)), (1, Some(Content::Unique(1))));
}

#[test]
fn r3_a_hit_fills_the_whole_page_and_a_miss_leaves_it_untouched() {
    let mut world = World::roomy();
    world.new_pool(1, flags::PERSISTENT, 0);
    let domain = world.host().domain(DomainId(1));
    for content in [Content::ZERO, Content::Same(0xff), Content::Unique(7)] {
        assert_eq!(world.put(1, at(0, 1, 1), content), 1);
        domain.fill(TARGET_GFN, Content::Unique(99));
        assert_eq!(world.get_into(1, at(0, 1, 2), TARGET_GFN), 0);
        assert_eq!(domain.content(TARGET_GFN), Some(Content::Unique(99)));
        assert_eq!(world.get_into(1, at(0, 1, 1), TARGET_GFN), 1);
        assert_eq!(domain.content(TARGET_GFN), Some(content));
    }
}

#[test]
fn r4_the_second_of_two_puts_is_what_a_get_gives() {
    check(
        "d1 new ephemeral    -> 0
         d1 new persistent   -> 1
         d1 put 0 1 1 A      -> 1
         d1 put 0 1 1 B      -> 1
         d1 put 1 1 1 A      -> 1
         d1 put 1 1 1 B      -> 1
         d1 get 0 1 1        -> 1 B
         d1 get 1 1 1        -> 1 B
         d1 put 1 1 1 zero   -> 1
         d1 get 1 1 1        -> 1 zero",
    );
}

#[test]
fn r5_a_duplicate_put_without_memory_invalidates() {
    check(
        "d1 new persistent   -> 0
         d1 new ephemeral    -> 1
         d1 put 0 1 1 A      -> 1
         host fail frame
         host fail spare
         d1 put 0 1 1 B      -> -28
         d1 get 0 1 1        -> -1001
         host heal
         d1 put 1 1 1 A      -> 1
         d1 put 1 1 2 C      -> 1
         host fail frame
         host fail spare
         host fail charge
         d1 put 0 1 1 B      -> -12
         host heal
         d1 get 1 1 1        -> 1 A
         d1 get 1 1 2        -> 1 C",
    );
}

#[test]
fn r5_p3_a_duplicate_put_never_leaves_the_old_page_whatever_fails() {
    for kind in Fault::ALL {
        for pool in [flags::EPHEMERAL, flags::PERSISTENT] {
            let mut world = World::roomy();
            world.new_pool(1, pool, 0);
            world.put(1, at(0, 1, 1), Content::Unique(1));
            world.put(1, at(0, 1, 2), Content::Unique(2));
            world.host().fail_all(kind);
            let answer = world.put(1, at(0, 1, 1), Content::Unique(3));
            world.host().heal();
            let (_, content) = world.get(1, at(0, 1, 1));
            let expected = (answer == answer::SUCCESS).then_some(Content::Unique(3));
            assert_eq!(content, expected, "{kind:?} made the put answer {answer}");
        }
    }
}

#[test]
fn r6_a_handle_that_missed_goes_on_missing_until_a_put() {
    check(
        "d1 new ephemeral    -> 0
         d1 put 0 1 9 Z      -> 1
         d1 get 0 1 1        -> 0
         d1 get 0 1 1        -> 0
         d1 put 0 1 1 A      -> 1
         d1 get 0 1 1        -> 1 A
         d1 get 0 1 1        -> 0
         d1 get 0 1 1        -> 0",
    );
}

#[test]
fn r8_a_hit_in_a_private_ephemeral_pool_removes_the_page_and_frees_its_frame() {
    let mut world = World::roomy();
    world.new_pool(1, flags::EPHEMERAL, 0);
    world.put(1, at(0, 1, 1), Content::Unique(1));
    world.put(1, at(0, 1, 2), Content::Unique(2));
    assert_eq!(world.host().nr_frames_out(), 2);
    assert_eq!(world.get(1, at(0, 1, 1)), (1, Some(Content::Unique(1))));
    assert_eq!(world.host().nr_frames_out(), 1, "the frame is reusable at once");
    assert_eq!(world.get(1, at(0, 1, 1)), (0, None));
    assert_eq!(world.get(1, at(0, 1, 2)), (1, Some(Content::Unique(2))));
    assert_eq!(world.get(1, at(0, 1, 2)), (answer::EMPTY, None));
}

#[test]
fn r9_p82_a_hit_in_a_persistent_pool_keeps_the_page() {
    check(
        "d1 new persistent   -> 0
         d1 put 0 1 1 A      -> 1
         d1 get 0 1 1        -> 1 A
         d1 get 0 1 1        -> 1 A
         d1 get 0 1 1        -> 1 A",
    );
}

#[test]
fn r10_a_hit_in_a_shared_pool_keeps_the_page_for_all() {
    check(
        "d1 allow 7          -> ok
         d2 allow 7          -> ok
         d1 new shared 7     -> 0
         d2 new shared 7     -> 0
         d1 put 0 1 1 A      -> 1
         d2 get 0 1 1        -> 1 A
         d1 get 0 1 1        -> 1 A
         d2 get 0 1 1        -> 1 A",
    );
}

#[test]
fn r11_persistent_pages_survive_pressure_freezing_and_the_death_of_others() {
    let mut world = World::with_frames(150);
    world.new_pool(1, flags::PERSISTENT, 0);
    for index in 0..100 {
        assert_eq!(world.put(1, at(0, 1, index), Content::Unique(index)), 1);
    }
    for domain in [2, 3] {
        world.new_pool(domain, flags::EPHEMERAL, 0);
        for index in 0..100 {
            assert_eq!(world.put(domain, at(0, 2, index), Content::Unique(1000 + index)), 1);
        }
    }
    world.set_all_frozen(true);
    world.destroy_domain(2);
    world.host().leave_frames(0);
    for _ in 0..2 {
        for index in 0..100 {
            let expected = (1, Some(Content::Unique(index)));
            assert_eq!(world.get(1, at(0, 1, index)), expected);
        }
    }
}

#[test]
fn r12_pages_vanish_whole_or_not_at_all() {
    let mut world = World::with_frames(20);
    world.new_pool(1, flags::EPHEMERAL, 0);
    for round in 0..3 {
        for index in 0..40 {
            world.put(1, at(0, 1, index), Content::Unique(100 * round + index));
        }
    }
    for index in 0..40 {
        let (answer, content) = world.get(1, at(0, 1, index));
        let expected = (answer == 1).then_some(Content::Unique(200 + index));
        assert_eq!(content, expected);
    }
}

#[test]
fn r13_a_refused_put_of_a_new_page_changes_nothing_and_holds_no_memory() {
    for pool in [flags::EPHEMERAL, flags::PERSISTENT] {
        for (kind, expected) in [
            (Fault::Frame, answer::NO_MEMORY),
            (Fault::Metadata, answer::NO_MEMORY),
            (Fault::CopyIn, answer::BAD_ADDRESS),
            (Fault::Charge, answer::NO_MEMORY),
        ] {
            if kind == Fault::Charge && pool == flags::EPHEMERAL {
                continue;
            }
            let mut world = World::roomy();
            world.new_pool(1, pool, 0);
            let before = (world.host().nr_frames_out(), world.host().nr_metadata());
            world.host().fail_all(kind);
            assert_eq!(world.put(1, at(0, 1, 1), Content::Unique(1)), expected, "{kind:?}");
            world.host().heal();
            let after = (world.host().nr_frames_out(), world.host().nr_metadata());
            assert_eq!(after, before, "memory after {kind:?} failed");
            assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
            let totals = world.audit();
            assert_eq!((totals.pages, totals.objects), (0, 0));
        }
    }
}

#[test]
fn r16_a_get_on_an_empty_pool_says_so_and_is_not_counted() {
    let mut world = World::roomy();
    world.new_pool(1, flags::EPHEMERAL, 0);
    let misses = |world: &World| {
        let stats = world.service().pool_stats(DomainId(1), 0);
        stats.expect("the pool is there").misses
    };
    assert_eq!(world.get(1, at(0, 1, 1)), (answer::EMPTY, None));
    assert_eq!(misses(&world), 0);
    world.put(1, at(0, 1, 1), Content::Unique(1));
    assert_eq!(world.get(1, at(0, 1, 2)), (0, None));
    assert_eq!(misses(&world), 1);
    world.flush(1, at(0, 1, 1));
    assert_eq!(world.get(1, at(0, 1, 1)), (answer::EMPTY, None));
    assert_eq!(misses(&world), 1);
}

#[test]
fn r17_a_get_that_a_put_overtakes_gives_one_of_the_two_pages_whole() {
    for pool in [flags::PERSISTENT, flags::SHARED] {
        let world = World::roomy();
        let guest = world.guest(1);
        world.service().set_auth(DomainId(1), hypercall_abi::Uuid([7, 0]), true).expect("room");
        guest.new_pool(pool, 7);
        guest.put(at(0, 1, 1), Content::Unique(1));
        let other = guest.with_frames(4, 5);
        world.host().on_next_copy(Direction::Out, move || {
            assert_eq!(other.put(at(0, 1, 1), Content::Unique(2)), 1);
        });
        let (answer, content) = guest.get(at(0, 1, 1));
        assert_eq!(answer, 1);
        assert!([Some(Content::Unique(1)), Some(Content::Unique(2))].contains(&content));
        assert_eq!(guest.get(at(0, 1, 1)), (1, Some(Content::Unique(2))));
        world.service().audit().expect("the books are right");
    }
}

#[test]
fn r18_a_guest_that_writes_its_frame_during_the_put_harms_nobody_else() {
    let mut world = World::roomy();
    world.new_pool(1, flags::PERSISTENT, 0);
    world.put(1, at(0, 1, 2), Content::Unique(2));
    let domain = world.host().domain(DomainId(1));
    domain.fill(SOURCE_GFN, Content::Unique(1));
    let meanwhile = std::sync::Arc::clone(&domain);
    world.host().on_next_copy(Direction::In, move || {
        meanwhile.fill(SOURCE_GFN, Content::Unique(3));
    });
    let guest = world.guest(1);
    assert_eq!(guest.call(Op::PutPage { handle: at(0, 1, 1), cmfn: SOURCE_GFN }), 1);
    // Some content is stored, and always the same.
    let get = Op::GetPage { handle: at(0, 1, 1), cmfn: TARGET_GFN };
    assert_eq!(guest.call(get), 1);
    let first = domain.bytes(TARGET_GFN);
    assert_eq!(guest.call(get), 1);
    assert!(first == domain.bytes(TARGET_GFN), "two gets gave different pages");
    assert_eq!(world.guest(1).flush(at(0, 1, 1)), 1);
    assert_eq!(world.get(1, at(0, 1, 2)), (1, Some(Content::Unique(2))));
}

/// Enough objects that many pairs share a table's group and its seven-bit tag, so that only the
/// comparison of the id itself tells them apart, word by word.
#[test]
fn p50_each_word_of_the_object_id_is_compared() {
    for word in 0..3 {
        let mut world = World::with_frames(6000);
        world.new_pool(1, flags::PERSISTENT, 0);
        let handle = |number: u32| {
            let mut words = [5; 3];
            words[word] = u64::from(number);
            Handle { object: ObjectId(words), ..Handle::default() }
        };
        for number in 0..4000 {
            assert_eq!(world.put(1, handle(number), Content::Unique(number)), 1);
        }
        for number in 0..4000 {
            assert_eq!(world.get(1, handle(number)), (1, Some(Content::Unique(number))));
        }
        assert_eq!(world.get(1, handle(4000)), (0, None));
    }
}

/// Puts and flushes in random order wear the tables of an index out and split them; the model
/// follows each call, the audit compares index, lists and counts.
#[test]
fn r1_an_index_of_many_tables_stays_whole_under_churn() {
    let mut world = World::with_frames(6000);
    world.new_pool(1, flags::PERSISTENT, 0);
    let mut rng = tmem_model_tests::Rng::new(7);
    for step in 0..30_000 {
        let object = rng.below(5000);
        if rng.below(3) == 0 {
            world.flush(1, at(0, object, 0));
        } else {
            assert_eq!(world.put(1, at(0, object, 0), Content::Same(1)), 1, "step {step}");
        }
    }
    world.audit();
    for object in 0..5000 {
        world.get(1, at(0, object, 0));
    }
}

//! What goes when memory is short, and in which order: R41 to R44, and memory's limits.

use hypercall_abi::Uuid;
use tmem_host_sim::{Content, SimHost};
use tmem_model_tests::{World, answer, at, check_in, flags};
use tmem_service::DomainId;

/// The pages of pool 0, object 1, of `domain` that are still there, in a persistent or shared pool
/// or for the last time.
fn present(world: &mut World, domain: u16, indexes: std::ops::Range<u32>) -> Vec<u32> {
    indexes.filter(|&index| world.get(domain, at(0, 1, index)).0 == 1).collect()
}

#[test]
fn r41_persistent_pages_are_never_evicted() {
    let mut world = World::with_frames(10);
    world.new_pool(1, flags::PERSISTENT, 0);
    world.new_pool(2, flags::EPHEMERAL, 0);
    for index in 0..6 {
        assert_eq!(world.put(1, at(0, 1, index), Content::Unique(index)), 1);
    }
    for index in 0..30 {
        assert_eq!(world.put(2, at(0, 1, index), Content::Unique(100 + index)), 1);
    }
    for index in 6..10 {
        assert_eq!(world.put(1, at(0, 1, index), Content::Unique(index)), 1);
    }
    assert_eq!(world.put(1, at(0, 1, 10), Content::Unique(10)), answer::NO_MEMORY);
    assert_eq!(world.put(2, at(0, 1, 0), Content::Unique(0)), answer::NO_MEMORY);
    assert_eq!(present(&mut world, 1, 0..11), Vec::from_iter(0..10));
}

#[test]
fn r42_the_oldest_page_of_the_host_goes_first() {
    let mut world = World::with_frames(9);
    for domain in 1..=3 {
        world.new_pool(domain, flags::EPHEMERAL, 0);
    }
    // Ages interleave over pools and objects.
    for index in 0..3 {
        for domain in 1..=3 {
            world.put(domain, at(0, 1, index), Content::Unique(index));
        }
    }
    world.new_pool(4, flags::EPHEMERAL, 0);
    for index in 0..5 {
        world.put(4, at(0, 1, index), Content::Unique(index));
    }
    // Five went: index 0 of all three, then index 1 of the domains 1 and 2.
    assert_eq!(present(&mut world, 1, 0..3), [2]);
    assert_eq!(present(&mut world, 2, 0..3), [2]);
    assert_eq!(present(&mut world, 3, 0..3), [1, 2]);
    assert_eq!(present(&mut world, 4, 0..5), [0, 1, 2, 3, 4]);
}

#[test]
fn r42_each_eviction_is_reported_by_handle() {
    let mut world = World::with_frames(4);
    world.new_pool(1, flags::EPHEMERAL, 0);
    world.new_pool(1, flags::EPHEMERAL, 0);
    let guest = world.guest(1);
    for index in 0..4 {
        guest.put(at(1, 9, index), Content::Unique(index));
    }
    drop(world.host().take_evicted());
    for index in 0..3 {
        assert_eq!(guest.put(at(0, 1, index), Content::Unique(index)), 1);
    }
    let evicted = world.host().take_evicted();
    let names: Vec<_> =
        evicted.iter().map(|page| (page.owner, page.pool_id, page.object, page.index)).collect();
    let expected = [0, 1, 2].map(|index| (DomainId(1), 1, [9, 0, 0], index));
    assert_eq!(names, expected);
}

#[test]
fn r42_a_duplicate_put_does_not_make_a_page_younger() {
    let mut world = World::with_frames(3);
    world.new_pool(1, flags::EPHEMERAL, 0);
    for index in 0..3 {
        world.put(1, at(0, 1, index), Content::Unique(index));
    }
    // Memory for the duplicate comes from the oldest page: the same one, or the one after it.
    world.host().leave_frames(0);
    world.put(1, at(0, 1, 1), Content::Unique(11));
    world.put(1, at(0, 1, 8), Content::Unique(8));
    world.put(1, at(0, 1, 9), Content::Unique(9));
    assert!(!present(&mut world, 1, 0..3).contains(&1), "page 1 kept its age");
}

#[test]
fn r42_a_hit_in_a_shared_pool_makes_the_page_the_youngest() {
    let mut world = World::with_frames(3);
    assert!(world.set_auth(1, Uuid([7, 0]), true));
    world.new_pool(1, flags::SHARED, 7);
    world.new_pool(2, flags::EPHEMERAL, 0);
    for index in 0..3 {
        world.put(1, at(0, 1, index), Content::Unique(index));
    }
    assert_eq!(world.get(1, at(0, 1, 0)), (1, Some(Content::Unique(0))));
    world.put(2, at(0, 1, 0), Content::Unique(10));
    world.put(2, at(0, 1, 1), Content::Unique(11));
    assert_eq!(present(&mut world, 1, 0..3), [0]);
}

#[test]
fn r42_a_get_that_failed_does_not_make_the_page_younger() {
    let mut world = World::with_frames(3);
    world.new_pool(1, flags::EPHEMERAL, 0);
    for index in 0..3 {
        world.put(1, at(0, 1, index), Content::Unique(index));
    }
    let bad = tmem_model_tests::BAD_GFN;
    assert_eq!(world.get_into(1, at(0, 1, 0), bad), answer::BAD_ADDRESS);
    world.put(1, at(0, 2, 0), Content::Unique(9));
    assert_eq!(present(&mut world, 1, 0..3), [1, 2]);
}

#[test]
fn r44_the_last_page_of_an_object_takes_the_object_along() {
    let mut world = World::with_frames(5);
    world.new_pool(1, flags::EPHEMERAL, 0);
    for object in 0..5 {
        world.put(1, at(0, object, 0), Content::Unique(0));
    }
    assert_eq!(world.audit().objects, 5);
    for index in 0..5 {
        world.put(1, at(0, 9, index), Content::Unique(0));
        world.audit();
    }
    let totals = world.audit();
    assert_eq!(totals.pages, 5);
    assert!(totals.objects <= 5, "the objects of evicted pages are gone");
    assert_eq!(world.flush_object(1, 0, 9), 1);
    assert_eq!(world.audit().objects, 0);
}

#[test]
fn no_page_is_evicted_while_there_is_a_frame() {
    let mut world = World::with_frames(100);
    world.new_pool(1, flags::EPHEMERAL, 0);
    for index in 0..100 {
        world.put(1, at(0, 1, index), Content::Unique(index));
    }
    assert_eq!(present(&mut world, 1, 0..100).len(), 100);
}

#[test]
fn p18_a_reserve_bigger_than_free_memory_does_not_wrap() {
    let mut world = World::with_frames(10);
    check_in(
        &mut world,
        "d1 new ephemeral    -> 0
         d1 new persistent   -> 1
         d1 put 0 1 1 A      -> 1
         d1 put 1 1 1 B      -> 1",
    );
    world.host().set_reserve(usize::MAX / 2);
    check_in(
        &mut world,
        "d1 put 1 1 2 C      -> 1        # in the place of page A
         d1 get 0 1 1        -> -1001
         d1 put 1 1 3 D      -> -12
         d1 put 0 1 1 A      -> -12
         d1 put 1 1 1 E      -> 1        # a duplicate, by the spare
         d1 get 1 1 1        -> 1 E
         d1 get 1 1 2        -> 1 C",
    );
}

#[test]
fn the_hosts_reserve_stays_free() {
    let mut world = World::new(SimHost::builder().frames(20).reserve(12).domains(1));
    world.new_pool(1, flags::PERSISTENT, 0);
    world.new_pool(1, flags::EPHEMERAL, 0);
    for index in 0..30 {
        world.put(1, at(1, 1, index), Content::Unique(index));
    }
    for index in 0..30 {
        world.put(1, at(0, 1, index), Content::Unique(index));
    }
    assert_eq!(world.host().nr_frames_out(), 8);
    assert_eq!(present(&mut world, 1, 0..30).len(), 8);
}

#[test]
fn p35_a_duplicate_put_succeeds_with_no_free_memory() {
    let mut world = World::with_frames(4);
    world.new_pool(1, flags::PERSISTENT, 0);
    for index in 0..4 {
        assert_eq!(world.put(1, at(0, 1, index), Content::Unique(index)), 1);
    }
    assert_eq!(world.put(1, at(0, 1, 4), Content::Unique(4)), answer::NO_MEMORY);
    for round in 1..10 {
        for index in 0..4 {
            let content = Content::Unique(100 * round + index);
            assert_eq!(world.put(1, at(0, 1, index), content), 1);
            assert_eq!(world.get(1, at(0, 1, index)), (1, Some(content)));
        }
    }
}

#[test]
fn p35_the_spare_is_not_used_up_by_puts_of_new_pages_or_by_bad_frames() {
    let mut world = World::with_frames(2);
    check_in(
        &mut world,
        "d1 new persistent         -> 0
         d1 put 0 1 1 A            -> 1
         d1 put 0 1 2 B            -> 1
         d1 put 0 1 3 C            -> -12
         d1 put 0 1 4 C from bad   -> -14
         d1 put 0 1 1 D            -> 1
         d1 put 0 1 2 E            -> 1
         d1 put 0 1 3 F            -> -12
         d1 put 0 1 1 G            -> 1
         d1 get 0 1 1              -> 1 G
         d1 get 0 1 2              -> 1 E",
    );
}

#[test]
fn p61_one_object_can_be_filled_to_twice_the_memory() {
    let mut world = World::with_frames(300);
    world.new_pool(1, flags::EPHEMERAL, 0);
    for index in 0..600 {
        assert_eq!(world.put(1, at(0, 1, index), Content::Unique(index)), 1);
    }
    assert_eq!(world.audit().pages, 300);
    assert_eq!(present(&mut world, 1, 0..600), Vec::from_iter(300..600));
}

#[test]
fn p53_eviction_from_every_kind_of_pool_leaves_no_lock_held() {
    // `World` looks after every call whether a lock is held.
    let mut world = World::with_frames(6);
    assert!(world.set_auth(1, Uuid([7, 0]), true));
    for (pool, kind) in (0..).zip([flags::EPHEMERAL, flags::SHARED, flags::PERSISTENT]) {
        world.new_pool(1, kind, 7);
        for index in 0..4 {
            world.put(1, at(pool, 1, index), Content::Unique(index));
        }
        assert_eq!(SimHost::nr_locks_held(), 0);
    }
    let totals = world.audit();
    assert_eq!((totals.ephemeral_pages, totals.persistent_pages), (2, 4));
}

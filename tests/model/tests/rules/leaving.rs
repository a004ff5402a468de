//! What happens when a sharer leaves: R35 to R38, P8 to P10.

use hypercall_abi::Uuid;
use tmem_host_sim::Content;
use tmem_model_tests::{World, answer, at, check, check_in, flags};

#[test]
fn r35_p8_joining_twice_then_leaving_by_either_id_keeps_the_other() {
    for (left, kept) in [(0, 1), (1, 0)] {
        check(&format!(
            "d1 allow 7             -> ok
             d2 allow 7             -> ok
             d1 new shared 7        -> 0
             d1 new shared 7        -> 1
             d1 put 0 1 1 A         -> 1
             d1 get 1 1 1           -> 1 A
             d1 destroy {left}      -> 1
             d1 get {left} 1 1      -> -19
             d1 put {kept} 1 2 B    -> 1
             d1 get {kept} 1 2      -> 1 B
             d2 new shared 7        -> 0
             d2 get 0 1 2           -> 1 B
             d1 destroy {kept}      -> 1
             d2 put 0 1 3 C         -> 1
             d2 get 0 1 3           -> 1 C
             d2 destroy 0           -> 1"
        ));
    }
}

#[test]
fn p8_a_third_domain_joins_before_and_after_and_any_of_them_dies() {
    for (left, dead) in [(0, 1), (1, 1), (0, 2), (1, 2)] {
        let survivor = 3 - dead;
        check(&format!(
            "d1 allow 7             -> ok
             d2 allow 7             -> ok
             d3 allow 7             -> ok
             d1 new shared 7        -> 0
             d2 new shared 7        -> 0
             d1 new shared 7        -> 1
             d2 put 0 1 1 A         -> 1
             d1 destroy {left}      -> 1
             d3 new shared 7        -> 0
             d3 put 0 2 1 B         -> 1
             d{dead} die
             d3 get 0 2 1           -> 1 B
             audit
             d{survivor} die
             d3 get 0 2 1           -> 1 B
             d3 put 0 3 1 C         -> 1
             d3 destroy 0           -> 1"
        ));
    }
}

#[test]
fn r36_when_a_sharer_leaves_the_objects_go_that_it_used_last() {
    check(
        "d1 allow 7          -> ok
         d2 allow 7          -> ok
         d1 new shared 7     -> 0
         d2 new shared 7     -> 0
         d1 put 0 1 1 A      -> 1     # 1: put by d1
         d1 put 0 2 1 B      -> 1     # 2: put by d1, hit by d2
         d2 get 0 2 1        -> 1 B
         d2 put 0 3 1 C      -> 1     # 3: put by d2
         d2 put 0 4 1 D      -> 1     # 4: put by d2, hit by d1
         d1 get 0 4 1        -> 1 D
         d1 put 0 5 1 E      -> 1     # 5: put by d1, missed by d2
         d2 get 0 5 2        -> 0
         d1 put 0 6 1 F      -> 1     # 6: put by both, d2 last
         d2 put 0 6 2 G      -> 1
         d1 destroy 0        -> 1
         d2 get 0 1 1        -> 0
         d2 get 0 2 1        -> 1 B
         d2 get 0 3 1        -> 1 C
         d2 get 0 4 1        -> 0
         d2 get 0 5 1        -> 0
         d2 get 0 6 1        -> 1 F
         d2 get 0 6 2        -> 1 G",
    );
}

#[test]
fn r36_a_failed_get_or_put_makes_nobody_the_last_user() {
    check(
        "d1 allow 7                -> ok
         d2 allow 7                -> ok
         d1 new shared 7           -> 0
         d2 new shared 7           -> 0
         d1 put 0 1 1 A            -> 1
         d1 put 0 1 2 B            -> 1
         d2 get 0 1 1 into bad     -> -14
         d2 put 0 1 2 C from bad   -> -14
         d2 put 0 9 9 D            -> 1
         d1 destroy 0              -> 1
         d2 get 0 1 1              -> 0
         d2 get 0 9 9              -> 1 D",
    );
}

#[test]
fn p10_the_putter_is_the_last_user_and_the_pool_stays_evictable() {
    let mut world = World::with_frames(8);
    check_in(
        &mut world,
        "d1 allow 7          -> ok
         d2 allow 7          -> ok
         d1 new shared 7     -> 0
         d2 new shared 7     -> 0
         d2 put 0 1 1 A      -> 1
         d1 destroy 0        -> 1
         d2 get 0 1 1        -> 1 A",
    );
    world.new_pool(3, flags::EPHEMERAL, 0);
    for index in 0..20 {
        assert_eq!(world.put(3, at(0, 1, index), Content::Unique(index)), 1);
    }
    assert_eq!(world.get(2, at(0, 1, 1)), (answer::EMPTY, None), "evicted, being the oldest");
}

#[test]
fn r37_the_longest_joined_sharer_becomes_the_owner() {
    check(
        "d1 allow 7          -> ok
         d2 allow 7          -> ok
         d3 allow 7          -> ok
         d1 new shared 7     -> 0
         d2 new shared 7     -> 0
         d3 new shared 7     -> 0
         d2 put 0 1 1 A      -> 1
         d3 put 0 2 1 B      -> 1
         d1 freeze           -> ok
         d3 put 0 2 2 C      -> -1000    # d1 owns it
         d1 destroy 0        -> 1
         d3 put 0 2 2 C      -> 1        # d2 does
         d2 freeze           -> ok
         d3 put 0 2 3 D      -> -1000
         d3 freeze           -> ok
         d2 thaw             -> ok
         d3 put 0 2 3 D      -> 1
         d2 destroy 0        -> 1
         d3 put 0 2 4 E      -> -1000    # d3 does
         d3 get 0 2 1        -> 1 B",
    );
}

#[test]
fn r37_an_owner_that_joined_twice_stays_owner_until_it_has_left_by_both_ids() {
    check(
        "d1 allow 7          -> ok
         d2 allow 7          -> ok
         d1 new shared 7     -> 0
         d2 new shared 7     -> 0
         d1 new shared 7     -> 1
         d1 put 0 1 1 A      -> 1
         d1 freeze           -> ok
         d1 destroy 0        -> 1
         d2 put 0 2 1 B      -> -1000
         d2 get 0 9 9        -> 0         # A is there, unused by d2
         d1 destroy 1        -> 1
         d2 put 0 2 1 B      -> 1
         d2 get 0 1 1        -> 0",
    );
}

#[test]
fn r37_p9_a_hand_over_takes_along_that_pool_and_no_other() {
    let mut world = World::with_frames(30);
    check_in(
        &mut world,
        "d1 allow 7          -> ok
         d2 allow 7          -> ok
         d1 new ephemeral    -> 0
         d1 new shared 7     -> 1
         d1 new ephemeral    -> 2
         d2 new shared 7     -> 0",
    );
    for index in 0..5 {
        for pool in 0..3 {
            world.put(1, at(pool, 1, index), Content::Unique(10 * pool + index));
        }
        world.put(2, at(0, 2, index), Content::Unique(100 + index));
    }
    assert_eq!(world.destroy(1, 1), 1);
    world.audit();
    let pages_of = |world: &World, domain, pool| {
        let stats = world.service().pool_stats(tmem_service::DomainId(domain), pool);
        stats.map(|stats| stats.pages)
    };
    assert_eq!(pages_of(&world, 1, 0), Some(5));
    assert_eq!(pages_of(&world, 1, 1), None);
    assert_eq!(pages_of(&world, 1, 2), Some(5));
    assert_eq!(pages_of(&world, 2, 0), Some(5));
    // All of it can still be evicted, under the new owner's name: the model looks at each report.
    for index in 0..40 {
        assert_eq!(world.put(1, at(0, 9, index), Content::Unique(200 + index)), 1);
    }
    assert_eq!(pages_of(&world, 2, 0), Some(0));
    world.destroy_domain(1);
    world.audit();
    assert_eq!(world.put(2, at(0, 1, 1), Content::Unique(1)), 1);
}

#[test]
fn r38_with_the_last_sharer_the_pool_goes_and_its_uuid_starts_empty() {
    check(
        "d1 allow 7          -> ok
         d2 allow 7          -> ok
         d1 new shared 7     -> 0
         d2 new shared 7     -> 0
         d1 put 0 1 1 A      -> 1
         d2 put 0 2 1 B      -> 1
         d1 destroy 0        -> 1
         d2 destroy 0        -> 1
         audit
         d2 new shared 7     -> 0
         d2 get 0 2 1        -> -1001
         d1 new shared 7     -> 0
         d1 get 0 1 1        -> -1001
         d2 put 0 1 1 C      -> 1
         d1 get 0 1 1        -> 1 C",
    );
}

#[test]
fn p55_p56_sharers_come_and_go_and_the_books_stay_right() {
    let mut world = World::roomy();
    for domain in 1..=4 {
        assert!(world.set_auth(domain, Uuid([7, 0]), true));
    }
    for round in 0..20_u16 {
        for domain in 1..=4 {
            let id = world.new_pool(domain, flags::SHARED, 7);
            let pool = u32::try_from(id).expect("a free slot");
            let object = u64::from(domain + round);
            assert_eq!(world.put(domain, at(pool, object, 1), Content::Unique(1)), 1);
        }
        world.audit();
        for step in 0..3 {
            let domain = 1 + (round + step) % 4;
            assert_eq!(world.destroy(domain, 0), 1);
            world.audit();
        }
        if round % 3 == 0 {
            let domain = 1 + (round + 3) % 4;
            world.destroy_domain(domain);
            world.create_domain(tmem_host_sim::DomainSpec::new(domain));
            assert!(world.set_auth(domain, Uuid([7, 0]), true));
        } else {
            world.destroy(1 + (round + 3) % 4, 0);
        }
    }
}

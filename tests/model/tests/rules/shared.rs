//! Making, joining and using shared pools: R31 to R34, R39, R40. Leaving them is in `leaving.rs`.

use hypercall_abi::Uuid;
use tmem_host_sim::Content;
use tmem_model_tests::{World, answer, at, check, check_in, flags};

#[test]
fn r31_sharers_see_the_same_pages_each_by_its_own_id() {
    check(
        "d1 allow 7          -> ok
         d2 allow 7          -> ok
         d1 new shared 7     -> 0
         d2 new persistent   -> 0
         d2 new shared 7     -> 1
         d1 put 0 1 1 A      -> 1
         d2 get 1 1 1        -> 1 A
         d2 put 1 1 1 B      -> 1
         d1 get 0 1 1        -> 1 B
         d2 flush 1 1 1      -> 1
         d1 get 0 1 1        -> -1001",
    );
}

#[test]
fn r31_both_words_of_the_uuid_count_and_zero_is_an_ordinary_one() {
    let mut world = World::roomy();
    let uuids = [Uuid([0, 0]), Uuid([7, 0]), Uuid([0, 7]), Uuid([7, 7])];
    for domain in [1, 2] {
        for (uuid, id) in uuids.into_iter().zip(0..) {
            assert!(world.set_auth(domain, uuid, true));
            let args = hypercall_abi::NewPool { flags: flags::SHARED, uuid };
            assert_eq!(world.call(domain, hypercall_abi::Op::NewPool(args)), id);
        }
    }
    assert_eq!(world.audit().shared_pools, 4);
    for pool in 0..4 {
        assert_eq!(world.put(1, at(pool, 1, 1), Content::Unique(pool)), 1);
    }
    for pool in 0..4 {
        assert_eq!(world.get(2, at(pool, 1, 1)), (1, Some(Content::Unique(pool))));
    }
}

#[test]
fn r32_p69_without_authorisation_a_shared_pool_is_private() {
    check(
        "d1 allow 7          -> ok
         d1 new shared 7     -> 0
         d1 put 0 1 1 A      -> 1
         d2 new shared 7     -> 0
         d2 get 0 1 1        -> -1001
         d2 put 0 1 1 B      -> 1
         d2 get 0 1 1        -> 1 B
         d2 get 0 1 1        -> -1001    # exclusive, so private
         d1 get 0 1 1        -> 1 A",
    );
}

#[test]
fn r32_the_uuid_of_all_ones_asks_for_a_private_pool() {
    check(
        "d1 allow ones       -> ok
         d2 allow ones       -> ok
         d1 new shared ones  -> 0
         d2 new shared ones  -> 0
         d1 put 0 1 1 A      -> 1
         d2 get 0 1 1        -> -1001
         d1 get 0 1 1        -> 1 A
         d1 get 0 1 1        -> -1001",
    );
}

#[test]
fn r34_p7_the_17th_shared_pool_is_refused_and_leaves_the_slot_free() {
    let mut world = World::roomy();
    for uuid in 1..=16_u64 {
        let domain = if uuid <= 8 { 1 } else { 2 };
        assert!(world.set_auth(domain, Uuid([uuid, 0]), true));
        assert!(world.new_pool(domain, flags::SHARED, uuid) >= 0);
    }
    assert!(world.set_auth(3, Uuid([17, 0]), true));
    assert_eq!(world.new_pool(3, flags::SHARED, 17), answer::NOT_PERMITTED);
    check_in(
        &mut world,
        "d3 put 0 1 1 A      -> -19
         d3 get 0 1 1        -> -19
         d3 destroy 0        -> 0
         d3 allow 3          -> ok
         d3 new shared 3     -> 0     # joining still works
         d3 new persistent   -> 1
         d1 destroy 0        -> 1     # uuid 1 makes room
         d3 new shared 17    -> 2",
    );
    assert_eq!(world.audit().shared_pools, 16);
}

#[test]
fn r39_revoking_an_authorisation_prevents_later_joins_only() {
    check(
        "d1 allow 7          -> ok
         d2 allow 7          -> ok
         d1 new shared 7     -> 0
         d2 new shared 7     -> 0
         d1 put 0 1 1 A      -> 1
         d2 forbid 7         -> ok
         d2 get 0 1 1        -> 1 A
         d2 put 0 1 2 B      -> 1
         d1 get 0 1 2        -> 1 B
         d2 new shared 7     -> 1
         d2 get 1 1 1        -> -1001     # a private pool
         d2 destroy 0        -> 1
         d2 new shared 7     -> 0
         d2 get 0 1 1        -> -1001
         d2 allow 7          -> ok
         d2 new shared 7     -> 2
         d2 get 2 1 1        -> 1 A",
    );
}

#[test]
fn r40_the_owners_freezing_governs_a_shared_pools_puts() {
    check(
        "d1 allow 7          -> ok
         d2 allow 7          -> ok
         d1 new shared 7     -> 0
         d2 new shared 7     -> 0
         d2 put 0 1 1 A      -> 1
         d2 freeze           -> ok
         d2 put 0 1 2 B      -> 1
         d1 put 0 1 3 C      -> 1
         d2 flush 0 1 3      -> 1
         d2 thaw             -> ok
         d1 freeze           -> ok
         d2 put 0 1 4 D      -> -1000
         d2 put 0 1 1 E      -> 1         # a duplicate
         d2 flush 0 1 2      -> -1000
         d2 get 0 1 2        -> 0
         d2 get 0 1 1        -> 1 E",
    );
}

#[test]
fn r36_a_duplicate_put_makes_the_putter_the_last_user() {
    check(
        "d1 allow 7          -> ok
         d2 allow 7          -> ok
         d1 new shared 7     -> 0
         d2 new shared 7     -> 0
         d1 put 0 1 1 A      -> 1
         d1 put 0 2 1 B      -> 1
         d2 put 0 1 1 C      -> 1        # now the second domain's
         d1 destroy 0        -> 1
         d2 get 0 1 1        -> 1 C
         d2 get 0 2 1        -> 0",
    );
}

//! Frames of the guest's that cannot be used: R14, R15, and what the original broke there (P1, P49).

use tmem_host_sim::Content;
use tmem_model_tests::{BAD_GFN, READ_ONLY_GFN, World, answer, at, check, flags};

#[test]
fn r14_a_put_from_a_bad_frame_stores_nothing_and_removes_the_old_copy() {
    check(
        "d1 new ephemeral             -> 0
         d1 new persistent            -> 1
         d1 put 0 1 1 A from bad      -> -14
         d1 get 0 1 1                 -> -1001
         d1 put 0 1 1 A               -> 1
         d1 put 0 1 2 B               -> 1
         d1 put 0 1 1 C from bad      -> -14
         d1 get 0 1 1                 -> 0
         d1 get 0 1 2                 -> 1 B
         d1 put 1 1 1 A               -> 1
         d1 put 1 1 2 B               -> 1
         d1 put 1 1 1 C from bad      -> -14
         d1 get 1 1 1                 -> 0
         d1 put 1 1 2 C from readonly -> 1
         d1 get 1 1 2                 -> 1 C",
    );
}

#[test]
fn r14_a_bad_frame_is_judged_before_the_lack_of_memory() {
    check(
        "d1 new persistent            -> 0
         d1 put 0 1 1 A               -> 1
         d1 put 0 1 2 B               -> 1
         host frames 0
         d1 put 0 1 3 C from bad      -> -14
         d1 put 0 1 1 C from bad      -> -14
         d1 get 0 1 1                 -> 0
         d1 get 0 1 2                 -> 1 B",
    );
}

#[test]
fn r15_a_get_into_a_bad_frame_loses_nothing() {
    check(
        "d1 allow 7                   -> ok
         d1 new ephemeral             -> 0
         d1 new persistent            -> 1
         d1 new shared 7              -> 2
         d1 put 0 1 1 A               -> 1
         d1 put 1 1 1 B               -> 1
         d1 put 2 1 1 C               -> 1
         d1 get 0 1 1 into bad        -> -14
         d1 get 1 1 1 into readonly   -> -14
         d1 get 2 1 1 into 0xffffffffffffffff -> -14
         d1 get 0 1 1 into readonly   -> -14
         d1 get 0 1 1                 -> 1 A
         d1 get 1 1 1                 -> 1 B
         d1 get 2 1 1                 -> 1 C
         d1 get 0 1 1                 -> -1001",
    );
}

#[test]
fn p1_a_get_into_a_bad_frame_leaves_lists_and_counts_whole() {
    let mut world = World::with_frames(8);
    world.new_pool(1, flags::EPHEMERAL, 0);
    world.put(1, at(0, 1, 1), Content::Unique(1));
    for _ in 0..3 {
        assert_eq!(world.get_into(1, at(0, 1, 1), BAD_GFN), answer::BAD_ADDRESS);
        assert_eq!(world.audit().pages, 1);
    }
    assert_eq!(world.get(1, at(0, 1, 1)), (1, Some(Content::Unique(1))));
    world.put(1, at(0, 1, 1), Content::Unique(2));
    assert_eq!(world.get_into(1, at(0, 1, 1), READ_ONLY_GFN), answer::BAD_ADDRESS);
    world.flush_object(1, 0, 1);
    assert_eq!(world.audit().pages, 0);
    world.put(1, at(0, 1, 1), Content::Unique(3));
    assert_eq!(world.get_into(1, at(0, 1, 1), BAD_GFN), answer::BAD_ADDRESS);
    // The page takes part in eviction as if nothing had happened.
    for index in 0..20 {
        world.put(1, at(0, 2, index), Content::Unique(100 + index));
        world.audit();
    }
    assert_eq!(world.get(1, at(0, 1, 1)), (0, None));
}

#[test]
fn p49_no_frame_number_is_too_odd() {
    let mut world = World::roomy();
    world.new_pool(1, flags::PERSISTENT, 0);
    world.put(1, at(0, 1, 1), Content::Unique(1));
    for gfn in [16, 17, 1 << 20, u64::from(u32::MAX), 1 << 32, 1 << 52, 1 << 63, u64::MAX] {
        assert_eq!(world.get_into(1, at(0, 1, 1), gfn), answer::BAD_ADDRESS);
        assert_eq!(world.put_from(1, at(0, 1, 2), Content::ZERO, gfn), answer::BAD_ADDRESS);
    }
    assert_eq!(world.get(1, at(0, 1, 1)), (1, Some(Content::Unique(1))));
}

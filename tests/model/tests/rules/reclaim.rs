//! Memory that the host wants back: R11, R42, R56, R57, P17, P19; and a guest that starts anew:
//! R30, P27.

use hypercall_abi::Uuid;
use std::sync::Arc;
use tmem_host_sim::{Content, Direction, SimHost};
use tmem_model_tests::{World, at, flags};
use tmem_service::DomainId;

/// Pages 0 to `nr` of object 1 in the domain's pool 0.
fn fill(world: &mut World, domain: u16, nr: u32) {
    for index in 0..nr {
        assert_eq!(world.put(domain, at(0, 1, index), Content::Unique(index)), 1);
    }
}

#[test]
fn r57_p17_freeable_is_what_reclaim_gives_back_and_no_more() {
    let mut world = World::roomy();
    world.new_pool(1, flags::EPHEMERAL, 0);
    world.new_pool(2, flags::PERSISTENT, 0);
    world.set_auth(3, Uuid([5, 0]), true);
    world.new_pool(3, flags::SHARED, 5);
    fill(&mut world, 1, 70);
    fill(&mut world, 2, 50);
    fill(&mut world, 3, 30);
    assert_eq!(world.service().freeable_pages(), 100);
    assert_eq!(world.get(1, at(0, 1, 3)).0, 1, "an exclusive get takes a page");
    assert_eq!(world.service().freeable_pages(), 99);
    assert_eq!(world.reclaim(1000), 99);
    assert_eq!(world.service().freeable_pages(), 0);
    assert_eq!(world.reclaim(1), 0);
    for index in 0..50 {
        assert_eq!(world.get(2, at(0, 1, index)), (1, Some(Content::Unique(index))), "R11");
    }
}

#[test]
fn p29_the_estimate_of_freeable_catches_up_by_and_by_with_many_pools() {
    let mut world = World::roomy();
    for pool in 0..48 {
        let domain = 1 + pool / 16;
        assert_eq!(world.new_pool(domain, flags::EPHEMERAL, 0), i64::from(pool % 16));
        for index in 0..3 {
            assert_eq!(
                world.put(domain, at(u32::from(pool % 16), 1, index), Content::Unique(index)),
                1
            );
        }
    }
    // Nobody has counted yet, and one call counts a part of the pools only.
    assert!(world.service().freeable_estimate() < 144);
    let estimates: Vec<_> = (0..4).map(|_| world.service().freeable_estimate()).collect();
    assert_eq!(estimates.last(), Some(&144), "{estimates:?}");
    assert_eq!(world.service().freeable_pages(), 144);
    world.reclaim(100);
    let last = (0..5).map(|_| world.service().freeable_estimate()).last();
    assert_eq!(last, Some(44));
}

#[test]
fn r42_r56_reclaim_takes_as_many_as_are_wanted_and_the_oldest_first() {
    let mut world = World::roomy();
    for domain in 1..=2 {
        world.new_pool(domain, flags::EPHEMERAL, 0);
    }
    // A weight is between clients: the host that wants memory goes by age alone.
    world.set_weight(1, 100);
    world.set_weight(2, 1);
    fill(&mut world, 1, 40);
    fill(&mut world, 2, 40);
    assert_eq!(world.reclaim(33), 33);
    assert_eq!(world.reclaim(0), 0);
    let there = |world: &mut World, domain| {
        (0..40).filter(|&index| world.get(domain, at(0, 1, index)).0 == 1).count()
    };
    assert_eq!((there(&mut world, 1), there(&mut world, 2)), (7, 40));
}

#[test]
fn p19_frames_that_reclaim_frees_go_to_the_host_and_into_no_stock() {
    let mut world = World::new(SimHost::builder().frames(60).cpus(2).domains(2));
    world.new_pool(1, flags::EPHEMERAL, 0);
    fill(&mut world, 1, 50);
    let frames_before = world.host().nr_frames_out();
    assert_eq!(world.reclaim(20), 20);
    assert_eq!(world.host().nr_frames_out(), frames_before - 20);
}

#[test]
fn p19_reclaim_from_within_a_copy_leaves_the_page_that_is_being_read() {
    // The model does not follow this; the audit does.
    let world = World::roomy();
    let guest = world.guest(1);
    guest.new_pool(flags::EPHEMERAL, 0);
    for index in 0..3 {
        assert_eq!(guest.put(at(0, 1, index), Content::Unique(index)), 1);
    }
    // The host's allocator may come back in while a page is copied: on the same CPU, therefore.
    let service = Arc::clone(world.service());
    world.host().on_next_copy(Direction::Out, move || assert_eq!(service.reclaim(10), 2));
    assert_eq!(guest.get(at(0, 1, 0)), (1, Some(Content::Unique(0))));
    assert!(!world.host().drop_hook(Direction::Out), "the calls have met");
    assert_eq!(world.service().freeable_pages(), 0);
    world.service().audit().expect("the books agree");
}

#[test]
fn r30_p27_a_guest_that_starts_anew_has_no_pools_and_keeps_its_settings() {
    let mut world = World::roomy();
    world.set_auth(1, Uuid([9, 0]), true);
    world.set_auth(2, Uuid([9, 0]), true);
    world.set_weight(1, 7);
    assert_eq!(world.new_pool(1, flags::PERSISTENT, 0), 0);
    assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), 1);
    assert_eq!(world.new_pool(1, flags::SHARED, 9), 2);
    assert_eq!(world.new_pool(2, flags::SHARED, 9), 0);
    fill(&mut world, 1, 100);
    world.put(2, at(0, 4, 4), Content::Unique(1));
    assert!(world.reset_domain(1) > 3, "in slices");
    let state = world.service().client_state(DomainId(1)).expect("it stays a client");
    assert_eq!((state.nr_pools, state.weight), (0, 7));
    assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0, "its room is free again");
    assert_eq!(world.get(1, at(0, 1, 0)).0, -19);
    // Ids begin anew, the pools are empty, and the right to share is still there.
    assert_eq!(world.new_pool(1, flags::PERSISTENT, 0), 0);
    assert_eq!(world.get(1, at(0, 1, 0)).0, -1001);
    assert_eq!(world.new_pool(1, flags::SHARED, 9), 1);
    assert_eq!(world.get(1, at(1, 4, 4)), (1, Some(Content::Unique(1))), "another's page");
    assert_eq!(world.reset_domain(3), 1, "no client: nothing to do");
}

//! What a domain pays for, and what metadata costs: R48, R49, R51, P21.

use tmem_host_sim::{Content, DomainSpec, SimHost};
use tmem_model_tests::{World, answer, at, flags};
use tmem_service::DomainId;

/// A world of one domain that may have `nr_max` frames.
fn limited(nr_max: u32) -> World {
    World::new(SimHost::builder().frames(2000).domain(DomainSpec::new(1).max(nr_max)))
}

/// Puts persistent pages of object 1 until one is refused; returns their number.
fn fill(world: &mut World) -> u32 {
    for index in 0.. {
        match world.put(1, at(0, 1, index), Content::Unique(index)) {
            answer::SUCCESS => {}
            answer => {
                assert_eq!(answer, answer::NO_MEMORY);
                return index;
            }
        }
    }
    unreachable!("a limit is met")
}

fn charged(world: &World) -> u32 {
    world.host().domain(DomainId(1)).nr_charged()
}

#[test]
fn r48_persistent_pages_and_their_metadata_stay_within_the_maximum() {
    let mut world = limited(300);
    world.host().domain(DomainId(1)).set_own_frames(100);
    world.new_pool(1, flags::PERSISTENT, 0);
    let nr_pages = fill(&mut world);
    assert!(nr_pages <= 200, "{nr_pages} pages and 100 frames exceed 300");
    assert!(nr_pages >= 120, "only {nr_pages} pages for 200 frames");
    assert!(charged(&world) >= nr_pages && charged(&world) <= 200);
    for index in 0..nr_pages {
        assert_eq!(world.get(1, at(0, 1, index)), (1, Some(Content::Unique(index))));
    }
}

#[test]
fn r48_a_domain_at_its_maximum_may_still_replace_its_pages() {
    let mut world = limited(60);
    world.new_pool(1, flags::PERSISTENT, 0);
    let nr_pages = fill(&mut world);
    assert!(nr_pages > 0);
    for index in 0..nr_pages {
        assert_eq!(world.put(1, at(0, 1, index), Content::Unique(1000 + index)), 1);
    }
    for index in 0..nr_pages {
        assert_eq!(world.get(1, at(0, 1, index)), (1, Some(Content::Unique(1000 + index))));
    }
    let before = charged(&world);
    world.host().domain(DomainId(1)).set_own_frames(60);
    assert_eq!(world.put(1, at(0, 1, 0), Content::Unique(9)), 1, "even when it is above");
    assert_eq!(charged(&world), before);
}

#[test]
fn r48_ephemeral_pages_are_not_limited_by_the_maximum() {
    let mut world = limited(0);
    world.new_pool(1, flags::EPHEMERAL, 0);
    for index in 0..100 {
        assert_eq!(world.put(1, at(0, 1, index), Content::Unique(index)), 1);
    }
    assert_eq!(charged(&world), 0);
}

#[test]
fn r48_ballooning_down_makes_room() {
    let mut world = limited(200);
    world.host().domain(DomainId(1)).set_own_frames(200);
    world.new_pool(1, flags::PERSISTENT, 0);
    assert_eq!(fill(&mut world), 0);
    world.host().domain(DomainId(1)).set_own_frames(100);
    assert!(fill(&mut world) > 40);
}

#[test]
fn r49_a_flushed_page_gives_its_room_back_at_once() {
    let mut world = limited(80);
    world.new_pool(1, flags::PERSISTENT, 0);
    let nr_pages = fill(&mut world);
    for round in 0..5 {
        assert_eq!(world.put(1, at(0, 1, nr_pages), Content::ZERO), answer::NO_MEMORY);
        assert_eq!(world.flush(1, at(0, 1, round)), 1);
        assert_eq!(world.put(1, at(0, 1, round), Content::Unique(round)), 1);
    }
}

#[test]
fn r49_flushing_all_objects_or_destroying_the_pool_gives_all_room_back() {
    let mut world = limited(150);
    world.new_pool(1, flags::PERSISTENT, 0);
    let nr_pages = fill(&mut world);
    assert_eq!(world.flush_object(1, 0, 1), 1);
    assert!(charged(&world) <= 16, "an empty pool is charged {}", charged(&world));
    assert_eq!(fill(&mut world), nr_pages);
    assert_eq!(world.destroy(1, 0), 1);
    assert_eq!(charged(&world), 0);
    world.new_pool(1, flags::PERSISTENT, 0);
    assert_eq!(fill(&mut world), nr_pages);
}

#[test]
fn r49_a_put_that_fails_is_charged_for_nothing() {
    let mut world = limited(1000);
    world.new_pool(1, flags::PERSISTENT, 0);
    for index in 0..10 {
        let bad = tmem_model_tests::BAD_GFN;
        let answer = world.put_from(1, at(0, 1, index), Content::ZERO, bad);
        assert_eq!(answer, answer::BAD_ADDRESS);
        assert_eq!(charged(&world), 0);
    }
    world.put(1, at(0, 1, 1), Content::Unique(1));
    let one_page = charged(&world);
    world.put_from(1, at(0, 1, 1), Content::ZERO, tmem_model_tests::BAD_GFN);
    assert!(charged(&world) < one_page);
}

/// Bytes of metadata for each page of `nr_pages` that `name` spreads over handles, apart from a
/// fixed part a pool.
fn metadata_bytes_per_page(pool: u32, nr_pages: u32, name: impl Fn(u32) -> (u64, u32)) -> u64 {
    const FIXED_FRAMES: u64 = 64;
    let mut world = World::with_frames(5000);
    world.new_pool(1, pool, 0);
    let before = world.host().nr_metadata();
    for number in 0..nr_pages {
        let (object, index) = name(number);
        assert_eq!(world.put(1, at(0, object, index), Content::ZERO), 1);
    }
    let frames = (world.host().nr_metadata() - before).saturating_sub(FIXED_FRAMES);
    frames * 4096 / u64::from(nr_pages)
}

#[test]
fn p21_metadata_a_page_is_bounded_for_every_spread_of_handles() {
    const BYTES_MAX: u64 = 400;
    let spreads: [fn(u32) -> (u64, u32); 5] = [
        |n| (1, n),
        |n| (u64::from(n), 0),
        |n| (u64::from(n) << 40, u32::MAX - n),
        |n| (1, n << 20 | n),
        |n| (u64::from(n % 64), n.reverse_bits()),
    ];
    for pool in [flags::EPHEMERAL, flags::PERSISTENT] {
        for (which, spread) in spreads.into_iter().enumerate() {
            let bytes = metadata_bytes_per_page(pool, 3000, spread);
            assert!(bytes <= BYTES_MAX, "spread {which}: {bytes} bytes a page");
        }
    }
}

#[test]
fn p21_failed_puts_leave_no_objects_behind() {
    let mut world = World::with_frames(50);
    world.new_pool(1, flags::PERSISTENT, 0);
    world.put(1, at(0, 0, 0), Content::ZERO);
    let before = world.host().nr_metadata();
    world.host().leave_frames(0);
    for object in 1..500 {
        assert_eq!(world.put(1, at(0, object, 0), Content::ZERO), answer::NO_MEMORY);
    }
    assert_eq!(world.audit().objects, 1);
    assert!(world.host().nr_metadata() <= before + 1);
}

#[test]
fn p21_metadata_is_given_back_when_pages_go() {
    let mut world = World::with_frames(4000);
    world.new_pool(1, flags::EPHEMERAL, 0);
    let before = world.host().nr_metadata();
    for number in 0..3000 {
        world.put(1, at(0, number, 0), Content::ZERO);
    }
    let full = world.host().nr_metadata() - before;
    for number in 0..3000 {
        world.flush(1, at(0, number, 0));
    }
    let rest = world.host().nr_metadata() - before;
    assert!(rest <= full / 2 + 32, "of {full} frames {rest} are kept by an empty pool");
    world.destroy(1, 0);
    assert!(world.host().nr_metadata() <= before, "a destroyed pool keeps nothing");
}

#[test]
fn p21_of_the_blocks_that_were_thinned_out_one_a_shard_keeps_its_map() {
    const OBJECTS: u64 = 400;
    const SHARDS: u64 = 8;
    const MAPS_PER_FRAME: u64 = 8;
    for pool in [flags::EPHEMERAL, flags::PERSISTENT] {
        let mut world = World::with_frames(4000);
        world.new_pool(1, pool, 0);
        for object in 0..OBJECTS {
            for index in 0..8 {
                world.put(1, at(0, object, index), Content::Unique(index));
            }
        }
        let full = world.host().nr_metadata();
        // In an order that thins many out before any is empty.
        for index in 0..6 {
            for object in 0..OBJECTS {
                world.flush(1, at(0, object, index));
            }
        }
        world.audit();
        let freed = full - world.host().nr_metadata();
        // In each shard one map, and places of a frame that are not used yet, stay.
        assert!(freed >= OBJECTS / MAPS_PER_FRAME - 2 * SHARDS, "{freed} of {full} frames freed");
        // All grow and shrink again, and the pages are where they were.
        for object in 0..OBJECTS {
            world.put(1, at(0, object, 1), Content::Unique(91));
            world.put(1, at(0, object, 63), Content::Unique(92));
        }
        for object in 0..OBJECTS {
            world.flush(1, at(0, object, 6));
            world.flush(1, at(0, object, 1));
        }
        world.audit();
        for object in 0..OBJECTS {
            assert_eq!(world.get(1, at(0, object, 6)).0, 0);
            assert_eq!(world.get(1, at(0, object, 63)), (1, Some(Content::Unique(92))));
            assert_eq!(world.get(1, at(0, object, 7)), (1, Some(Content::Unique(7))));
        }
        world.audit();
    }
}

#[test]
fn p21_a_block_that_kept_its_map_and_is_gone_is_forgotten() {
    // Several chunks of blocks in each shard.
    const OBJECTS: u64 = 1600;
    let mut world = World::with_frames(8000);
    world.new_pool(1, flags::PERSISTENT, 0);
    let put = |world: &mut World, object| {
        for index in 0..4 {
            assert_eq!(world.put(1, at(0, object, index), Content::Unique(index)), 1);
        }
    };
    (0..OBJECTS).for_each(|object| put(&mut world, object));
    // The last that is thinned out in each shard is one of its first chunk, which goes.
    for index in 0..4 {
        for object in (0..OBJECTS).rev() {
            world.flush(1, at(0, object, index));
        }
    }
    for object in OBJECTS..OBJECTS + 100 {
        put(&mut world, object);
        world.flush(1, at(0, object, 0));
    }
    world.audit();
}

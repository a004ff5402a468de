//! The order of ages where there are thousands of pages, so that the log that keeps it has chunks
//! that fill, thin out and are merged: R8, R10, R42, P21.
//!
//! The model knows the oldest page at each eviction; the audit looks at the whole log.

use hypercall_abi::{ObjectId, Op, Uuid};
use tmem_host_sim::{Content, Direction, Fault, SimHost, on_cpu};
use tmem_model_tests::{Rng, World, answer, at, flags};
use tmem_service::Outcome;

/// Records in a chunk of the log, and the shards of a pool that have one each.
const RECORDS: u32 = 448;
const SHARDS: u32 = 8;

/// A world on `nr_frames` frames in which domain 1 has a private pool 0 and shares its pool 1 with
/// domain 2, where it is pool 0.
fn world_on(host: tmem_host_sim::Builder) -> World {
    let mut world = World::new(host.domains(2));
    for domain in [1, 2] {
        assert!(world.set_auth(domain, Uuid([7, 0]), true));
    }
    assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), 0);
    assert_eq!(world.new_pool(1, flags::SHARED, 7), 1);
    assert_eq!(world.new_pool(2, flags::SHARED, 7), 0);
    world
}

/// Objects of eight pages, and a large one.
fn handle(pool: u32, number: u32) -> hypercall_abi::Handle {
    if number.is_multiple_of(3) {
        at(pool, 1, number / 3)
    } else {
        at(pool, 10 + u64::from(number / 8), number % 8)
    }
}

/// Rounds in which a host is filled and overfilled, and rounds in which most pages are got, flushed or
/// refreshed in a random order.
fn come_and_go(world: &mut World, seed: u64, nr_numbers: u64, nr_rounds: u32) {
    let mut rng = Rng::new(seed);
    let mut number = || u32::try_from(rng.below(nr_numbers)).expect("a small number");
    for round in 0..nr_rounds {
        for _ in 0..nr_numbers / 2 {
            let (private, shared) = (handle(0, number()), handle(1, number()));
            if round % 2 == 0 {
                world.put(1, private, Content::Unique(number()));
                world.put(1, shared, Content::Unique(number()));
            }
            if round % 2 == 1 || number() % 4 == 0 {
                world.get(1, handle(0, number()));
                world.get(2, handle(0, number()));
                world.get(1, private);
            }
            if round % 4 == 3 {
                world.flush(2, handle(0, number()));
            }
        }
        world.flush_object(1, 0, 1);
        world.audit();
    }
}

#[test]
fn r42_the_order_is_exact_over_thousands_of_pages_that_come_and_go() {
    let mut world = world_on(SimHost::builder().frames(9000));
    come_and_go(&mut world, 1, 9000, 8);
}

/// The chunks of the log are the host's frames, too, so a hit in a shared pool may evict.
#[test]
fn r42_the_order_is_exact_where_the_ages_themselves_want_memory() {
    let mut world = world_on(SimHost::builder().frames(6000).metadata_in_frames());
    come_and_go(&mut world, 2, 6000, 6);
}

fn nr_pages_of(world: &mut World) -> u64 {
    world.audit().pages
}

/// Fills domain 1's pool 1, which is shared, with as many pages as fill the first chunk of each
/// shard's log and half of the second, one object each.
fn fill_shared(world: &mut World) -> u32 {
    let nr_pages = SHARDS * RECORDS * 3 / 2;
    for number in 0..nr_pages {
        assert_eq!(world.put(1, at(1, u64::from(number), 0), Content::Unique(number)), 1);
    }
    nr_pages
}

#[test]
fn r42_pages_that_are_got_over_and_over_stay_and_take_no_more_memory() {
    let mut world = world_on(SimHost::builder().frames(20_000));
    let nr_pages = fill_shared(&mut world);
    let before = world.audit().metadata_frames;
    let mut rng = Rng::new(3);
    for _ in 0..10 * nr_pages {
        let number = u32::try_from(rng.below(nr_pages.into())).expect("a small number");
        assert_eq!(
            world.get(2, at(0, number.into(), 0)),
            (1, Some(Content::Unique(number))),
            "page {number}"
        );
    }
    let after = world.audit().metadata_frames;
    // Six chunks a shard for one and a half: those that are not yet so thin that they are merged.
    assert!(after <= before + u64::from(SHARDS) * 5, "{before} frames, and then {after}");
}

#[test]
fn r10_a_hit_without_memory_for_its_age_is_a_hit_and_leaves_the_page_where_it_was() {
    let mut world = world_on(SimHost::builder().frames(20_000));
    let nr_pages = fill_shared(&mut world);
    // Neither metadata nor a page whose frame could be one: each get loses one page more, at most.
    world.host().fail_all(Fault::Metadata);
    let mut nr_hits = 0;
    for number in (0..nr_pages).rev() {
        nr_hits += u32::from(world.get(2, at(0, number.into(), 0)).0 == 1);
    }
    assert!(nr_hits > nr_pages / 2, "{nr_hits} hits");
    world.audit();
}

#[test]
fn r42_a_hit_on_a_full_host_makes_room_for_its_age_by_the_oldest_page() {
    let mut world = world_on(SimHost::builder().frames(6000).metadata_in_frames());
    let mut number = 0;
    // Until pages are evicted.
    while u64::from(number) == nr_pages_of(&mut world) {
        world.put(1, at(1, u64::from(number), 0), Content::Unique(number));
        number += 1;
    }
    let nr_pages = nr_pages_of(&mut world);
    for _ in 0..3 {
        for object in (u64::from(number) - nr_pages / 2)..u64::from(number) {
            world.get(2, at(0, object, 0));
        }
    }
    let nr_left = nr_pages_of(&mut world);
    assert!(nr_left < nr_pages, "the ages have taken frames");
    // Three times half of the pages, a frame for 448 of them at the most, in each shard.
    let nr_gone = nr_pages - nr_left;
    assert!(nr_gone <= nr_pages * 3 / 2 / u64::from(RECORDS) + u64::from(SHARDS), "{nr_gone} went");
    for object in (u64::from(number) - nr_pages / 2)..u64::from(number) {
        assert_eq!(world.get(2, at(0, object, 0)).0, 1, "the young ones are there");
    }
}

/// Dead pages keep their ages until they are swept, and these move with the others.
#[test]
fn p21_ages_of_flushed_pages_move_with_those_of_live_ones() {
    let mut world = world_on(SimHost::builder().frames(30_000));
    let nr_pages = SHARDS * RECORDS * 4;
    let live = |number: u32| at(0, 2 + u64::from(number), 0);
    // One page in eight is of the object that is going to die.
    for number in 0..nr_pages {
        let handle = if number.is_multiple_of(8) { at(0, 1, number / 8) } else { live(number) };
        assert_eq!(world.put(1, handle, Content::Unique(number)), 1);
    }
    let flush = Op::FlushObject { pool_id: 0, object: ObjectId([1, 0, 0]) };
    assert_eq!(world.slice(1, flush, Content::ZERO), Outcome::Again);
    // The others go, but for a few: the chunks thin out down to the dead pages.
    for number in 0..nr_pages {
        if !number.is_multiple_of(8) && !number.is_multiple_of(61) {
            assert_eq!(world.get(1, live(number)).0, 1);
        }
    }
    world.audit();
    while world.slice(1, flush, Content::ZERO) == Outcome::Again {}
    world.audit();
    for number in (0..nr_pages).filter(|number| !number.is_multiple_of(8)) {
        let is_there = number.is_multiple_of(61);
        assert_eq!(world.get(1, live(number)).0, if is_there { 1 } else { 0 });
    }
}

/// While a page is copied out, its record gets another number.
#[test]
fn r8_r10_a_get_ends_well_whose_pages_age_was_moved_meanwhile() {
    for pool in [0, 1] {
        let host = SimHost::builder().frames(30_000).cpus(2);
        let world = world_on(host);
        let guest = world.guest(1);
        let other = guest.with_frames(4, 5);
        let nr_pages = SHARDS * RECORDS * 3;
        let page = move |number: u32| at(pool, u64::from(number), 0);
        for number in 0..nr_pages {
            assert_eq!(guest.put(page(number), Content::Unique(number)), 1);
        }
        // One page in nine stays: fewer than what is merged.
        let read = [9 * 100, 0, 9 * 500, 9 * 900];
        let meanwhile = move || {
            for number in (0..nr_pages).filter(|number| !number.is_multiple_of(9)) {
                other.flush(page(number));
            }
        };
        world.host().on_next_copy(Direction::Out, || on_cpu(1, meanwhile));
        for number in read {
            assert_eq!(guest.get(page(number)), (1, Some(Content::Unique(number))));
            world.service().audit().expect("the books are right");
        }
        assert!(!world.host().drop_hook(Direction::Out), "the calls have met");
        for number in (0..nr_pages).filter(|number| number.is_multiple_of(9)) {
            let is_gone = pool == 0 && read.contains(&number);
            let expected = if is_gone { 0 } else { 1 };
            assert_eq!(guest.get(page(number)).0, expected, "page {number} of pool {pool}");
        }
        world.service().audit().expect("the books are right");
    }
}

/// A page that an exclusive get has claimed is created anew by a put: that age may want a chunk.
#[test]
fn r42_a_put_during_a_get_finds_a_place_for_its_age_wherever_the_log_ends() {
    let world = world_on(SimHost::builder().frames(30_000).cpus(2));
    let guest = world.guest(1);
    let nr_puts = RECORDS + 50;
    for number in 0..nr_puts {
        // All of one block, so of one shard, each of which adds one to its log.
        let page = at(0, 1, number % 64);
        assert_eq!(guest.put(page, Content::Unique(number)), 1);
        let other = guest.with_frames(4, 5);
        let meanwhile = move || assert_eq!(other.put(page, Content::Unique(9999)), 1);
        world.host().on_next_copy(Direction::Out, || on_cpu(1, meanwhile));
        assert_eq!(guest.get(page), (1, Some(Content::Unique(number))));
        assert!(!world.host().drop_hook(Direction::Out), "the calls have met");
        world.service().audit().expect("the books are right");
        if number % 2 == 0 {
            assert_eq!(guest.get(page), (1, Some(Content::Unique(9999))));
        }
    }
}

/// Some pages in each stretch of the log that a guest fills.
#[test]
fn p21_few_pages_left_of_many_keep_few_frames_of_their_ages() {
    let mut world = world_on(SimHost::builder().frames(30_000));
    let nr_blocks = SHARDS * RECORDS * 6 / 64;
    let empty = world.audit().metadata_frames;
    // A page of each block by turns, so that the ages of one block's lie far apart.
    for place in 0..64 {
        for block in 0..nr_blocks {
            assert_eq!(world.put(1, at(0, 1, block * 64 + place), Content::Unique(place)), 1);
        }
    }
    // Whole blocks stay, so what is left is pages and ages, and hardly blocks.
    for index in (0..nr_blocks * 64).filter(|index| !(index / 64).is_multiple_of(48)) {
        assert_eq!(world.get(1, at(0, 1, index)).0, 1);
    }
    let totals = world.audit();
    let nr_left = u64::from(nr_blocks.div_ceil(48) * 64);
    assert_eq!(totals.pages, nr_left);
    let nr_frames = totals.metadata_frames - empty;
    // Six chunks in each shard would make it 112.
    assert!(nr_frames <= 100, "{nr_frames} frames for {nr_left} pages");
    assert_eq!(world.get(1, at(0, 7, 7)).0, answer::NOTHING);
}

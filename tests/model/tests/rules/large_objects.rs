//! Large objects, whose blocks the engine guesses rather than looks up as long as its guesses were
//! right: what is found is what the name says, whatever lay there before. R2, R7, R22.
//!
//! A guess is made only after two finds in a row where it would have been right, so each test begins
//! by having some.

use hypercall_abi::{ObjectId, Op};
use tmem_host_sim::Content;
use tmem_model_tests::{World, at, flags};
use tmem_service::Outcome;

/// Pages of a block that are put: so many that it has a map, which is what is guessed.
const PER_BLOCK: u32 = 5;
/// Blocks of an object: some in each shard of the pool.
const BLOCKS: u32 = 48;

/// A page of a block.
fn index(block: u32, place: u32) -> u32 {
    block * 64 + place
}

fn content(object: u64, index: u32) -> Content {
    Content::Unique(u32::try_from(object).unwrap_or(0) << 16 | index)
}

fn put_block(world: &mut World, object: u64, block: u32) {
    for index in (0..PER_BLOCK).map(|place| index(block, place)) {
        assert_eq!(world.put(1, at(0, object, index), content(object, index)), 1);
    }
}

fn put_object(world: &mut World, object: u64) {
    (0..BLOCKS).for_each(|block| put_block(world, object, block));
}

/// Finds every page of the object's blocks `blocks`, twice, so that guesses are trusted.
fn find(world: &mut World, object: u64, blocks: impl Iterator<Item = u32> + Clone) {
    for block in blocks.flat_map(|block| [block, block]) {
        for index in (0..PER_BLOCK).map(|place| index(block, place)) {
            assert_eq!(world.get(1, at(0, object, index)), (1, Some(content(object, index))));
        }
    }
}

/// Worlds with a pool in which a get leaves the page: a persistent one, and a shared one.
fn worlds() -> impl Iterator<Item = World> {
    [(flags::PERSISTENT, 0), (flags::SHARED, 7)].into_iter().map(|(flags, uuid)| {
        let mut world = World::roomy();
        assert!(world.set_auth(1, hypercall_abi::Uuid([7, 0]), true));
        assert_eq!(world.new_pool(1, flags, uuid), 0);
        world
    })
}

#[test]
fn r2_pages_of_two_large_objects_side_by_side_are_told_apart() {
    for mut world in worlds() {
        // So that the blocks of both lie one after the other, in the same shards, with equal numbers
        // a step apart.
        put_object(&mut world, 1);
        put_object(&mut world, 2);
        for object in [1, 2, 1] {
            find(&mut world, object, 0..BLOCKS);
            find(&mut world, object, (0..BLOCKS).rev());
        }
        for block in 0..BLOCKS {
            find(&mut world, 1 + u64::from(block % 2), block..block + 1);
        }
        // Past the end of the first lies the second.
        find(&mut world, 1, BLOCKS - 8..BLOCKS);
        for block in BLOCKS..2 * BLOCKS {
            assert_eq!(world.get(1, at(0, 1, index(block, 0))).0, 0);
            find(&mut world, 1, BLOCKS - 1..BLOCKS);
        }
    }
}

#[test]
fn r7_what_was_flushed_is_not_found_where_another_has_taken_its_place() {
    for mut world in worlds() {
        put_object(&mut world, 1);
        for block in 9..BLOCKS {
            find(&mut world, 1, block - 1..block + 1);
            for index in (0..PER_BLOCK).map(|place| index(block, place)) {
                assert_eq!(world.flush(1, at(0, 1, index)), 1);
            }
            // Its record and its map are free, and are the next that are taken.
            put_block(&mut world, 2, block);
            find(&mut world, 1, block - 8..block - 7);
            for index in (0..PER_BLOCK).map(|place| index(block, place)) {
                assert_eq!(world.get(1, at(0, 1, index)).0, 0);
            }
            find(&mut world, 2, block..block + 1);
            for index in (0..PER_BLOCK).map(|place| index(block, place)) {
                assert_eq!(world.flush(1, at(0, 2, index)), 1);
            }
            put_block(&mut world, 1, block);
        }
    }
}

#[test]
fn r22_what_a_flushed_object_has_left_to_be_freed_is_not_found() {
    for mut world in worlds() {
        put_object(&mut world, 1);
        put_object(&mut world, 2);
        find(&mut world, 1, 1..BLOCKS);
        let flush = Op::FlushObject { pool_id: 0, object: ObjectId([1, 0, 0]) };
        assert_eq!(world.slice(1, flush, Content::ZERO), Outcome::Again);
        for block in 1..BLOCKS {
            assert_eq!(world.get(1, at(0, 1, index(block, 0))).0, 0, "block {block}");
        }
        find(&mut world, 2, 1..BLOCKS);
        // The same names again, while the former pages wait.
        put_object(&mut world, 1);
        find(&mut world, 1, 1..BLOCKS);
        find(&mut world, 2, 1..BLOCKS);
    }
}

#[test]
fn r2_a_page_is_found_after_its_block_has_given_up_its_map_and_has_another() {
    for mut world in worlds() {
        put_object(&mut world, 1);
        // Two blocks of a shard, for one may keep its map.
        for block in (9..BLOCKS - 8).step_by(3) {
            let blocks = [block, block + 8];
            find(&mut world, 1, block..block + 1);
            for place in 1..PER_BLOCK {
                for block in blocks {
                    assert_eq!(world.flush(1, at(0, 1, index(block, place))), 1);
                }
            }
            for block in blocks {
                let lone = index(block, 0);
                assert_eq!(world.get(1, at(0, 1, lone)), (1, Some(content(1, lone))));
            }
            // Another takes a map that was given up, and the first ones get others.
            put_block(&mut world, 2, block);
            blocks.into_iter().rev().for_each(|block| put_block(&mut world, 1, block));
            find(&mut world, 1, block - 1..block + 2);
            find(&mut world, 1, block + 8..block + 9);
            find(&mut world, 2, block..block + 1);
        }
    }
}

#[test]
fn r2_a_block_that_was_never_written_is_not_found_in_the_next_one() {
    for mut world in worlds() {
        // The ninth block after one that is left out takes the place where that would be guessed.
        let written = |block: &u32| *block < 8 || block % 5 != 3;
        (0..BLOCKS).filter(written).for_each(|block| put_block(&mut world, 1, block));
        for hole in (8..BLOCKS).filter(|block| !written(block)) {
            find(&mut world, 1, hole - 8..hole - 7);
            for index in (0..PER_BLOCK).map(|place| index(hole, place)) {
                assert_eq!(world.get(1, at(0, 1, index)).0, 0);
                assert_eq!(world.flush(1, at(0, 1, index)), 1);
            }
            find(&mut world, 1, hole - 8..hole - 7);
            put_block(&mut world, 1, hole);
            find(&mut world, 1, hole - 8..hole - 7);
            find(&mut world, 1, hole..hole + 1);
        }
        find(&mut world, 1, 0..BLOCKS);
    }
}

//! A slab against a list of what is in it.

use super::*;
use crate::block::{Block, Blocks, PER_CHUNK};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cell::Cell;

type Supply = SlabSupply<Block, PER_CHUNK>;

/// A slab with the slots that are in use.
struct Listed {
    blocks: Blocks,
    used: BTreeSet<u32>,
    /// Blocks of metadata that it has been given and has not given back.
    nr_blocks: u32,
}

impl Listed {
    fn new() -> Self {
        Self { blocks: Slab::new(), used: BTreeSet::new(), nr_blocks: 0 }
    }

    fn insert(&mut self) -> SlotId {
        let mut supply = Supply::default();
        while let Err(need) = self.blocks.prepare(&mut supply) {
            assert!(supply.fetch(need));
            self.nr_blocks += 1;
        }
        assert_eq!(supply.nr_blocks(), 0, "no more than it asked for");
        let id = self.blocks.insert(Block::Head {
            oid: [7, 8, 9],
            first: SlotId(1),
            nr_pages: Cell::new(0),
        });
        assert!(self.used.insert(id.0), "a slot is given once");
        id
    }

    fn remove(&mut self, id: SlotId) {
        assert!(self.used.remove(&id.0));
        let (block, has_excess) = self.blocks.remove(id);
        assert!(matches!(block, Block::Head { oid: [7, 8, 9], .. }), "as it was put there");
        let mut garbage = Garbage::<0>::new();
        self.blocks.collect(&mut garbage);
        let nr_freed = garbage.nr_blocks();
        assert_eq!(nr_freed > 0, has_excess);
        self.nr_blocks -= nr_freed;
    }

    /// What a walk finds, with `step` chunks at a time.
    fn walk(&mut self, step: usize) -> Vec<u32> {
        let (mut found, mut at) = (Vec::new(), SlotId(0));
        loop {
            let mut chunks = step;
            match self.blocks.next_used(at, &mut chunks) {
                Scanned::Found(id) => {
                    found.push(id.0);
                    at = SlotId(id.0 + 1);
                }
                Scanned::Unfinished(next) => at = next,
                Scanned::End => return found,
            }
        }
    }

    fn check(&mut self) {
        let used: Vec<_> = self.used.iter().copied().collect();
        assert_eq!(self.walk(usize::MAX), used);
        assert_eq!(self.walk(1), used, "in short steps");
        let nr_used = u32::try_from(used.len()).expect("few");
        assert_eq!(self.blocks.recount(), (nr_used, self.nr_blocks));
    }
}

#[test]
fn slots_come_and_go_and_every_chunk_goes_back() {
    let mut listed = Listed::new();
    let mut word = 3_u64;
    for round in 0..40 {
        for _ in 0..300 {
            word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            // Fuller in even rounds, emptier in odd ones.
            if (word >> 33) % 4 < if round % 2 == 0 { 3 } else { 1 } {
                listed.insert();
            } else {
                let nth = usize::try_from(word >> 40).expect("24 bits");
                let nth = nth % listed.used.len().max(1);
                if let Some(&id) = listed.used.iter().nth(nth) {
                    listed.remove(SlotId(id));
                }
            }
        }
        listed.check();
    }
    for id in core::mem::take(&mut listed.used) {
        listed.used.insert(id);
        listed.remove(SlotId(id));
    }
    listed.check();
    let mut garbage = Garbage::<0>::new();
    while !listed.blocks.dismantle(&mut garbage) {
        listed.nr_blocks -= garbage.nr_blocks();
        garbage = Garbage::new();
    }
    assert_eq!((listed.nr_blocks, listed.blocks.recount()), (0, (0, 0)));
}

#[test]
fn a_lone_slot_that_comes_and_goes_keeps_its_chunk() {
    let mut listed = Listed::new();
    let first = listed.insert();
    for _ in 0..200 {
        let id = listed.insert();
        let nr_blocks = listed.nr_blocks;
        listed.remove(id);
        assert_eq!(listed.nr_blocks, nr_blocks);
    }
    assert_eq!(listed.nr_blocks, 1);
    listed.remove(first);
}

#[test]
fn a_walk_looks_at_no_more_chunks_than_it_may() {
    let mut listed = Listed::new();
    let ids: Vec<_> = (0..PER_CHUNK * 10).map(|_| listed.insert()).collect();
    // One slot in each chunk but the last, which is full.
    for &id in &ids[..PER_CHUNK * 9] {
        if !(id.0 as usize).is_multiple_of(PER_CHUNK) {
            listed.remove(id);
        }
    }
    let mut chunks = 3;
    let from = SlotId(1);
    let found = listed.blocks.next_used(from, &mut chunks);
    assert_eq!((found, chunks), (Scanned::Found(SlotId(64)), 1));
    let mut chunks = 1;
    let found = listed.blocks.next_used(from, &mut chunks);
    assert_eq!((found, chunks), (Scanned::Unfinished(SlotId(64)), 0));
}

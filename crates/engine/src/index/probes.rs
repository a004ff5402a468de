//! How many names a look-up compares, for object ids as an attacker chooses them: P26.
//!
//! Counted are comparisons, not time.

use super::*;
use crate::hash::HashKey;
use crate::meta::{BLOCK_BYTES_MAX, boxed};
use crate::table::Entries;
use alloc::vec::Vec;

/// An object id by number; two numbers never give the same one.
type Pattern = fn(u64) -> [u64; 3];

/// Ids as guests have them and as an attacker would choose them.
const PATTERNS: [(&str, Pattern); 12] = [
    ("first word", |n| [n, 0, 0]),
    ("second word", |n| [0, n, 0]),
    ("third word", |n| [0, 0, n]),
    ("all words equal", |n| [n, n, n]),
    ("multiples of 2^32", |n| [n << 32, 0, 0]),
    ("multiples of 2^32 in the last word", |n| [0, 0, n << 32]),
    ("high bits", |n| [n << 45, n << 45, 0]),
    ("one bit over a count", |n| [1 << (n % 64), n / 64, 0]),
    // The original hashed to the exclusive or of all bytes: all of these to one bucket.
    ("bytes that cancel out", |n| [n, n.rotate_left(8), 0]),
    ("words that cancel out", |n| [n, n.rotate_left(17), n ^ n.rotate_left(17)]),
    ("a multiplicative stride", |n| [n.wrapping_mul(0x9e37_79b9_7f4a_7c15), 0, 0]),
    ("the step of the blocks' hash", |n| [n.wrapping_mul(0x6a09_e667_f3bc_c909), 0, 0]),
];

const _: () = assert!(size_of::<Entries>() <= BLOCK_BYTES_MAX);

/// An index of the first blocks of `nr` objects, each under its number.
struct Filled {
    index: Index,
    hashes: Vec<u64>,
}

impl Filled {
    fn new(hash: impl Fn(u64) -> u64, nr: u64) -> Self {
        let mut filled = Self { index: Index::new(), hashes: (0..nr).map(hash).collect() };
        for block in 0..u32::try_from(nr).expect("few enough for slot numbers") {
            filled.insert(SlotId(block));
        }
        filled
    }

    /// Inserts a block as a put does, with metadata as it is asked for.
    fn insert(&mut self, block: SlotId) {
        let Self { index, hashes } = self;
        let hash = hashes[block.0 as usize];
        let mut stock = Stock::default();
        while let Err(need) = index.prepare(hash, 1, &mut stock) {
            match need {
                Need::Table => stock.table = boxed(),
                Need::Directory => stock.directory = boxed(),
                Need::Tables(need) => assert!(stock.tables.fetch(need)),
                _ => unreachable!("the index needs nothing else: {need:?}"),
            }
        }
        index.insert(hash, block);
    }

    /// Blocks that a look-up compares with the name it looks for.
    fn compared(&self, hash: u64, wanted: Option<SlotId>) -> u32 {
        let mut compared = 0;
        let found = self.index.probe(hash).into_iter().flatten().find(|lead| {
            compared += 1;
            Some(lead.block()) == wanted
        });
        assert_eq!(found.map(|lead| lead.block()), wanted);
        compared
    }

    /// The average and the most of `counts`.
    fn weigh(what: &str, counts: &[u32]) {
        let (sum, most) = counts.iter().fold((0, 0), |(sum, most), &n| (sum + n, most.max(n)));
        let nr = u32::try_from(counts.len()).expect("few");
        assert!(sum * 10 < nr * 12, "{what}: {sum} comparisons in {nr} look-ups");
        assert!(most <= 8, "{what}: {most} comparisons in one look-up");
    }

    fn assert_short_probes(&self, what: &str, absent: impl Fn(u64) -> u64) {
        let hits: Vec<_> = (0..)
            .zip(&self.hashes)
            .map(|(block, &hash)| self.compared(hash, Some(SlotId(block))))
            .collect();
        assert!(hits.iter().all(|&n| n >= 1), "a hit has been compared");
        Self::weigh(what, &hits);
        let nr = self.hashes.len() as u64;
        let misses: Vec<_> =
            (nr..2 * nr).map(|number| self.compared(absent(number), None)).collect();
        Self::weigh(what, &misses);
    }

    /// That no table is overfull, and that its entries are near the places that they would like.
    fn assert_small_tables(&self, what: &str) {
        let mut nr_entries = 0;
        let (mut nr_steps, mut most_steps) = (0, 0);
        for at in 0..usize::from(self.index.nr_tables) {
            let cell = self.index.tables.get(at).expect("the cell is there");
            let table = cell.table.as_ref().expect("the table is there");
            let len = usize::from(cell.len);
            nr_entries += len;
            assert!(len <= SPLIT_LEN, "{what}: {len} entries");
            let (steps, most) = table::probe_steps(table);
            nr_steps += steps;
            most_steps = most_steps.max(most);
        }
        assert!(nr_steps < 2 * nr_entries, "{what}: {nr_steps} steps to {nr_entries} entries");
        assert!(most_steps <= 96, "{what}: {most_steps} steps to one entry");
        assert_eq!(nr_entries, self.hashes.len());
    }
}

/// Keys of which two are as poor as a key can be.
const KEYS: [[u64; 4]; 3] =
    [[0x0123_4567_89ab_cdef, 0x1111, 0xfeed_f00d, 77], [0; 4], [u64::MAX; 4]];

#[test]
fn p26_hostile_object_ids_meet_short_probes_in_small_tables() {
    const NR: u64 = 100_000;
    for key in KEYS.map(HashKey::new) {
        for (what, pattern) in PATTERNS {
            let hash = |number| key.block(pattern(number), 0).0;
            let filled = Filled::new(hash, NR);
            filled.assert_short_probes(what, hash);
            filled.assert_small_tables(what);
        }
    }
}

#[test]
fn p26_the_blocks_of_one_object_meet_short_probes_in_small_tables() {
    const NR: u64 = 100_000;
    // A shard's part of these is twice as many, and some.
    const ALL: u32 = 1_700_000;
    for key in KEYS.map(HashKey::new) {
        for shift in [0, 4, 9] {
            let number = |n: u32| n << shift;
            // An index is that of a shard; neighbours in one group are in different ones.
            let all = (0..ALL).map(|n| key.block([1, 2, 3], number(n)));
            let hashes: Vec<_> = all.filter(|hash| hash.shard() == 0).map(|hash| hash.0).collect();
            let hash = |n: u64| hashes[usize::try_from(n).expect("few")];
            let filled = Filled::new(hash, NR);
            filled.assert_short_probes("blocks", hash);
            filled.assert_small_tables("blocks");
        }
    }
}

/// The test above can fail: ids that do collide are compared one after the other.
#[test]
fn p26_equal_hashes_are_all_compared() {
    let filled = Filled::new(|_| 7, 300);
    let last = (0..300).map(|n| filled.compared(7, Some(SlotId(n)))).max();
    assert_eq!(last, Some(300));
}

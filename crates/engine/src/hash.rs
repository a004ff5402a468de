//! The keyed hash of object ids and blocks.
//!
//! Guests choose object ids, so the hash is keyed with numbers drawn at boot: who does not know the
//! key can't choose ids that collide. It is a multiply-and-fold hash over object and block at once, some
//! twenty instructions; docs/decisions/ says what an attacker could observe and why that is enough.

use crate::limits::SHARD_BITS;

/// The key, drawn once at start-up.
#[derive(Clone, Copy)]
pub(crate) struct HashKey([u64; 3]);

/// Hash of a block's name, and of a head's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockHash(pub(crate) u64);

/// An odd constant without structure (the fraction of the square root of 2).
const STEP: u64 = 0x6a09_e667_f3bc_c909;
/// What a head is numbered among the blocks: more than any of them.
const HEAD: u64 = 1 << 32;

/// The 128-bit product, folded to 64 bits.
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    // The two halves; truncation is the point.
    #[expect(clippy::cast_possible_truncation, reason = "takes the low half")]
    let low = product as u64;
    let high = (product >> 64) as u64;
    low ^ high
}

/// The `nth` word that splitmix64 gives from `seed`.
const fn stir(seed: u64, nth: u64) -> u64 {
    let mut word = seed.wrapping_add(nth.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl HashKey {
    /// A key from four words. Each is stirred, for a small multiplier would leave the upper bits of
    /// the hash empty, and the index lives on them: a poor source of randomness costs secrecy, not
    /// function.
    pub(crate) const fn new(key: [u64; 4]) -> Self {
        let [k0, k1, k2, k3] = key;
        Self([stir(k0, 1), stir(k1, 2), stir(k2 ^ stir(k3, 4), 3)])
    }

    /// Hashes block `number` of object `oid`. As many neighbours as there are shards share the hash
    /// of their group and differ in its lower bits, and so in their shards.
    #[inline(always)]
    pub(crate) const fn block(&self, oid: [u64; 3], number: u32) -> BlockHash {
        let BlockHash(group) = self.numbered(oid, (number >> SHARD_BITS) as u64);
        BlockHash(group.wrapping_add(number as u64))
    }

    /// Hashes the heads of object `oid`.
    pub(crate) const fn head(&self, oid: [u64; 3]) -> BlockHash {
        self.numbered(oid, HEAD)
    }

    #[inline(always)]
    const fn numbered(&self, [o0, o1, o2]: [u64; 3], number: u64) -> BlockHash {
        let [k0, k1, k2] = self.0;
        let first = fold(o0 ^ k0, o1 ^ k1);
        BlockHash(fold(first ^ number.wrapping_mul(STEP), o2 ^ k2))
    }
}

impl BlockHash {
    /// The shard that the block lies in, as one of `1 << SHARD_BITS`. Bits that the index does not
    /// use.
    #[expect(clippy::cast_possible_truncation, reason = "takes the low bits")]
    pub(crate) const fn shard(self) -> usize {
        self.0 as usize % (1 << SHARD_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_that_differ_in_one_bit_hash_apart() {
        let key = HashKey::new([1, 2, 3, 4]);
        let base = key.block([0; 3], 0);
        for word in 0..3 {
            for bit in 0..64 {
                let mut oid = [0; 3];
                oid[word] = 1 << bit;
                assert_ne!(key.block(oid, 0), base);
            }
        }
    }

    #[test]
    fn each_word_of_the_key_counts() {
        let base = HashKey::new([1, 2, 3, 4]).block([5, 6, 7], 8);
        for word in 0..4 {
            let mut key = [1, 2, 3, 4];
            key[word] += 1;
            assert_ne!(HashKey::new(key).block([5, 6, 7], 8), base, "word {word}");
        }
    }

    #[test]
    fn a_poor_key_still_spreads_objects_over_the_index() {
        let key = HashKey::new([0; 4]);
        for word in 0..3 {
            let mut prefixes = [0; 64];
            for number in 0..6400 {
                let mut oid = [5; 3];
                oid[word] = number;
                prefixes[(key.block(oid, 0).0 >> 40) as usize % 64] += 1;
            }
            assert!(prefixes.iter().all(|&n| (50..=160).contains(&n)), "{prefixes:?}");
        }
    }

    #[test]
    fn blocks_in_a_row_lie_in_all_shards_in_turn() {
        let key = HashKey::new([1, 2, 3, 4]);
        for group in 0..1000 {
            let first = group << SHARD_BITS;
            let of_first = key.block([1, 2, 3], first).shard();
            for nth in 0..1 << SHARD_BITS {
                let turn = (of_first + nth as usize) % (1 << SHARD_BITS);
                assert_eq!(key.block([1, 2, 3], first + nth).shard(), turn);
            }
        }
    }

    #[test]
    fn the_blocks_of_an_object_spread_over_shards_and_index() {
        for key in 0..64 {
            let key = HashKey::new([key, 6, 7, 8]);
            for step in [1, 2, 3, 64, 0xffff] {
                let (mut shards, mut homes, mut prefixes) = ([0; 8], [0; 64], [0; 64]);
                for number in 0..51_200 {
                    let hash = key.block([1, 2, 3], number * step);
                    shards[hash.shard()] += 1;
                    // Each shard has an index of its own.
                    if hash.shard() == 0 {
                        homes[(hash.0 >> 58) as usize] += 1;
                        prefixes[(hash.0 >> 44) as usize % 64] += 1;
                    }
                }
                assert!(shards.iter().all(|&n| (6000..=6800).contains(&n)), "{step} {shards:?}");
                assert!(homes.iter().all(|&n| (50..=160).contains(&n)), "{step} {homes:?}");
                assert!(prefixes.iter().all(|&n| (50..=160).contains(&n)), "{step} {prefixes:?}");
            }
        }
    }
}

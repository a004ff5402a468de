//! The keyed hash of object ids and pages.
//!
//! Guests choose object ids, so the hash is keyed with numbers drawn at boot: who does not know the
//! key can't choose ids that collide. It is a multiply-and-fold hash over the 192 bits, some thirty
//! instructions; docs/decisions/ says what an attacker could observe and why that is enough.

/// The key, drawn once at start-up.
#[derive(Clone, Copy)]
pub(crate) struct HashKey([u64; 4]);

/// Hash of an object id: where its record lies and the seed of its pages' hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectHash(pub(crate) u64);

/// Hash of a page's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageHash(pub(crate) u64);

/// Odd constants without structure (the fractions of the square roots of 2 and 3).
const STEP: u64 = 0x6a09_e667_f3bc_c909;
const BLOCK_STEP: u64 = 0xbb67_ae85_84ca_a73b;

/// Neighbouring pages of an object share a shard in blocks of this many (log2), so that a small
/// object has one record and a large one is spread.
pub(crate) const BLOCK_SHIFT: u32 = 6;

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
        Self([stir(k0, 1), stir(k1, 2), stir(k2, 3), stir(k3, 4)])
    }

    /// Hashes an object id.
    pub(crate) const fn object(&self, oid: [u64; 3]) -> ObjectHash {
        let [k0, k1, k2, k3] = self.0;
        let [o0, o1, o2] = oid;
        let first = fold(o0 ^ k0, o1 ^ k1);
        ObjectHash(fold(first ^ k2, o2 ^ k3))
    }
}

impl ObjectHash {
    /// Hashes the page `index` of the object.
    pub(crate) const fn page(self, index: u32) -> PageHash {
        PageHash(fold(self.0 ^ (index as u64).wrapping_mul(STEP), STEP))
    }

    /// The shard that page `index` lies in, as one of `1 << bits`.
    #[expect(clippy::cast_possible_truncation, reason = "a few bits are left")]
    pub(crate) const fn shard(self, index: u32, bits: u32) -> usize {
        let block = (index >> BLOCK_SHIFT) as u64;
        (fold(self.0.wrapping_add(block), BLOCK_STEP) >> (64 - bits)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_that_differ_in_one_bit_hash_apart() {
        let key = HashKey::new([1, 2, 3, 4]);
        let base = key.object([0; 3]);
        for word in 0..3 {
            for bit in 0..64 {
                let mut oid = [0; 3];
                oid[word] = 1 << bit;
                assert_ne!(key.object(oid), base);
            }
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
                prefixes[(key.object(oid).0 >> 40) as usize % 64] += 1;
            }
            assert!(prefixes.iter().all(|&n| (50..=160).contains(&n)), "{prefixes:?}");
        }
    }

    #[test]
    fn a_block_of_pages_shares_a_shard_and_blocks_spread() {
        let object = HashKey::new([5, 6, 7, 8]).object([1, 2, 3]);
        let mut seen = [0; 8];
        for block in 0..800_u32 {
            let shard = object.shard(block << BLOCK_SHIFT, 3);
            assert_eq!(object.shard((block << BLOCK_SHIFT) | 63, 3), shard);
            seen[shard] += 1;
        }
        assert!(seen.iter().all(|&n| (60..=140).contains(&n)), "{seen:?}");
    }
}

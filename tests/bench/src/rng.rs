//! The numbers that the workloads are made of: the same on every machine, from a seed.

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The sequence of `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to 1, with 53 random bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    pub const fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The numbers 0 to `len - 1` in the order of Fisher and Yates: from the end, each is exchanged
/// with the one at `next() % (i + 1)`.
///
/// # Panics
/// If there are more than 32 bits can number.
pub fn permutation(len: usize, seed: u64) -> Vec<u32> {
    let end = u32::try_from(len).expect("a workload has less than 2^32 pages");
    let mut numbers: Vec<u32> = (0..end).collect();
    let mut rng = Rng::new(seed);
    for i in (1..len).rev() {
        let other = rng.bits() % (i as u64 + 1);
        numbers.swap(i, usize::try_from(other).unwrap_or(i));
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // The reference implementation's first numbers for the seed 1234567.
        let mut rng = Rng::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([rng.bits(), rng.bits()], expected);
    }

    #[test]
    fn a_permutation_has_each_number_once_and_moves_them() {
        let mut numbers = permutation(1000, 1001);
        assert!(numbers.iter().zip(0..).any(|(&number, place)| number != place));
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..1000));
        assert!(permutation(0, 1).is_empty());
    }
}

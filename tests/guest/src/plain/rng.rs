//! Pseudo-random numbers: SplitMix64, small, seedable, good enough to fill pages and pick actions.

/// Increment of the Weyl sequence (2^64 divided by the golden ratio, odd).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// One output of SplitMix64's finaliser: every bit of the result depends on every bit of `value`.
pub const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A stream of pseudo-random numbers; the same seed gives the same stream.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A stream from `seed`; any value will do.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// The next 32 bits.
    pub const fn next_32(&mut self) -> u32 {
        (self.next() >> 32 & 0xffff_ffff) as u32
    }

    /// One of `choices`; the default where there is none.
    pub fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let count = u32::try_from(choices.len()).unwrap_or(u32::MAX);
        choices.get(self.below(count) as usize).copied().unwrap_or_default()
    }

    /// Whether a thing that happens once in `times` happens.
    pub const fn one_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    /// A number from 0 to `bound` - 1 (0 if `bound` is 0). The bias is below 2^-32.
    pub const fn below(&mut self, bound: u32) -> u32 {
        ((((self.next() >> 32) * bound as u64) >> 32) & 0xffff_ffff) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn first_outputs_are_those_of_splitmix64() {
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn below_stays_below_and_reaches_both_ends() {
        let mut rng = Rng::new(7);
        let mut seen = [0_u32; 10];
        for _ in 0..1000 {
            seen[rng.below(10) as usize] += 1;
        }
        assert!(seen.iter().all(|&count| count > 50), "{seen:?}");
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
    }
}

//! Numbers after Zipf's law: rank r with a probability in proportion to 1 / r^s.

use crate::rng::Rng;

/// Parts of the unit interval, each with the first rank that falls into it: a draw searches one part
/// and not the whole table.
const PARTS: usize = 1 << 16;

/// Draws ranks from 0, the most frequent one.
#[derive(Clone, Debug)]
pub struct Zipf {
    /// The sums of the weights up to each rank, over the sum of all.
    sums: Vec<f64>,
    /// For each part the first rank whose sum is not below the part's start.
    firsts: Vec<usize>,
}

impl Zipf {
    /// The law with exponent `exponent` over `nr_ranks` ranks, at least one.
    #[expect(clippy::cast_precision_loss, reason = "ranks are far below 2^53")]
    pub fn new(nr_ranks: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let weight = |rank: usize| (rank as f64).powf(-exponent);
        let mut sums: Vec<f64> = (1..=nr_ranks.max(1))
            .map(|rank| {
                sum += weight(rank);
                sum
            })
            .collect();
        sums.iter_mut().for_each(|part| *part /= sum);
        let start = |part: usize| part as f64 / PARTS as f64;
        let mut first = 0;
        let firsts = (0..PARTS)
            .map(|part| {
                while sums.get(first).is_some_and(|&sum| sum < start(part)) {
                    first += 1;
                }
                first
            })
            .collect();
        Self { sums, firsts }
    }

    /// The next rank.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "the number of a part, rounded down on purpose"
    )]
    pub fn draw(&self, rng: &mut Rng) -> usize {
        let unit = rng.unit();
        let part = (unit * PARTS as f64) as usize;
        let last = self.sums.len() - 1;
        let from = self.firsts.get(part).copied().unwrap_or(last);
        let to = self.firsts.get(part + 1).map_or(last, |&next| next.min(last));
        let in_part = self.sums.get(from..to).unwrap_or_default();
        from + in_part.partition_point(|&sum| sum < unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_come_as_often_as_the_law_says() {
        let (nr_ranks, nr_draws) = (1000, 200_000);
        let law = Zipf::new(nr_ranks, 1.0);
        let mut rng = Rng::new(3003);
        let mut counts = vec![0_u32; nr_ranks];
        (0..nr_draws).for_each(|_| counts[law.draw(&mut rng)] += 1);
        // The harmonic number of 1000 is 7.4855, so the first rank comes in 13.36 % of all draws.
        assert!((26_300..27_150).contains(&counts[0]), "{}", counts[0]);
        assert!((13_000..13_750).contains(&counts[1]), "{}", counts[1]);
        assert!(counts[990..].iter().all(|&count| (5..70).contains(&count)));
    }

    #[test]
    fn a_draw_is_what_a_search_of_the_whole_table_finds() {
        for nr_ranks in [1, 2, 3, 100, 70_000, 200_000] {
            let law = Zipf::new(nr_ranks, 0.8);
            let (mut one, mut other) = (Rng::new(1), Rng::new(1));
            for _ in 0..1000 {
                let unit = other.unit();
                let expected = law.sums.partition_point(|&sum| sum < unit).min(nr_ranks - 1);
                assert_eq!(law.draw(&mut one), expected, "{unit} of {nr_ranks}");
            }
        }
    }
}

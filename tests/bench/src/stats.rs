//! Medians and quartiles.

/// The quartiles of some numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartiles {
    /// A quarter is below.
    pub q1: f64,
    /// Half is below.
    pub median: f64,
    /// Three quarters are below.
    pub q3: f64,
}

impl Quartiles {
    /// The quartiles of `numbers`, interpolated between neighbours; 0 of none.
    pub fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        Self { q1: at(&numbers, 1), median: at(&numbers, 2), q3: at(&numbers, 3) }
    }
}

/// The median of `numbers`; 0 of none.
pub fn median(numbers: Vec<f64>) -> f64 {
    Quartiles::of(numbers).median
}

/// The number below which `quarters` quarters of the sorted `numbers` lie.
fn at(numbers: &[f64], quarters: u8) -> f64 {
    let Some(last) = numbers.len().checked_sub(1) else {
        return 0.0;
    };
    let steps = last * usize::from(quarters);
    let (below, part) = (steps / 4, steps % 4);
    let low = numbers[below];
    let high = numbers[(below + 1).min(last)];
    // `part` is 0 to 3.
    low + (high - low) * [0.0, 0.25, 0.5, 0.75][part]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_on_numbers_or_between_them() {
        let of = |numbers: &[f64]| {
            let Quartiles { q1, median, q3 } = Quartiles::of(numbers.to_vec());
            (q1, median, q3)
        };
        assert_eq!(of(&[5.0, 1.0, 4.0, 2.0, 3.0]), (2.0, 3.0, 4.0));
        assert_eq!(of(&[4.0, 2.0]), (2.5, 3.0, 3.5));
        assert_eq!(of(&[7.0]), (7.0, 7.0, 7.0));
        assert_eq!(of(&[]), (0.0, 0.0, 0.0));
    }
}

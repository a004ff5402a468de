//! The numbers of rules and defects, as test names and prose write them.

use std::fmt;
use std::str::FromStr;

/// Rules of the contract: R1 to R74.
pub(super) const RULES: u32 = 74;
/// Defects of the original: P1 to P87.
pub(super) const DEFECTS: u32 = 87;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A rule of the contract.
    Rule,
    /// A defect of the original.
    Defect,
}

/// A rule or a defect, by its number; rules come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number {
    /// What is counted.
    pub(super) kind: Kind,
    value: u32,
}

impl Number {
    /// All that there are, in order.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let of = |kind, count| (1..=count).map(move |value| Self { kind, value });
        of(Kind::Rule, RULES).chain(of(Kind::Defect, DEFECTS))
    }

    /// Whether there is such a rule or defect.
    pub(super) fn is_known(self) -> bool {
        let count = match self.kind {
            Kind::Rule => RULES,
            Kind::Defect => DEFECTS,
        };
        (1..=count).contains(&self.value)
    }

    /// The numbers at the head of a test's name: `r5_p3_a_put_fails` proves R5 and P3.
    pub(super) fn of_name(name: &str) -> Vec<Self> {
        let is_small = |word: &&str| word.starts_with(['r', 'p']);
        let words = name.split('_').take_while(is_small);
        words.map_while(|word| word.to_ascii_uppercase().parse().ok()).collect()
    }

    /// The numbers that stand as words of their own in prose.
    pub(super) fn in_prose(text: &str) -> Vec<Self> {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
        words.filter_map(|word| word.parse().ok()).collect()
    }
}

/// A word that is no number of a rule or defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoNumber;

impl FromStr for Number {
    type Err = NoNumber;

    fn from_str(word: &str) -> Result<Self, NoNumber> {
        let of = |letter, kind| Some((kind, word.strip_prefix(letter)?));
        let found = of('R', Kind::Rule).or_else(|| of('P', Kind::Defect));
        let (kind, digits) = found.ok_or(NoNumber)?;
        if !digits.starts_with(|first: char| ('1'..='9').contains(&first)) {
            return Err(NoNumber);
        }
        Ok(Self { kind, value: digits.parse().map_err(|_| NoNumber)? })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.kind {
            Kind::Rule => 'R',
            Kind::Defect => 'P',
        };
        write!(f, "{letter}{}", self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(numbers: Vec<Number>) -> String {
        numbers.iter().map(Number::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_name_proves_the_numbers_at_its_head_and_no_others() {
        assert_eq!(shown(Number::of_name("r5_p3_a_put_of_r7_fails")), "R5 P3");
        assert_eq!(shown(Number::of_name("r12")), "R12");
        for name in ["a_r5_test", "pages_r5", "r_5", "r05_x", "r5x_y", "p_3", "R5_x", "refused"] {
            assert_eq!(shown(Number::of_name(name)), "", "{name}");
        }
    }

    #[test]
    fn prose_names_numbers_as_words() {
        assert_eq!(shown(Number::in_prose("gone (R7, P29); R2D2, PR5, R5a, R")), "R7 P29");
    }

    #[test]
    fn numbers_out_of_range_are_read_and_told_apart() {
        let known = |word: &str| word.parse::<Number>().map(Number::is_known);
        assert_eq!(known("R74"), Ok(true));
        assert_eq!(known("R75"), Ok(false));
        assert_eq!(known("P87"), Ok(true));
        assert_eq!(known("P88"), Ok(false));
        assert_eq!(known("R0"), Err(NoNumber));
        assert_eq!(Number::all().count(), 161);
        assert!(Number::all().is_sorted() && Number::all().all(Number::is_known));
    }
}

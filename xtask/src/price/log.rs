//! The guest's figures, out of its serial log.
//!
//! Must not know what the figures mean.

use crate::judge::{PREFIX, Transcript};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;

/// What the guest measured, in ticks of a clock that counts instructions.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Release of the Xen that ran.
    pub(super) xen: String,
    /// Ticks of all calls of an operation together, and how many calls these were.
    pub(super) prices: BTreeMap<String, (u64, u64)>,
    /// Ticks of the longest stretch of an operation.
    pub(super) stretches: BTreeMap<String, u64>,
    /// The high-water marks that Xen's glue told of, by its own numbers of operations. Only a Xen
    /// that was built for it has any.
    pub(super) marks: BTreeMap<u32, u64>,
}

/// What Xen's lines about marks hold.
const MARK: &str = "tmem-stretch: kind ";

/// A line with a figure.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// `price OP N ticks N calls`
    Price(&'a str, u64, u64),
    /// `stretch OP N ticks`
    Stretch(&'a str, u64),
    /// `tmem-stretch: kind N cycles N`, from Xen: a mark has risen
    Mark(u32, u64),
}

impl Measured {
    /// Reads a log.
    ///
    /// # Errors
    /// When the guest does not say which Xen it runs on, a figure can't be read, or comes twice.
    pub(super) fn read(log: &str) -> Result<Self> {
        let start = Transcript::read(log).start.context("the guest did not start")?;
        let xen = start.split_once(" xen ").context("the guest does not tell Xen's release")?.1;
        let mut measured = Self { xen: xen.to_owned(), ..Self::default() };
        for line in log.lines() {
            let first = match parse(line)? {
                None => true,
                Some(Line::Mark(kind, ticks)) => {
                    measured.marks.insert(kind, ticks);
                    true
                }
                Some(Line::Price(op, ticks, calls)) => {
                    measured.prices.insert(op.to_owned(), (ticks, calls)).is_none()
                }
                Some(Line::Stretch(op, ticks)) => {
                    measured.stretches.insert(op.to_owned(), ticks).is_none()
                }
            };
            if !first {
                bail!("the guest measured twice: {line}");
            }
        }
        Ok(measured)
    }
}

/// Reads a line; `None` if it holds no figure.
fn parse(line: &str) -> Result<Option<Line<'_>>> {
    if let Some((_, mark)) = line.split_once(MARK) {
        let (kind, ticks) = mark.split_once(" cycles ").context("half a mark")?;
        return Ok(Some(Line::Mark(kind.trim().parse()?, ticks.trim().parse()?)));
    }
    let Some(place) = line.find(PREFIX) else { return Ok(None) };
    let words: Vec<&str> = line[place + PREFIX.len()..].split_whitespace().collect();
    let number = |word: &str| {
        word.parse::<u64>().with_context(|| format!("`{word}` is no count in the line: {line}"))
    };
    match words.as_slice() {
        ["price", op, ticks, "ticks", calls, "calls"] => {
            Ok(Some(Line::Price(op, number(ticks)?, number(calls)?)))
        }
        ["stretch", op, ticks, "ticks"] => Ok(Some(Line::Stretch(op, number(ticks)?))),
        ["price" | "stretch", ..] => bail!("a figure that can't be read: {line}"),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "(XEN) tmem: initialised\ntmem-guest: start 0.1.0 xen 4.17.5\n";

    #[test]
    fn figures_are_found_among_other_lines() {
        let log = format!(
            "{START}tmem-guest: case price begin\n\
             tmem-guest: price put 7223782 ticks 4000 calls\r\n\
             (d1) tmem-guest: stretch put 5000 ticks\n\
             tmem-guest: case price result SUCCESS\n"
        );
        let measured = Measured::read(&log).expect("it is read");
        assert_eq!(measured.xen, "4.17.5");
        assert_eq!(measured.prices["put"], (7_223_782, 4000));
        assert_eq!(measured.stretches["put"], 5000);
        assert_eq!((measured.prices.len(), measured.stretches.len()), (1, 1));
    }

    #[test]
    fn the_last_mark_of_a_kind_counts() {
        let marks = [(5, 900), (2, 17_000), (5, 1000)];
        let lines = marks.map(|(kind, n)| format!("(XEN) tmem-stretch: kind {kind} cycles {n}\n"));
        let measured = Measured::read(&format!("{START}{}", lines.concat())).expect("it is read");
        assert_eq!(measured.marks, [(2, 17_000), (5, 1000)].into());
        assert!(Measured::read(&format!("{START}tmem-stretch: kind 5 cyc")).is_err());
    }

    #[test]
    fn a_figure_that_is_cut_off_or_comes_twice_is_an_error() {
        for lines in [
            "tmem-guest: price put 72",
            "tmem-guest: price put many ticks 4000 calls",
            "tmem-guest: stretch put 5000 ticks or so",
            "tmem-guest: stretch put 5000 ticks\ntmem-guest: stretch put 5000 ticks",
        ] {
            assert!(Measured::read(&format!("{START}{lines}\n")).is_err(), "{lines}");
        }
        assert!(Measured::read("tmem-guest: stretch put 5000 ticks\n").is_err(), "no start");
    }
}

//! Times an operation in windows, each paired with a window of the copy floor.

use crate::clock::Moment;
use crate::floor::{Floor, Kind};
use crate::stats::{Quartiles, median};
use anyhow::Result;
use std::time::Duration;

/// Windows of a run at least. The bar asks for 31 pairs.
const WINDOWS_MIN: usize = 32;
/// Operations of a window: enough for the clock, and so few (about a millisecond) that most windows
/// pass between two interruptions by other programs.
const OPS_PER_WINDOW: usize = 1024;
/// Copies of a floor's window at least and at most.
const COPIES: (usize, usize) = (64, 1024);

/// What an operation costs beside a copy.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Which floor.
    pub floor: Kind,
    /// Nanoseconds an operation: the median of the windows.
    pub ns: f64,
    /// Nanoseconds a copy: the median of the floor's windows.
    pub floor_ns: f64,
    /// The quotient of each pair of windows.
    pub ratio: Quartiles,
    /// Pairs of windows.
    pub nr_pairs: usize,
}

/// Measures against a floor.
pub struct Meter<'a> {
    floor: Floor<'a>,
}

impl<'a> Meter<'a> {
    /// A meter with this floor.
    pub const fn new(floor: Floor<'a>) -> Self {
        Self { floor }
    }

    /// Does `op` for 0 to `nr_ops - 1`, in windows.
    ///
    /// # Errors
    /// The operation's first.
    #[inline(always)]
    pub fn run(
        &mut self,
        kind: Kind,
        nr_ops: usize,
        mut op: impl FnMut(usize) -> Result<()>,
    ) -> Result<Cost> {
        self.run_units(kind, nr_ops, |nth| op(nth).map(|()| 1))
    }

    /// As [`run`](Self::run) for operations that come to several units each, for instance pages;
    /// the cost is that of a unit.
    ///
    /// # Errors
    /// The operation's first.
    #[inline(always)]
    pub fn run_units(
        &mut self,
        kind: Kind,
        nr_ops: usize,
        mut op: impl FnMut(usize) -> Result<u64>,
    ) -> Result<Cost> {
        let nr_windows = (nr_ops / OPS_PER_WINDOW).max(WINDOWS_MIN);
        let mut pairs = Pairs::default();
        for window in 0..nr_windows {
            let from = nr_ops * window / nr_windows;
            let to = nr_ops * (window + 1) / nr_windows;
            if from == to {
                continue;
            }
            let mut nr_units = 0;
            let start = Moment::now();
            for nth in from..to {
                nr_units += op(nth)?;
            }
            let taken = start.elapsed();
            let nr_copies = (to - from).clamp(COPIES.0, COPIES.1);
            pairs.add(taken, nr_units, self.floor.run(kind, nr_copies), nr_copies);
        }
        Ok(pairs.cost(kind))
    }
}

/// Pairs of windows as they come in.
#[derive(Default)]
struct Pairs {
    ns: Vec<f64>,
    floor_ns: Vec<f64>,
    ratios: Vec<f64>,
}

impl Pairs {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn add(&mut self, taken: Duration, nr_units: u64, floor: Duration, nr_copies: usize) {
        let ns = taken.as_nanos() as f64 / (nr_units.max(1) as f64);
        let floor_ns = floor.as_nanos() as f64 / (nr_copies.max(1) as f64);
        self.ns.push(ns);
        self.floor_ns.push(floor_ns);
        self.ratios.push(ns / floor_ns.max(f64::MIN_POSITIVE));
    }

    fn cost(self, floor: Kind) -> Cost {
        let nr_pairs = self.ratios.len();
        Cost {
            floor,
            ns: median(self.ns),
            floor_ns: median(self.floor_ns),
            ratio: Quartiles::of(self.ratios),
            nr_pairs,
        }
    }
}

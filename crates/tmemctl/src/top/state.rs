//! What is shown, and what keys change of it. It knows no terminal and no clock.

use super::rows::{Column, Row, clients, pools};
use crate::figures::Snapshot;
use std::cmp::Ordering;
use std::time::Duration;

/// The shortest and the longest time between two looks.
const INTERVALS: std::ops::RangeInclusive<u64> = 1..=3600;

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A letter or sign.
    Char(char),
    /// To the left.
    Left,
    /// To the right.
    Right,
    /// Up.
    Up,
    /// Down.
    Down,
    /// Escape.
    Escape,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it may be the end"]
pub enum Flow {
    /// Go on.
    On,
    /// The person has had enough.
    Quit,
}

/// What is shown.
#[derive(Debug)]
pub struct Top {
    pub(super) now: Snapshot,
    before: Option<Snapshot>,
    /// Since `before`.
    pub(super) elapsed: Duration,
    at: Duration,
    pub(super) sort: Column,
    pub(super) is_descending: bool,
    pub(super) shows_pools: bool,
    pub(super) is_held: bool,
    pub(super) interval: Duration,
    pub(super) first_row: usize,
    /// In place of figures that could not be read.
    pub(super) trouble: Option<String>,
}

impl Top {
    /// Nothing yet; a look every `interval` is meant.
    pub fn new(interval: Duration) -> Self {
        Self {
            now: Snapshot::default(),
            before: None,
            elapsed: Duration::ZERO,
            at: Duration::ZERO,
            sort: Column::Memory,
            is_descending: true,
            shows_pools: false,
            is_held: false,
            interval,
            first_row: 0,
            trouble: None,
        }
    }

    /// Takes in the figures of the moment `at`, counted from any beginning.
    pub fn observe(&mut self, at: Duration, snapshot: Snapshot) {
        self.trouble = None;
        let was = std::mem::replace(&mut self.now, snapshot);
        // The first look has nothing before it.
        if self.at > Duration::ZERO {
            self.before = Some(was);
            self.elapsed = at.saturating_sub(self.at);
        }
        self.at = at;
    }

    /// The figures can't be read just now.
    pub(super) fn complain(&mut self, trouble: String) {
        self.trouble = Some(trouble);
    }

    /// How long to wait between two looks; `None` while the picture is held.
    pub fn wait(&self) -> Option<Duration> {
        (!self.is_held).then_some(self.interval)
    }

    /// Carries out what a key asks for.
    pub fn key(&mut self, key: Key) -> Flow {
        match key {
            Key::Escape | Key::Char('q') => return Flow::Quit,
            Key::Char('p') => {
                self.shows_pools = !self.shows_pools;
                self.first_row = 0;
            }
            Key::Char(' ') => self.is_held = !self.is_held,
            Key::Char('r') => self.is_descending = !self.is_descending,
            Key::Char('<') | Key::Left => self.turn_sort(Column::ALL.len() - 1),
            Key::Char('>') | Key::Right => self.turn_sort(1),
            Key::Char('+') => self.set_interval(self.interval.as_secs() + 1),
            Key::Char('-') => self.set_interval(self.interval.as_secs().saturating_sub(1)),
            Key::Up => self.first_row = self.first_row.saturating_sub(1),
            Key::Down => {
                self.first_row = (self.first_row + 1).min(self.rows().len().saturating_sub(1))
            }
            Key::Char(_) => {}
        }
        Flow::On
    }

    fn turn_sort(&mut self, by: usize) {
        let at = Column::ALL.iter().position(|&column| column == self.sort).unwrap_or(0);
        self.sort = Column::ALL[(at + by) % Column::ALL.len()];
    }

    fn set_interval(&mut self, seconds: u64) {
        let seconds = seconds.clamp(*INTERVALS.start(), *INTERVALS.end());
        self.interval = Duration::from_secs(seconds);
    }

    /// The rows in their order. Those that are equal stay by number.
    pub fn rows(&self) -> Vec<Row> {
        let before = self.before.as_ref();
        let mut rows =
            if self.shows_pools { pools(&self.now, before) } else { clients(&self.now, before) };
        rows.sort_by(|one, other| {
            let order = one.compare(other, self.sort);
            let order = if self.is_descending { order.reverse() } else { order };
            order.then_with(|| by_number(one, other))
        });
        rows
    }

    /// Seconds between the two moments that rates are of.
    pub fn seconds(&self) -> f64 {
        self.elapsed.as_secs_f64()
    }

    /// What is counted of the whole host now and was before.
    pub(super) fn host(&self) -> Row {
        Row {
            domain: 0,
            pool: None,
            pools: 0,
            kind: String::new(),
            state: String::new(),
            weight: 0,
            now: self.now.host.counters,
            before: self.before.as_ref().map(|before| before.host.counters),
        }
    }
}

fn by_number(one: &Row, other: &Row) -> Ordering {
    (one.domain, one.pool).cmp(&(other.domain, other.pool))
}

//! The rows of the table, and what they can be sorted by.

use crate::figures::{Counters, Snapshot};
use crate::table::{kind, state};
use crate::units::{bytes, percent};
use std::cmp::Ordering;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Number of the domain.
    Domain,
    /// Pools of a client, or the number of a pool.
    Pool,
    /// Kind of pool.
    Kind,
    /// Frozen or dying.
    State,
    /// Weight.
    Weight,
    /// Pages that can be found.
    Pages,
    /// Bytes of the frames that hold them.
    Memory,
    /// Puts that stored a page, each second.
    Puts,
    /// Puts that were refused, each second.
    Refused,
    /// Gets, each second.
    Gets,
    /// Hits in percent of the gets.
    Hits,
    /// Pages evicted, each second.
    Evicted,
}

impl Column {
    /// All, from left to right.
    pub const ALL: [Self; 12] = [
        Self::Domain,
        Self::Pool,
        Self::Kind,
        Self::State,
        Self::Weight,
        Self::Pages,
        Self::Memory,
        Self::Puts,
        Self::Refused,
        Self::Gets,
        Self::Hits,
        Self::Evicted,
    ];

    /// What stands above it.
    pub const fn head(self) -> &'static str {
        match self {
            Self::Domain => "DOMAIN",
            Self::Pool => "POOL",
            Self::Kind => "KIND",
            Self::State => "STATE",
            Self::Weight => "WEIGHT",
            Self::Pages => "PAGES",
            Self::Memory => "MEMORY",
            Self::Puts => "PUTS/s",
            Self::Refused => "REFUSED/s",
            Self::Gets => "GETS/s",
            Self::Hits => "HITS%",
            Self::Evicted => "EVICTED/s",
        }
    }

    /// Cells that it takes: room for its head with the mark, too.
    pub(super) const fn width(self) -> u16 {
        match self {
            Self::Pool => 9,
            Self::Domain | Self::State => 7,
            Self::Kind => 14,
            Self::Weight => 10,
            Self::Hits => 6,
            Self::Pages | Self::Memory | Self::Puts | Self::Gets => 10,
            Self::Refused | Self::Evicted => 10,
        }
    }

    /// Whether it is words, and not a number.
    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::Kind | Self::State)
    }
}

/// A client, or a pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Number of the domain.
    pub domain: u32,
    /// The pool's number; `None` for a client.
    pub pool: Option<u32>,
    /// A client's pools.
    pub pools: usize,
    /// Kind of pool, in words.
    pub kind: String,
    /// State, in words.
    pub state: String,
    /// A client's weight; its owner's for a pool.
    pub weight: u32,
    /// Figures of this moment.
    pub now: Counters,
    /// Of the moment before; `None` if it was not there.
    pub before: Option<Counters>,
}

impl Row {
    /// How much more there is of something than at the moment before.
    fn more(&self, of: impl Fn(&Counters) -> u64) -> u64 {
        // A domain's number can be another domain's meanwhile, which began at 0.
        self.before.map_or(0, |before| of(&self.now).saturating_sub(of(&before)))
    }

    /// The events of a column since the moment before; 0 in the others.
    pub(super) fn events(&self, column: Column) -> u64 {
        match column {
            Column::Puts => self.more(Counters::puts),
            Column::Refused => self.more(Counters::puts_refused),
            Column::Gets => self.more(|counters| counters.gets),
            Column::Hits => self.more(|counters| counters.hits),
            Column::Evicted => self.more(|counters| counters.evictions_suffered),
            _ => 0,
        }
    }

    /// What stands in a column, `seconds` after the moment before.
    pub fn cell(&self, column: Column, seconds: f64) -> String {
        let rate = || {
            if self.before.is_none() || seconds <= 0.0 {
                return "-".to_owned();
            }
            #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
            let rate = self.events(column) as f64 / seconds;
            format!("{rate:.1}")
        };
        match column {
            Column::Domain => self.domain.to_string(),
            Column::Pool => {
                self.pool.map_or_else(|| format!("{} in all", self.pools), |id| id.to_string())
            }
            Column::Kind => self.kind.clone(),
            Column::State => self.state.clone(),
            Column::Weight => self.weight.to_string(),
            Column::Pages => self.now.pages().to_string(),
            Column::Memory => bytes(self.now.taken_bytes),
            Column::Hits => percent(self.events(Column::Hits), self.events(Column::Gets)),
            Column::Puts | Column::Refused | Column::Gets | Column::Evicted => rate(),
        }
    }

    /// Its order against another in a column: numbers by size, words by letters.
    pub(super) fn compare(&self, other: &Self, column: Column) -> Ordering {
        match column {
            Column::Domain => self.domain.cmp(&other.domain),
            Column::Pool => (self.pool, self.pools).cmp(&(other.pool, other.pools)),
            Column::Kind => self.kind.cmp(&other.kind),
            Column::State => self.state.cmp(&other.state),
            Column::Weight => self.weight.cmp(&other.weight),
            Column::Pages => self.now.pages().cmp(&other.now.pages()),
            Column::Memory => self.now.taken_bytes.cmp(&other.now.taken_bytes),
            Column::Hits => {
                let parts = |row: &Self| {
                    let gets = row.events(Column::Gets);
                    // Without gets below one without hits.
                    (gets > 0).then(|| (u128::from(row.events(Column::Hits)), u128::from(gets)))
                };
                match (parts(self), parts(other)) {
                    (Some((hits, gets)), Some((others, of))) => (hits * of).cmp(&(others * gets)),
                    (one, other) => one.is_some().cmp(&other.is_some()),
                }
            }
            Column::Puts | Column::Refused | Column::Gets | Column::Evicted => {
                self.events(column).cmp(&other.events(column))
            }
        }
    }
}

/// A row for each client.
pub(super) fn clients(now: &Snapshot, before: Option<&Snapshot>) -> Vec<Row> {
    let row = |client: &crate::figures::ClientFigures| Row {
        domain: client.domain,
        pool: None,
        pools: client.pools.len(),
        kind: String::new(),
        state: state(client.is_frozen, client.is_dying),
        weight: client.weight,
        now: client.counters,
        before: before.and_then(|before| {
            let was = before.clients.iter().find(|was| was.domain == client.domain)?;
            Some(was.counters)
        }),
    };
    now.clients.iter().map(row).collect()
}

/// A row for each pool of each client.
pub(super) fn pools(now: &Snapshot, before: Option<&Snapshot>) -> Vec<Row> {
    let mut rows = Vec::new();
    for client in &now.clients {
        let was =
            before.and_then(|before| before.clients.iter().find(|was| was.domain == client.domain));
        rows.extend(client.pools.iter().map(|pool| Row {
            domain: client.domain,
            pool: Some(pool.id),
            pools: 1,
            kind: kind(client.domain, pool),
            state: state(client.is_frozen, client.is_dying || pool.is_dying),
            weight: client.weight,
            now: pool.counters,
            before: was.and_then(|was| {
                let was = was.pools.iter().find(|was| was.id == pool.id)?;
                Some(was.counters)
            }),
        }));
    }
    rows
}

//! `list` for a terminal: a table whose columns are as wide as what is in them.

use crate::figures::{ClientFigures, PoolFigures, Snapshot};
use crate::units::{bytes, percent};
use hypercall_abi::control::StatsCounters;
use std::fmt::Write as _;

/// The heads of the columns; those from [`FIRST_NUMBER`] on are set to the right.
const HEADS: [&str; 11] = [
    "DOMAIN",
    "POOL",
    "KIND",
    "STATE",
    "WEIGHT",
    "PAGES",
    "MEMORY",
    "PUTS",
    "REFUSED",
    "HITS/GETS",
    "EVICTED",
];
const FIRST_NUMBER: usize = 4;

type Row = [String; HEADS.len()];

/// The table, with the host's figures above it and what they mean below.
pub(crate) fn list(snapshot: &Snapshot) -> String {
    let host = &snapshot.host;
    let counters = &host.counters;
    let mut text = format!(
        "{} clients, {} pools; {} stored in {} of memory, {} of it can be freed (flush); \
         {} of metadata, {} of records; {} of Xen's memory in all, {} of it free and ready\n\n",
        host.clients,
        host.pools,
        bytes(counters.stored_bytes),
        bytes(counters.taken_bytes),
        bytes(u64::from(host.freeable_mib) << 20),
        bytes(counters.metadata_bytes()),
        bytes(host.record_bytes),
        bytes(host.held_bytes),
        bytes(host.ready_bytes),
    );
    let mut rows: Vec<Row> = vec![HEADS.map(str::to_owned)];
    for client in &snapshot.clients {
        rows.push(client_row(client));
        rows.extend(client.pools.iter().map(|pool| pool_row(client, pool)));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column < FIRST_NUMBER {
                write!(line, "{cell:<width$}  ")
            } else {
                write!(line, "{cell:>width$}  ")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str("\nPages of 4 KiB. Memory is frames that hold pages. Puts, hits in percent of the gets, and \
                   pages evicted are since the beginning.\n");
    text
}

fn client_row(client: &ClientFigures) -> Row {
    let StatsCounters { taken_bytes, hits, gets, evictions_suffered, .. } = *client.counters;
    [
        client.domain.to_string(),
        format!("{} pools", client.pools.len()),
        String::new(),
        state(client.is_frozen, client.is_dying),
        client.weight.to_string(),
        client.counters.pages().to_string(),
        bytes(taken_bytes),
        client.counters.puts().to_string(),
        client.counters.puts_refused().to_string(),
        percent(hits, gets),
        evictions_suffered.to_string(),
    ]
}

fn pool_row(client: &ClientFigures, pool: &PoolFigures) -> Row {
    let StatsCounters { taken_bytes, hits, gets, evictions_suffered, .. } = *pool.counters;
    [
        String::new(),
        pool.id.to_string(),
        kind(client.domain, pool),
        state(false, pool.is_dying),
        String::new(),
        pool.counters.pages().to_string(),
        bytes(taken_bytes),
        pool.counters.puts().to_string(),
        pool.counters.puts_refused().to_string(),
        percent(hits, gets),
        evictions_suffered.to_string(),
    ]
}

/// What kind of pool it is to a domain, in words.
pub(crate) fn kind(domain: u32, pool: &PoolFigures) -> String {
    match (pool.is_persistent, pool.is_shared) {
        (true, _) => "persistent".to_owned(),
        (false, false) => "ephemeral".to_owned(),
        (false, true) if pool.owner == domain => format!("shared by {}", pool.members),
        (false, true) => format!("shared, of {}", pool.owner),
    }
}

/// A client's or a pool's state, in words.
pub(crate) fn state(is_frozen: bool, is_dying: bool) -> String {
    match (is_frozen, is_dying) {
        (_, true) => "dying",
        (true, false) => "frozen",
        (false, false) => "",
    }
    .to_owned()
}

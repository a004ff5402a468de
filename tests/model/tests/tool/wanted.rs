//! What `top` is to show, from what `list --json` said.

use serde_json::Value;

/// The heads of the columns, from left to right.
pub(crate) const HEADS: [&str; 12] = [
    "DOMAIN",
    "POOL",
    "KIND",
    "STATE",
    "WEIGHT",
    "PAGES",
    "MEMORY",
    "PUTS/s",
    "REFUSED/s",
    "GETS/s",
    "HITS%",
    "EVICTED/s",
];
/// A line of the table as `list --json` has it: a client's, or a pool's.
#[derive(Debug)]
pub(crate) struct Row {
    domain: u64,
    pool: u64,
    pool_words: String,
    kind: String,
    state: &'static str,
    weight: u64,
    pages: u64,
    taken_bytes: u64,
    /// Events of each column that has a rate: puts, refused, gets, evicted.
    pub(crate) events: [u64; 4],
    hits: u64,
}

fn number(of: &Value, name: &str) -> u64 {
    of[name].as_u64().unwrap_or_else(|| unreachable!("{name} in {of}"))
}

/// Lines of the table from two moments' JSON, the second of which is shown.
pub(crate) fn wanted(before: &Value, after: &Value, by_pool: bool) -> Vec<Row> {
    let array = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let clients = array(&before["clients"]).into_iter().zip(array(&after["clients"]));
    clients
        .flat_map(|(was, is)| {
            if !by_pool {
                return vec![row(&is, &was, &is)];
            }
            let pools = array(&was["pools"]).into_iter().zip(array(&is["pools"]));
            pools.map(|(was, pool)| row(&is, &was, &pool)).collect()
        })
        .collect()
}

/// A line for `of`, which was `was`: a pool of a client, or the client itself.
fn row(client: &Value, was: &Value, of: &Value) -> Row {
    let domain = number(client, "domain");
    let sum = |of: &Value, names: &[&str]| names.iter().map(|name| number(of, name)).sum::<u64>();
    let more = |names: &[&str]| sum(of, names) - sum(was, names);
    let nr_pools = of["pools"].as_array().map(Vec::len);
    let kind = match (&of["is_persistent"], &of["is_shared"]) {
        (Value::Bool(true), _) => "persistent".to_owned(),
        (_, Value::Bool(true)) if of["owner"] == domain => {
            format!("shared by {}", of["members"])
        }
        (_, Value::Bool(true)) => format!("shared, of {}", of["owner"]),
        (Value::Bool(false), _) => "ephemeral".to_owned(),
        _ => String::new(),
    };
    Row {
        domain,
        pool: nr_pools.map_or_else(|| number(of, "id"), |nr| u64::try_from(nr).unwrap_or(0)),
        pool_words: nr_pools.map_or_else(|| of["id"].to_string(), |nr| format!("{nr} in all")),
        kind,
        state: if client["is_frozen"] == true { "frozen" } else { "" },
        weight: number(client, "weight"),
        pages: sum(of, &["ephemeral_pages", "persistent_pages"]),
        taken_bytes: number(of, "taken_bytes"),
        events: [
            more(&["puts_stored", "puts_replaced"]),
            more(&["puts_no_memory", "puts_no_space", "puts_frozen", "puts_bad_frame"]),
            more(&["gets"]),
            more(&["evictions_suffered"]),
        ],
        hits: more(&["hits"]),
    }
}

impl Row {
    fn hits_per_1000(&self) -> Option<u64> {
        (self.hits * 1000).checked_div(self.events[2])
    }

    /// The words of its line, but for the rates.
    pub(crate) fn words(&self) -> String {
        let kib = self.taken_bytes / 1024;
        let memory = match kib {
            0 => "0 B".to_owned(),
            1..100 => format!("{kib}.0 KiB"),
            _ => format!("{kib} KiB"),
        };
        let hits = self.hits_per_1000();
        let hits =
            hits.map_or_else(|| "-".to_owned(), |hits| format!("{}.{}", hits / 10, hits % 10));
        let Self { domain, pool_words, kind, state, weight, pages, .. } = self;
        let words =
            format!("{domain} {pool_words} {kind} {state} {weight} {pages} {memory} {hits}");
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What it is sorted by in a column: numbers by size, words by letters.
    fn key(&self, head: &str) -> String {
        let [puts, refused, gets, evicted] = self.events;
        let number = match head {
            "DOMAIN" => self.domain,
            "POOL" => self.pool,
            "KIND" => return self.kind.clone(),
            "STATE" => return self.state.to_owned(),
            "WEIGHT" => self.weight,
            "PAGES" => self.pages,
            "MEMORY" => self.taken_bytes,
            "PUTS/s" => puts,
            "REFUSED/s" => refused,
            "GETS/s" => gets,
            // Without gets below one without hits.
            "HITS%" => self.hits_per_1000().map_or(0, |hits| hits + 1),
            "EVICTED/s" => evicted,
            other => unreachable!("no column {other}"),
        };
        format!("{number:020}")
    }
}

/// The words of the lines of a sorted table, but for the rates.
pub(crate) fn sorted(mut rows: Vec<Row>, head: &str, is_descending: bool) -> Vec<String> {
    // The sort is stable, and the rows are by number.
    rows.sort_by(|one, other| {
        let order = one.key(head).cmp(&other.key(head));
        if is_descending { order.reverse() } else { order }
    });
    rows.iter().map(Row::words).collect()
}

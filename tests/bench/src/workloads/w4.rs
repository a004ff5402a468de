//! W4: the files of W2 in one shared pool that two domains have joined.

use super::w2::PAGES_SEED;
use super::{Bench, host_frames, service};
use crate::files::Files;
use crate::floor::Kind;
use crate::guest::{Guest, shared_pool};
use crate::report::Row;
use crate::rng::permutation;
use anyhow::Result;

/// Puts files by turns, and gets and replaces their pages by turns.
///
/// # Errors
/// When an answer or a page's content is wrong.
pub fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let nr_pages = bench.nr_pages;
    let service = service(host_frames(nr_pages))?;
    let mut meter = bench.meter(&service)?;
    let guests = [Guest::new(&service, 1)?, Guest::new(&service, 2)?];
    let pool = shared_pool(&guests)?;
    let files = Files::new(nr_pages);
    let order = permutation(nr_pages, PAGES_SEED);

    let by_file = |nth: usize| &guests[files.file(nth) as usize % 2];
    let by_turns = |nth: usize| &guests[nth % 2];
    let permuted = |nth: usize| order[nth] as usize;
    let page = |number| files.page(pool, number);
    let stamp = |number, version| [number as u64, version];

    let put = |nth| by_file(nth).put(nth, page(nth), stamp(nth, 1));
    let get = |nth| by_turns(nth).get(nth, page(permuted(nth)), stamp(permuted(nth), 1));
    let again = |nth| by_turns(nth).put(nth, page(permuted(nth)), stamp(permuted(nth), 2));

    let mut rows = Vec::new();
    let mut row = |op, cost| rows.push(bench.row("W4", op, cost));
    row("put", meter.run(Kind::WriteSerialised, nr_pages, put)?);
    row("get", meter.run(Kind::ReadSerialised, nr_pages, get)?);
    row("duplicate_put", meter.run(Kind::WriteSerialised, nr_pages, again)?);
    Ok(rows)
}

//! MISS: gets and flushes of pages that are not there, in a pool that holds the files of W2.

use super::w2::PAGES_SEED;
use super::{Bench, host_frames, service};
use crate::files::Files;
use crate::floor::Kind;
use crate::guest::{Guest, Page};
use crate::report::Row;
use crate::rng::permutation;
use anyhow::Result;
use hypercall_abi::PoolFlags;

/// Misses that are timed: more than the windows need, even of a small pool.
const NR_OPS: usize = 1 << 18;
/// An index that no file reaches.
const NO_INDEX: u32 = 1 << 20;
/// An object that no file is.
const NO_OBJECT: u64 = 1 << 40;

/// Pages of the small pool, whose metadata stays in the caches.
const SMALL: usize = 64;

/// Misses in a small pool and in one with all pages.
///
/// # Errors
/// When an answer is not a miss.
pub fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let mut rows = misses(&Bench { nr_pages: SMALL, ..*bench })?;
    rows.extend(misses(bench)?);
    Ok(rows)
}

/// Misses in a pool of so many pages.
///
/// # Errors
/// When an answer is not a miss.
fn misses(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let nr_pages = bench.nr_pages;
    let service = service(host_frames(nr_pages))?;
    let mut meter = bench.meter(&service)?;
    let guest = Guest::new(&service, 1)?;
    let pool = guest.new_pool(PoolFlags::empty(), [0; 2])?;
    let files = Files::new(nr_pages);
    for nth in 0..nr_pages {
        guest.put(nth, files.page(pool, nth), [nth as u64, 1])?;
    }
    let order = permutation(nr_pages, PAGES_SEED);

    let resident = |nth: usize| files.page(pool, order[nth % nr_pages] as usize);
    let no_object = |nth| {
        let page = resident(nth);
        Page { object: page.object + NO_OBJECT, ..page }
    };
    let no_index = |nth| {
        let page = resident(nth);
        Page { index: page.index + NO_INDEX, ..page }
    };

    let mut rows = Vec::new();
    let mut row = |op, cost| rows.push(bench.row("MISS", op, cost));
    let (rd, wr) = (Kind::ReadSerialised, Kind::WriteSerialised);
    row("get_no_object", meter.run(rd, NR_OPS, |nth| guest.miss(no_object(nth)))?);
    row("get_no_index", meter.run(rd, NR_OPS, |nth| guest.miss(no_index(nth)))?);
    row("flush_no_object", meter.run(wr, NR_OPS, |nth| guest.flush(no_object(nth)))?);
    Ok(rows)
}

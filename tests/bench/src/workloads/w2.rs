//! W2: a private ephemeral pool with the pages of files, as a guest's clean page cache is.

use super::{Bench, host_frames, service};
use crate::files::Files;
use crate::floor::Kind;
use crate::guest::Guest;
use crate::report::Row;
use crate::rng::permutation;
use anyhow::{Result, ensure};
use hypercall_abi::PoolFlags;

/// The seed of the permuted order of pages.
pub(super) const PAGES_SEED: u64 = 2003;
/// The seed of the permuted order of files.
const FILES_SEED: u64 = 2004;

/// Puts, gets and flushes files.
///
/// # Errors
/// When an answer or a page's content is wrong.
pub fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let nr_pages = bench.nr_pages;
    let service = service(host_frames(nr_pages))?;
    let mut meter = bench.meter(&service)?;
    let guest = Guest::new(&service, 1)?;
    let pool = guest.new_pool(PoolFlags::empty(), [0; 2])?;
    let files = Files::new(nr_pages);
    let order = permutation(nr_pages, PAGES_SEED);
    let file_order = permutation(files.nr_files(), FILES_SEED);

    let permuted = |nth: usize| order[nth] as usize;
    let put = |nth, page, version| guest.put(nth, files.page(pool, page), [page as u64, version]);
    let get = |nth, page, version| guest.get(nth, files.page(pool, page), [page as u64, version]);

    let mut rows = Vec::new();
    let mut row = |op, cost| rows.push(bench.row("W2", op, cost));
    let (rd, wr) = (Kind::ReadSerialised, Kind::WriteSerialised);
    row("put_in_order", meter.run(wr, nr_pages, |nth| put(nth, nth, 1))?);
    row("exclusive_get_permuted", meter.run(rd, nr_pages, |nth| get(nth, permuted(nth), 1))?);
    row("put_permuted", meter.run(wr, nr_pages, |nth| put(nth, permuted(nth), 2))?);
    let flush = |nth: usize| {
        let file = file_order[nth];
        guest.flush_object(pool, Files::object(u64::from(file)))?;
        Ok(u64::from(files.size(file as usize)))
    };
    row("flush_object", meter.run_units(wr, files.nr_files(), flush)?);
    let left = service.pool_stats(guest.domain(), pool).map(|stats| stats.pages);
    ensure!(left == Some(0), "pages are left after every object was flushed: {left:?}");
    Ok(rows)
}

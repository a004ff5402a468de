//! W1: a private persistent pool with one object, as a guest's swap area is.

use super::{Bench, host_frames, service};
use crate::floor::Kind;
use crate::guest::{Guest, Page};
use crate::report::Row;
use crate::rng::permutation;
use anyhow::Result;
use hypercall_abi::PoolFlags;

/// The seed of the permuted order.
const ORDER_SEED: u64 = 1001;

/// Puts, gets, replaces and flushes all pages.
///
/// # Errors
/// When an answer or a page's content is wrong.
pub fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let nr_pages = bench.nr_pages;
    let service = service(host_frames(nr_pages))?;
    let mut meter = bench.meter(&service)?;
    let guest = Guest::new(&service, 1)?;
    let pool = guest.new_pool(PoolFlags::PERSIST, [0; 2])?;
    let order = permutation(nr_pages, ORDER_SEED);

    let page = |index: u32| Page { pool, object: 1, index };
    let in_order = |nth: usize| page(u32::try_from(nth).unwrap_or(u32::MAX));
    let permuted = |nth: usize| page(order[nth]);
    let put = |nth, page: Page, version| guest.put(nth, page, [u64::from(page.index), version]);
    let get = |nth, page: Page, version| guest.get(nth, page, [u64::from(page.index), version]);

    let mut rows = Vec::new();
    let mut row = |op, cost| rows.push(bench.row("W1", op, cost));
    let (rd, wr) = (Kind::ReadSerialised, Kind::WriteSerialised);
    row("put_in_order", meter.run(wr, nr_pages, |nth| put(nth, in_order(nth), 1))?);
    row("get_permuted", meter.run(rd, nr_pages, |nth| get(nth, permuted(nth), 1))?);
    row("get_in_order", meter.run(rd, nr_pages, |nth| get(nth, in_order(nth), 1))?);
    row("duplicate_put_in_order", meter.run(wr, nr_pages, |nth| put(nth, in_order(nth), 2))?);
    row("duplicate_put_permuted", meter.run(wr, nr_pages, |nth| put(nth, permuted(nth), 3))?);
    row("flush_in_order", meter.run(wr, nr_pages, |nth| guest.flush(in_order(nth)))?);
    (0..nr_pages).try_for_each(|nth| put(nth, permuted(nth), 4))?;
    let reverse = |nth| permuted(nr_pages - 1 - nth);
    row("flush_permuted", meter.run(wr, nr_pages, |nth| guest.flush(reverse(nth)))?);
    Ok(rows)
}

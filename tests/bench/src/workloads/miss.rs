//! MISS: gets and flushes of pages that are not there, in a pool that holds the files of W2.

use super::{Row, host_frames, meter, service};
use crate::files::Files;
use crate::floor::{FloorMemory, Kind};
use crate::guest::{Guest, Page};
use crate::rng::permutation;
use anyhow::Result;
use hypercall_abi::PoolFlags;

/// The seed of the permuted order of pages.
const ORDER_SEED: u64 = 2003;
/// Misses that are timed: more than the windows need, even of a small pool.
const NR_OPS: usize = 1 << 18;
/// An index that no file reaches.
const NO_INDEX: u32 = 1 << 20;
/// An object that no file is.
const NO_OBJECT: u64 = 1 << 40;

/// Misses in a pool of `nr_pages` pages.
///
/// # Errors
/// When an answer is not a miss.
pub fn run(memory: &FloorMemory, nr_pages: usize) -> Result<Vec<Row>> {
    let service = service(host_frames(nr_pages))?;
    let mut meter = meter(memory, &service)?;
    let guest = Guest::new(&service, 1)?;
    let pool = guest.new_pool(PoolFlags::empty(), [0; 2])?;
    let files = Files::new(nr_pages);
    for nth in 0..nr_pages {
        guest.put(nth, files.page(pool, nth), [nth as u64, 1])?;
    }
    let order = permutation(nr_pages, ORDER_SEED);

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
    let mut row = |op, cost| rows.push(Row { workload: "MISS", op, pages: nr_pages, cost });
    let (rd, wr) = (Kind::ReadSerialised, Kind::WriteSerialised);
    row("get_no_object", meter.run(rd, NR_OPS, |nth| guest.miss(no_object(nth)))?);
    row("get_no_index", meter.run(rd, NR_OPS, |nth| guest.miss(no_index(nth)))?);
    row("flush_no_object", meter.run(wr, NR_OPS, |nth| guest.flush(no_object(nth)))?);
    Ok(rows)
}

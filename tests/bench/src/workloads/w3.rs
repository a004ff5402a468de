//! W3: more pages than host frames, so that puts evict.

use super::{Bench, narrow, service};
use crate::floor::Kind;
use crate::guest::{Guest, Page};
use crate::report::Row;
use crate::rng::Rng;
use crate::zipf::Zipf;
use anyhow::{Context as _, Result, ensure};
use hypercall_abi::PoolFlags;

/// The seed of the accesses.
const ACCESSES_SEED: u64 = 3003;
/// Pages of an object.
const OBJECT_PAGES: usize = 64;
/// Evictions that the engine may be ahead or behind of the puts: one bounded batch.
const BATCH_MAX: u64 = 64;

/// Puts and gets more pages than the host has frames.
///
/// # Errors
/// When an answer or a page's content is wrong, or puts do not evict as they must.
pub fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    let scan = scan(bench)?;
    let zipf08 = zipf(bench, "zipf08_get_put", 0.8)?;
    let zipf10 = zipf(bench, "zipf10_get_put", 1.0)?;
    Ok(vec![scan, zipf08, zipf10])
}

/// The page number `nth`.
fn page(pool: u32, nth: usize) -> Page {
    let object = 1000 + (nth / OBJECT_PAGES) as u64;
    Page { pool, object, index: narrow(nth % OBJECT_PAGES) }
}

/// Four times as many puts as frames, each of a new page; the second half is timed, and each of its
/// puts evicts a page.
fn scan(bench: &Bench<'_>) -> Result<Row> {
    let nr_frames = bench.nr_pages;
    let service = service(nr_frames)?;
    let mut meter = bench.meter(&service)?;
    let guest = Guest::new(&service, 1)?;
    let pool = guest.new_pool(PoolFlags::empty(), [0; 2])?;
    let put = |nth| guest.put(nth, page(pool, nth), [nth as u64, 1]);
    let nr_evicted = || {
        let stats = service.pool_stats(guest.domain(), pool).context("the pool has gone")?;
        anyhow::Ok(stats.evicted)
    };
    let nr_timed = 2 * nr_frames;
    (0..nr_timed).try_for_each(put)?;
    let before = nr_evicted()?;
    let cost = meter.run(Kind::WriteSerialised, nr_timed, |nth| put(nr_timed + nth))?;
    let evicted = nr_evicted()? - before;
    ensure!(
        evicted.abs_diff(nr_timed as u64) <= BATCH_MAX,
        "{nr_timed} puts into a full host evicted {evicted} pages"
    );
    Ok(bench.row("W3", "scan_put_evict", cost))
}

/// Accesses after Zipf's law to four times as many pages as frames, each a get and then a put; the
/// second half is timed.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn zipf(bench: &Bench<'_>, op: &'static str, exponent: f64) -> Result<Row> {
    let nr_frames = bench.nr_pages;
    let service = service(nr_frames)?;
    let mut meter = bench.meter(&service)?;
    let guest = Guest::new(&service, 1)?;
    let pool = guest.new_pool(PoolFlags::empty(), [0; 2])?;
    let law = Zipf::new(4 * nr_frames, exponent);
    let mut rng = Rng::new(ACCESSES_SEED);
    let accesses: Vec<u32> = (0..8 * nr_frames).map(|_| narrow(law.draw(&mut rng))).collect();
    drop(law);

    let access = |nth: usize| {
        let number = accesses[nth] as usize;
        let (page, stamp) = (page(pool, number), [number as u64, 1]);
        let was_hit = guest.try_get(nth, page, stamp)?;
        guest.put(nth, page, stamp)?;
        anyhow::Ok(was_hit)
    };
    let half = accesses.len() / 2;
    for nth in 0..half {
        access(nth)?;
    }
    let mut nr_hits = 0_usize;
    let cost = meter.run(Kind::WriteSerialised, half, |nth| {
        nr_hits += usize::from(access(half + nth)?);
        Ok(())
    })?;
    Ok(bench.row("W3", op, cost).hits(bench.original, nr_hits as f64 / half as f64))
}

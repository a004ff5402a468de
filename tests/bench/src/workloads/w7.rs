//! W7: how long one call may take, and how much it may free, before it asks whether to go on.

use super::{Bench, host, host_frames, narrow, service, service_on};
use crate::clock::Moment;
use crate::guest::{Guest, LeanService, Page};
use crate::report::Stretch;
use crate::rng::Rng;
use crate::stats::median;
use anyhow::{Context as _, Result};
use hypercall_abi::{ObjectId, Op, PoolFlags, Status};
use std::time::Duration;
use tmem_service::{Outcome, Progress};

/// Runs of each case. A machine that others use too stops for milliseconds now and then; the
/// smallest of the runs' longest stretches is hardly one of those.
const NR_RUNS: u16 = 7;
/// Puts that are looked at in one run.
const PUTS_PER_RUN: usize = 65_536;
/// The seed of the handles of these puts.
const HANDLES_SEED: u64 = 7007;

/// The calls of one run.
#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    most_pages: u64,
    longest: Duration,
    total: Duration,
}

impl Calls {
    fn add(&mut self, nr_pages: u64, taken: Duration) {
        self.most_pages = self.most_pages.max(nr_pages);
        self.longest = self.longest.max(taken);
        self.total += taken;
    }
}

/// How pages are named.
#[derive(Clone, Copy)]
enum Shape {
    /// All in one object of a persistent pool.
    PersistentOneObject,
    /// All in one object of an ephemeral pool.
    EphemeralOneObject,
    /// In objects of 64 pages of an ephemeral pool.
    EphemeralObjects,
}

/// Destroys pools, flushes objects, ends domains, and puts into a full host.
///
/// # Errors
/// When a call is answered wrongly.
pub fn run(bench: &Bench<'_>) -> Result<Vec<Stretch>> {
    use Shape::{EphemeralObjects, EphemeralOneObject, PersistentOneObject};
    let nr_pages = bench.nr_pages;
    let service = service(host_frames(nr_pages))?;
    let guest = Guest::new(&service, 1)?;
    let destroys = [
        runs(|_| destroy_pool(&guest, PersistentOneObject, nr_pages))?,
        runs(|_| destroy_pool(&guest, EphemeralObjects, nr_pages))?,
    ];
    let flushes = [
        runs(|_| flush_object(&guest, PersistentOneObject, nr_pages))?,
        runs(|_| flush_object(&guest, EphemeralOneObject, nr_pages))?,
    ];
    // A domain dies but once.
    let deaths = runs(|nth| end_domain(&Guest::new(&service, 2 + nth)?, nr_pages))?;
    drop(service);
    Ok(vec![
        stretch("destroy_pool", nr_pages, &destroys),
        stretch("flush_object", nr_pages, &flushes),
        stretch("client_death", nr_pages, &[deaths]),
        stretch("put", nr_pages, &[puts(nr_pages)?]),
    ])
}

fn runs(run: impl FnMut(u16) -> Result<Calls>) -> Result<Vec<Calls>> {
    (0..NR_RUNS).map(run).collect()
}

/// The figures of an operation: those of its worse variant.
fn stretch(op: &'static str, pages: usize, variants: &[Vec<Calls>]) -> Stretch {
    let all = || variants.iter().flatten();
    let longest = |runs: &Vec<Calls>| runs.iter().map(|calls| calls.longest).min();
    let total = |runs: &Vec<Calls>| {
        median(runs.iter().map(|calls| calls.total.as_secs_f64() * 1e3).collect())
    };
    Stretch {
        op,
        pages,
        most_pages: all().map(|calls| calls.most_pages).max().unwrap_or(0),
        longest_us: variants.iter().filter_map(longest).max().unwrap_or_default().as_secs_f64()
            * 1e6,
        total_ms: variants.iter().map(total).fold(0.0, f64::max),
    }
}

fn fill(guest: &Guest<'_>, shape: Shape, nr_pages: usize) -> Result<u32> {
    let flags = match shape {
        Shape::PersistentOneObject => PoolFlags::PERSIST,
        Shape::EphemeralOneObject | Shape::EphemeralObjects => PoolFlags::empty(),
    };
    let pool = guest.new_pool(flags, [0; 2])?;
    for nth in 0..nr_pages {
        let (object, index) = match shape {
            Shape::EphemeralObjects => (1000 + nth / 64, nth % 64),
            Shape::PersistentOneObject | Shape::EphemeralOneObject => (1, nth),
        };
        let page = Page { pool, object: object as u64, index: narrow(index) };
        guest.put(nth, page, [nth as u64, 1])?;
    }
    Ok(pool)
}

/// Makes calls until one says that it was the last; the frames that each gives back are counted by
/// the host.
fn calls(service: &LeanService, mut call: impl FnMut() -> Result<bool>) -> Result<Calls> {
    let mut calls = Calls::default();
    loop {
        let before = service.platform().nr_frames_free();
        let start = Moment::now();
        let is_last = call()?;
        let taken = start.elapsed();
        let nr_freed = service.platform().nr_frames_free().saturating_sub(before);
        calls.add(nr_freed as u64, taken);
        if is_last {
            return Ok(calls);
        }
    }
}

fn guest_calls(guest: &Guest<'_>, op: &Op) -> Result<Calls> {
    calls(guest.service(), || match guest.call(op) {
        Outcome::Again => Ok(false),
        Outcome::Done(Status::Success) => Ok(true),
        Outcome::Done(other) => anyhow::bail!("{op:?} is answered by {other:?}"),
    })
}

fn destroy_pool(guest: &Guest<'_>, shape: Shape, nr_pages: usize) -> Result<Calls> {
    let pool_id = fill(guest, shape, nr_pages)?;
    guest_calls(guest, &Op::DestroyPool { pool_id })
}

fn flush_object(guest: &Guest<'_>, shape: Shape, nr_pages: usize) -> Result<Calls> {
    let pool_id = fill(guest, shape, nr_pages)?;
    let calls = guest_calls(guest, &Op::FlushObject { pool_id, object: ObjectId([1, 0, 0]) })?;
    guest.destroy_pool(pool_id)?;
    Ok(calls)
}

fn end_domain(guest: &Guest<'_>, nr_pages: usize) -> Result<Calls> {
    fill(guest, Shape::PersistentOneObject, nr_pages / 2)?;
    fill(guest, Shape::EphemeralObjects, nr_pages - nr_pages / 2)?;
    let service = guest.service();
    service.platform().kill_domain(guest.domain());
    calls(service, || Ok(service.destroy_domain(guest.domain()) == Progress::Done))
}

/// Puts of pages with random handles into a full host whose metadata takes its room from the frames
/// too: a put may have to evict for its frame and for several blocks of metadata.
fn puts(nr_frames: usize) -> Result<Vec<Calls>> {
    let service = service_on(host(nr_frames)?.with_metadata_in_frames())?;
    let guest = Guest::new(&service, 1)?;
    let pool = guest.new_pool(PoolFlags::empty(), [0; 2])?;
    let mut rng = Rng::new(HANDLES_SEED);
    let mut nth = 0;
    let mut put = || {
        let page = Page { pool, object: rng.bits(), index: 0 };
        nth += 1;
        let start = Moment::now();
        guest.put(nth, page, [nth as u64, 1])?;
        anyhow::Ok(start.elapsed())
    };
    (0..2 * nr_frames).try_for_each(|_| put().map(drop))?;
    let nr_evicted = || {
        let stats = service.pool_stats(guest.domain(), pool).context("the pool has gone")?;
        anyhow::Ok(stats.evicted)
    };
    let mut evicted = nr_evicted()?;
    runs(|_| {
        let mut calls = Calls::default();
        for _ in 0..PUTS_PER_RUN.min(nr_frames) {
            let taken = put()?;
            let now = nr_evicted()?;
            calls.add(now - core::mem::replace(&mut evicted, now), taken);
        }
        Ok(calls)
    })
}

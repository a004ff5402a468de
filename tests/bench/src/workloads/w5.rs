//! W5: what a second thread brings, each thread a domain of its own on a CPU of its own.

use super::{host_frames, narrow, service};
use crate::duet::{Duet, Round, Work};
use crate::floor::{FloorMemory, Kind};
use crate::guest::{Guest, Page, shared_pool};
use crate::report::Speedup;
use crate::rng::permutation;
use crate::stats::median;
use anyhow::{Result, ensure};
use hypercall_abi::PoolFlags;
use std::time::Duration;

/// The seed of the order in which pages are visited.
const ORDER_SEED: u64 = 8008;
/// Indices that no page has.
const NO_INDEX: u32 = 1 << 20;
/// Objects that no page is in.
const NO_OBJECT: u64 = 1 << 40;
/// Copies that one call of the control makes: as many as a get and a put.
const COPIES_PER_CALL: usize = 2;

/// The part of a window that other programs may have of its CPU.
pub const LOST_MAX: f64 = 0.02;
/// Rounds that are tried for one that is asked for.
const TRIES_PER_PAIR: usize = 6;

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Length of a window.
    pub window: Duration,
    /// Windows of each kind.
    pub nr_pairs: usize,
}

/// Windows of 12 ms, 16 of each kind.
pub const FULL: Extent = Extent { window: Duration::from_millis(12), nr_pairs: 16 };

/// How the pages of a pool are named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    OneObject,
    Objects,
}

/// Whose pool it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Own(PoolFlags),
    Shared,
}

/// What a thread does with each page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    /// A get, then a put: of a page that the get has taken, or a duplicate put.
    GetPut,
    FlushPut,
    /// A get of no object's page, then one of an object's missing page.
    Miss,
}

/// One variant of a case.
struct Variant {
    case: &'static str,
    sharing: Sharing,
    naming: Naming,
    action: Action,
}

const PERSISTENT: Sharing = Sharing::Own(PoolFlags::PERSIST);
const EPHEMERAL: Sharing = Sharing::Own(PoolFlags::empty());

const fn variant(case: &'static str, sharing: Sharing, naming: Naming, action: Action) -> Variant {
    Variant { case, sharing, naming, action }
}

/// The variants; those of a case follow each other.
const VARIANTS: [Variant; 8] = [
    variant("private_persistent", PERSISTENT, Naming::OneObject, Action::GetPut),
    variant("private_persistent", PERSISTENT, Naming::OneObject, Action::FlushPut),
    variant("private_ephemeral", EPHEMERAL, Naming::OneObject, Action::GetPut),
    variant("private_ephemeral", EPHEMERAL, Naming::Objects, Action::GetPut),
    variant("misses", EPHEMERAL, Naming::Objects, Action::Miss),
    variant("misses_shared", Sharing::Shared, Naming::Objects, Action::Miss),
    variant("shared_64_page_objects", Sharing::Shared, Naming::Objects, Action::GetPut),
    variant("shared_one_object", Sharing::Shared, Naming::OneObject, Action::GetPut),
];

/// Measures every case with `nr_pages` pages in all.
///
/// # Errors
/// When an answer or a page's content is wrong.
pub fn run(nr_pages: usize, extent: Extent) -> Result<Vec<Speedup>> {
    let mut cases: Vec<Speedup> = Vec::new();
    for variant in &VARIANTS {
        let figure = measure(variant, nr_pages, extent)?;
        match cases.last_mut().filter(|last| last.case == figure.case) {
            Some(last) if last.value <= figure.value => {}
            Some(last) => *last = figure,
            None => cases.push(figure),
        }
    }
    Ok(cases)
}

/// The page with this number.
fn page(naming: Naming, pool: u32, number: usize) -> Page {
    match naming {
        Naming::OneObject => Page { pool, object: 1, index: narrow(number) },
        Naming::Objects => {
            Page { pool, object: 1000 + number as u64 / 64, index: narrow(number % 64) }
        }
    }
}

fn measure(variant: &Variant, nr_pages: usize, extent: Extent) -> Result<Speedup> {
    let service = service(host_frames(nr_pages))?;
    let guests = [Guest::new(&service, 1)?, Guest::new(&service, 2)?];
    let (pools, numbers) = match variant.sharing {
        Sharing::Own(flags) => {
            let pools = [guests[0].new_pool(flags, [0; 2])?, guests[1].new_pool(flags, [0; 2])?];
            (pools, nr_pages / 2)
        }
        Sharing::Shared => ([shared_pool(&guests)?; 2], nr_pages),
    };
    let fillers = if variant.sharing == Sharing::Shared { &guests[..1] } else { &guests[..] };
    for (guest, pool) in fillers.iter().zip(pools) {
        for number in 0..numbers {
            guest.put(number, page(variant.naming, pool, number), [number as u64, 1])?;
        }
    }
    // Both visit all that they can reach, each in an order of its own.
    let orders = [permutation(numbers, ORDER_SEED), permutation(numbers, ORDER_SEED + 1)];
    let memories = [FloorMemory::new(nr_pages / 2)?, FloorMemory::new(nr_pages / 2)?];
    let works = [
        vec![work(variant, guests[0], pools[0], &orders[0]), copies(&memories[0], nr_pages / 2)?],
        vec![work(variant, guests[1], pools[1], &orders[1]), copies(&memories[1], nr_pages / 2)?],
    ];
    let rounds = std::thread::scope(|scope| {
        let duet = Duet::start(scope, works);
        let rounds = undisturbed(&duet, extent)?;
        duet.end()?;
        anyhow::Ok(rounds)
    })?;
    let of = |work: usize| median(rounds.iter().map(|round| round.speedups[work]).collect());
    let lost = rounds.iter().map(|round| round.lost).fold(0.0, f64::max);
    Ok(Speedup { case: variant.case, threads: 2, value: of(0), control: of(1), lost })
}

/// As many rounds as are asked for, those in which other programs took the least of the CPUs, out of
/// some more if there are such programs.
fn undisturbed(duet: &Duet<'_>, extent: Extent) -> Result<Vec<Round>> {
    duet.round(2, extent.window)?;
    let mut rounds: Vec<Round> = Vec::new();
    let mut nr_quiet = 0;
    while nr_quiet < extent.nr_pairs && rounds.len() < TRIES_PER_PAIR * extent.nr_pairs {
        let round = duet.round(2, extent.window)?;
        nr_quiet += usize::from(round.lost <= LOST_MAX);
        rounds.push(round);
    }
    rounds.sort_by(|one, other| one.lost.total_cmp(&other.lost));
    rounds.truncate(extent.nr_pairs);
    ensure!(!rounds.is_empty(), "no window was measured");
    Ok(rounds)
}

/// What a domain's thread does.
fn work<'a>(variant: &Variant, guest: Guest<'a>, pool: u32, order: &'a [u32]) -> Work<'a> {
    let naming = variant.naming;
    let is_shared = variant.sharing == Sharing::Shared;
    let mut places = order.iter().cycle();
    let mut next = move || *places.next().unwrap_or(&0) as usize;
    match variant.action {
        Action::GetPut => Box::new(move |nth| {
            let number = next();
            let (page, stamp) = (page(naming, pool, number), [number as u64, 1]);
            if is_shared {
                // Whoever replaces the page at this moment may take it away first.
                guest.try_get(nth, page, stamp)?;
            } else {
                guest.get(nth, page, stamp)?;
            }
            guest.put(nth, page, stamp)
        }),
        Action::FlushPut => Box::new(move |nth| {
            let number = next();
            let page = page(naming, pool, number);
            guest.flush(page)?;
            guest.put(nth, page, [number as u64, 1])
        }),
        Action::Miss => Box::new(move |_| {
            let page = page(naming, pool, next());
            guest.miss(Page { object: page.object + NO_OBJECT, ..page })?;
            guest.miss(Page { index: page.index + NO_INDEX, ..page })
        }),
    }
}

/// The control: page copies out of an arena and into it.
fn copies(memory: &FloorMemory, nr_pages: usize) -> Result<Work<'_>> {
    let mut floor = memory.floor(nr_pages)?;
    Ok(Box::new(move |_| {
        floor.run(Kind::Read, COPIES_PER_CALL / 2);
        floor.run(Kind::Write, COPIES_PER_CALL / 2);
        Ok(())
    }))
}

//! What a page copy alone costs on this machine: the floor that every figure is compared with.
//!
//! The floor runs over an arena like the engine's, with the engine's copy, and is measured again
//! beside each window of the engine's, so that what else the machine does meets both.

use crate::clock::Moment;
use crate::rng::permutation;
use anyhow::{Context as _, Result, ensure};
use core::hint::black_box;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{Ordering, fence};
use std::time::Duration;
use tmem_host_sim::{Arena, GFNS_PER_DOMAIN, Memory, PageWords, copy_page, copy_page_words};

/// The seed of the order in which a floor visits its arena.
const ORDER_SEED: u64 = 77;
/// The seed of what the table says.
const TABLE_SEED: u64 = 78;
/// Entries in a page of a table.
const ENTRIES_PER_PAGE: usize = 512;
/// The seed of what the index says.
const INDEX_SEED: u64 = 79;
/// Pages that an entry of the index stands for, as in the engine's.
const PAGES_PER_BLOCK: usize = 64;

/// Which floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Both sides in the first-level cache.
    Hot,
    /// From a small ring to a random page of the arena.
    Write,
    /// From a random page of the arena to a small ring.
    Read,
    /// As `Write`, with a full memory barrier on each side, as an engine with locks has them.
    WriteSerialised,
    /// As `Read`, with the barriers.
    ReadSerialised,
    /// As `ReadSerialised`, but the page's number is first read from a table of eight bytes a page, at
    /// a random place: what a look-up costs that has its answer in one access.
    ReadIndexed,
    /// As `ReadIndexed`, but where in the table is first read from an index of eight bytes for 64
    /// pages: what a look-up costs that has its answer in two accesses, one after the other.
    ReadTwiceIndexed,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Hot,
        Self::Write,
        Self::Read,
        Self::WriteSerialised,
        Self::ReadSerialised,
        Self::ReadIndexed,
        Self::ReadTwiceIndexed,
    ];

    /// The name in tables and in the JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Write => "wr",
            Self::Read => "rd",
            Self::WriteSerialised => "wrS",
            Self::ReadSerialised => "rdS",
            Self::ReadIndexed => "rdX",
            Self::ReadTwiceIndexed => "rdXX",
        }
    }
}

/// A floor over an arena.
pub struct Floor<'a> {
    arena: &'a Arena,
    ring: &'a Arena,
    table: &'a Arena,
    index: &'a Arena,
    /// The pages of the arena in the order of the visits.
    order: Vec<u32>,
    /// The place in `order` of the next visit.
    next: usize,
}

/// Memory for floors: as much as the largest host, and a ring as large as a guest's.
pub struct FloorMemory {
    arena: Arena,
    ring: Arena,
    /// Eight bytes for each page of the arena, for [`Kind::ReadIndexed`].
    table: Arena,
    /// Eight bytes for 64 of them, for [`Kind::ReadTwiceIndexed`].
    index: Arena,
}

impl FloorMemory {
    /// Memory for floors over up to `nr_pages` pages.
    ///
    /// # Errors
    /// When the system has no room.
    pub fn new(nr_pages: usize) -> Result<Self> {
        let arena = Arena::new(nr_pages).context("no memory for the copy floor's arena")?;
        let ring = Arena::new(GFNS_PER_DOMAIN).context("no memory for the copy floor's ring")?;
        let table = Arena::new(nr_pages.div_ceil(ENTRIES_PER_PAGE));
        let table = table.context("no memory for the copy floor's table")?;
        let index = Arena::new(nr_pages.div_ceil(PAGES_PER_BLOCK * ENTRIES_PER_PAGE));
        let index = index.context("no memory for the copy floor's index")?;
        Ok(Self { arena, ring, table, index })
    }

    /// A floor over the first `nr_pages` pages.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn floor(&self, nr_pages: usize) -> Result<Floor<'_>> {
        ensure!(nr_pages <= self.arena.nr_pages(), "the floor's arena is smaller than the host");
        let order = permutation(nr_pages, ORDER_SEED);
        fill(&self.table, permutation(nr_pages, TABLE_SEED));
        fill(&self.index, permutation(nr_pages.div_ceil(PAGES_PER_BLOCK), INDEX_SEED));
        let Self { arena, ring, table, index } = self;
        Ok(Floor { arena, ring, table, index, order, next: 0 })
    }
}

/// Writes `entries` into a table, one after the other.
fn fill(table: &Arena, entries: Vec<u32>) {
    for (place, entry) in entries.into_iter().enumerate() {
        if let Some(words) = table.words(place / ENTRIES_PER_PAGE) {
            words[place % ENTRIES_PER_PAGE].store(entry.into(), Relaxed);
        }
    }
}

/// What a table says at `place`.
#[inline(always)]
fn entry(table: &Arena, place: usize) -> Option<usize> {
    let words = table.words(place / ENTRIES_PER_PAGE)?;
    usize::try_from(words[place % ENTRIES_PER_PAGE].load(Relaxed)).ok()
}

impl Floor<'_> {
    /// Copies `nr_copies` pages and answers how long it took.
    pub fn run(&mut self, kind: Kind, nr_copies: usize) -> Duration {
        let barrier = || fence(Ordering::SeqCst);
        match kind {
            Kind::Hot => {
                let (Some(to), Some(from)) = (self.ring.words(0), self.ring.words(1)) else {
                    return Duration::ZERO;
                };
                self.visit(nr_copies, |_, _| copy_page_words(to, from))
            }
            Kind::Write => self.visit(nr_copies, |ring, page| copy_page_words(page, ring)),
            Kind::Read => self.visit(nr_copies, copy_page_words),
            Kind::WriteSerialised => self.visit(nr_copies, |ring, page| {
                barrier();
                copy_page_words(page, ring);
                barrier();
            }),
            Kind::ReadSerialised => self.visit(nr_copies, |ring, page| {
                barrier();
                copy_page_words(ring, page);
                barrier();
            }),
            Kind::ReadIndexed => {
                let (arena, table) = (self.arena, self.table);
                self.visit_numbers(nr_copies, |ring, place| {
                    barrier();
                    if let Some(page) = entry(table, place).and_then(|page| arena.words(page)) {
                        copy_page_words(ring, page);
                    }
                    barrier();
                })
            }
            Kind::ReadTwiceIndexed => {
                let Self { arena, table, index, .. } = *self;
                self.visit_numbers(nr_copies, |ring, place| {
                    barrier();
                    let block = entry(index, place / PAGES_PER_BLOCK);
                    let place = block.map(|at| at * PAGES_PER_BLOCK + place % PAGES_PER_BLOCK);
                    let page = place.and_then(|place| entry(table, place));
                    if let Some(page) = page.and_then(|page| arena.words(page)) {
                        copy_page_words(ring, page);
                    }
                    barrier();
                })
            }
        }
    }

    /// Times `copy` for the next `nr_copies` pages of the ring and of the arena.
    #[inline(always)]
    fn visit(&mut self, nr_copies: usize, copy: impl Fn(&PageWords, &PageWords)) -> Duration {
        let arena = self.arena;
        self.visit_numbers(nr_copies, |ring, page| {
            if let Some(page) = arena.words(page) {
                copy(ring, page);
            }
        })
    }

    /// The same with the number of the arena's page. No division and no more than a step of two
    /// counters is in the loop: it would count as copying.
    #[inline(always)]
    fn visit_numbers(&mut self, nr_copies: usize, copy: impl Fn(&PageWords, usize)) -> Duration {
        let mut left = nr_copies;
        let start = Moment::now();
        while left > 0 {
            let Some(rest) = self.order.get(self.next..).filter(|rest| !rest.is_empty()) else {
                if core::mem::take(&mut self.next) == 0 {
                    break;
                }
                continue;
            };
            let nr_here = left.min(rest.len());
            for (visit, &page) in rest[..nr_here].iter().enumerate() {
                let ring = self.ring.words(visit % GFNS_PER_DOMAIN);
                if let Some(ring) = ring {
                    copy(ring, page as usize);
                }
            }
            self.next += nr_here;
            left -= nr_here;
        }
        start.elapsed()
    }
}

/// Copies `nr_copies` pages within the first-level cache by a plain slice copy.
pub fn run_plain(memory: &Memory, nr_copies: usize) -> Duration {
    let (mut to, from) = (memory.write(0), memory.read(1));
    let start = Moment::now();
    for _ in 0..nr_copies {
        copy_page(black_box(&mut to), black_box(&from));
    }
    start.elapsed()
}

//! What a page copy alone costs on this machine: the floor that every figure is compared with.
//!
//! The floor runs over an arena like the engine's, with the engine's copy, and is measured again
//! beside each window of the engine's, so that what else the machine does meets both.

use crate::clock::Moment;
use crate::rng::permutation;
use anyhow::{Context as _, Result, ensure};
use core::hint::black_box;
use core::sync::atomic::{Ordering, fence};
use std::time::Duration;
use tmem_host_sim::{Arena, GFNS_PER_DOMAIN, Memory, PageWords, copy_page, copy_page_words};

/// The seed of the order in which a floor visits its arena.
const ORDER_SEED: u64 = 77;

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
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Hot, Self::Write, Self::Read, Self::WriteSerialised, Self::ReadSerialised];

    /// The name in tables and in the JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Write => "wr",
            Self::Read => "rd",
            Self::WriteSerialised => "wrS",
            Self::ReadSerialised => "rdS",
        }
    }
}

/// A floor over an arena.
pub struct Floor<'a> {
    arena: &'a Arena,
    ring: &'a Arena,
    /// The pages of the arena in the order of the visits.
    order: Vec<u32>,
    /// The place in `order` of the next visit.
    next: usize,
}

/// Memory for floors: as much as the largest host, and a ring as large as a guest's.
pub struct FloorMemory {
    arena: Arena,
    ring: Arena,
}

impl FloorMemory {
    /// Memory for floors over up to `nr_pages` pages.
    ///
    /// # Errors
    /// When the system has no room.
    pub fn new(nr_pages: usize) -> Result<Self> {
        let arena = Arena::new(nr_pages).context("no memory for the copy floor's arena")?;
        let ring = Arena::new(GFNS_PER_DOMAIN).context("no memory for the copy floor's ring")?;
        Ok(Self { arena, ring })
    }

    /// A floor over the first `nr_pages` pages.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn floor(&self, nr_pages: usize) -> Result<Floor<'_>> {
        ensure!(nr_pages <= self.arena.nr_pages(), "the floor's arena is smaller than the host");
        let order = permutation(nr_pages, ORDER_SEED);
        Ok(Floor { arena: &self.arena, ring: &self.ring, order, next: 0 })
    }
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
        }
    }

    /// Times `copy` for the next `nr_copies` pages of the ring and of the arena. No division and no
    /// more than a step of two counters is in the loop: it would count as copying.
    #[inline(always)]
    fn visit(&mut self, nr_copies: usize, copy: impl Fn(&PageWords, &PageWords)) -> Duration {
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
                if let (Some(ring), Some(page)) = (ring, self.arena.words(page as usize)) {
                    copy(ring, page);
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

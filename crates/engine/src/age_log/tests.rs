//! The log of ages against a list of the pages in it.

use super::*;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A log with the pages that are in it, by their stamps: each has its record's number.
struct Listed {
    log: AgeLog,
    pages: BTreeMap<u64, SlotId>,
    stamp: u64,
    /// Frames of metadata that it has been given and has not given back.
    nr_blocks: u32,
    nr_moved: usize,
}

impl Listed {
    fn new() -> Self {
        Self { log: AgeLog::new(), pages: BTreeMap::new(), stamp: 0, nr_blocks: 0, nr_moved: 0 }
    }

    fn merge(&mut self, thin: Option<ThinPair>) {
        let Some(thin) = thin else { return };
        let Self { log, pages, nr_moved, .. } = self;
        let before = *nr_moved;
        log.merge(thin, |(block, place), record| {
            let stamp = u64::from(block.0) << 6 | u64::from(place);
            *pages.get_mut(&stamp).expect("a page that is there") = record;
            *nr_moved += 1;
        });
        assert!(*nr_moved - before <= 2 * THIN as usize, "{} moved at once", *nr_moved - before);
        self.collect();
    }

    fn collect(&mut self) {
        let mut garbage = Garbage::<0>::new();
        self.log.collect(&mut garbage);
        self.nr_blocks -= garbage.nr_blocks();
    }

    /// Adds a page that is named after its stamp.
    fn add(&mut self) -> u64 {
        if !self.log.is_ready() {
            let mut supply = AgeSupply::default();
            let thin = loop {
                match self.log.open(&mut supply) {
                    Ok(thin) => break thin,
                    Err(need) => assert!(supply.fetch(need)),
                }
                self.nr_blocks += 1;
            };
            assert_eq!(supply.nr_blocks(), 0, "no more than it asked for");
            self.merge(thin);
        }
        self.stamp += 1;
        let block = SlotId(u32::try_from(self.stamp >> 6).expect("few"));
        let place = u8::try_from(self.stamp % 64).expect("6 bits");
        let id = self.log.add(block, place, self.stamp);
        assert_eq!((self.log.page(id), self.log.stamp(id)), ((block, place), self.stamp));
        self.pages.insert(self.stamp, id);
        self.stamp
    }

    fn remove(&mut self, stamp: u64) {
        let id = self.pages.remove(&stamp).expect("a page that is there");
        if self.log.remove(id) {
            let thin = self.log.see_to(id);
            self.collect();
            self.merge(thin);
        }
    }

    /// That the log has the pages, in their order, and takes no more frames than it says.
    fn check(&mut self) {
        let mut at = self.log.oldest();
        for (&stamp, &id) in &self.pages {
            assert_eq!((at, self.log.stamp(id)), (Some(id), stamp));
            assert!(self.log.is_in_place(id));
            at = self.log.younger(id);
        }
        assert_eq!(at, None);
        let nr_pages = u32::try_from(self.pages.len()).expect("few");
        assert_eq!(self.log.recount(), Some((nr_pages, self.nr_blocks)));
        assert!(self.log.bound() <= self.pages.keys().next().copied().unwrap_or(u64::MAX));
        let chunks_max = nr_pages / 32 + 3;
        assert!(self.nr_blocks <= chunks_max + 3, "{} for {nr_pages} pages", self.nr_blocks);
        let mut walked: Vec<_> = self.pages.values().map(|id| id.0).collect();
        walked.sort_unstable();
        assert_eq!(self.walk(usize::MAX), walked);
        assert_eq!(self.walk(1), walked, "in short steps");
    }

    fn walk(&self, step: usize) -> Vec<u32> {
        let (mut found, mut at) = (Vec::new(), SlotId(0));
        loop {
            let mut chunks = step;
            match self.log.next_used(at, &mut chunks) {
                Scanned::Found(id) => {
                    found.push(id.0);
                    at = SlotId(id.0 + 1);
                }
                Scanned::Unfinished(next) => at = next,
                Scanned::End => return found,
            }
        }
    }
}

/// Words that look random.
fn words() -> impl FnMut() -> u64 {
    let mut word = 3_u64;
    move || {
        word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        word >> 20
    }
}

#[test]
fn pages_that_come_and_go_stay_in_their_order_and_every_frame_goes_back() {
    let mut listed = Listed::new();
    let (mut next, mut there) = (words(), Vec::new());
    for round in 0..24 {
        for _ in 0..3000 {
            // Fuller in two of three rounds, emptier in the third.
            if there.is_empty() || next() % 8 < if round % 3 == 2 { 1 } else { 5 } {
                there.push(listed.add());
            } else {
                let nth = usize::try_from(next()).expect("44 bits") % there.len();
                listed.remove(there.swap_remove(nth));
            }
        }
        listed.check();
    }
    assert!(listed.nr_moved > 0, "chunks were merged");
    for stamp in listed.pages.keys().copied().collect::<Vec<_>>() {
        listed.remove(stamp);
    }
    listed.check();
    let mut garbage = Garbage::<0>::new();
    while !listed.log.dismantle(&mut garbage) {
        listed.nr_blocks -= garbage.nr_blocks();
        garbage = Garbage::new();
    }
    assert_eq!((listed.nr_blocks, listed.log.recount()), (0, Some((0, 0))));
}

#[test]
fn p21_one_page_in_each_chunk_does_not_keep_the_chunks() {
    let mut listed = Listed::new();
    let mut kept = Vec::new();
    for nr in 0..100 * 448 {
        let stamp = listed.add();
        if nr % 448 == 100 {
            kept.push(stamp);
        } else {
            listed.remove(stamp);
        }
    }
    listed.check();
    // 100 records in at most 100 / 65 * 2 chunks and the youngest, with root, leaf and links.
    assert!(listed.nr_blocks <= 8, "{} frames for 100 pages", listed.nr_blocks);
    assert_eq!(listed.pages.keys().copied().collect::<Vec<_>>(), kept);
}

#[test]
fn chunks_that_are_thinned_out_at_once_are_merged_and_few_records_move() {
    let mut listed = Listed::new();
    let stamps: Vec<_> = (0..24 * 448).map(|_| listed.add()).collect();
    let mut order = stamps;
    let mut next = words();
    for at in (1..order.len()).rev() {
        let other = usize::try_from(next()).expect("44 bits") % (at + 1);
        order.swap(at, other);
    }
    let nr_all = order.len();
    for (nr, stamp) in order.into_iter().enumerate() {
        listed.remove(stamp);
        if nr % 2000 == 0 {
            listed.check();
        }
    }
    listed.check();
    assert!(listed.nr_moved < nr_all / 2, "{} of {nr_all} moved", listed.nr_moved);
}

#[test]
fn a_lone_page_that_comes_and_goes_keeps_its_chunk() {
    let mut listed = Listed::new();
    for _ in 0..5000 {
        let stamp = listed.add();
        assert_eq!(listed.nr_blocks, 1);
        listed.remove(stamp);
    }
    listed.check();
    assert_eq!(listed.nr_blocks, 1);
}

#[test]
fn a_removal_does_not_raise_the_bound_but_who_asks_does() {
    let mut listed = Listed::new();
    let stamps: Vec<_> = (0..5).map(|_| listed.add()).collect();
    listed.remove(stamps[0]);
    assert_eq!(listed.log.bound(), stamps[0]);
    listed.log.raise_bound();
    assert_eq!(listed.log.bound(), stamps[1]);
    for &stamp in &stamps[1..] {
        listed.remove(stamp);
    }
    listed.log.raise_bound();
    assert_eq!(listed.log.bound(), AgeLog::NO_STAMP);
    let stamp = listed.add();
    assert_eq!(listed.log.bound(), stamp);
}

#[test]
fn the_numbers_of_chunks_have_an_end() {
    let mut log = AgeLog::new();
    log.nr_chunks = CHUNKS_MAX;
    let mut supply = AgeSupply::default();
    assert_eq!(log.open(&mut supply), Err(SlabNeed::Full));
    assert!(!supply.fetch(SlabNeed::Full));
}

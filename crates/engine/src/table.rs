//! A table of the index: a frame of entries, from hashes to blocks, with linear probing.
//!
//! An entry is one word: the part of the hash that a table needs, the block, and the block's map. So
//! a look-up reads one cache line or two neighbouring ones, an entry can be moved without asking
//! its block for its name, and a removal closes its gap and leaves no tombstone.

use crate::slab::SlotId;
use alloc::boxed::Box;

/// log2 of a table's entries.
const TABLE_BITS: u32 = 9;
const TABLE_LEN: usize = 1 << TABLE_BITS;
/// Entries at which a table is full: there are always many free ones to end a probe.
pub(crate) const SPLIT_LEN: usize = 352;

/// The entries of a table; 0 is none.
pub(crate) type Entries = [Entry; TABLE_LEN];
/// A frame of entries.
pub(crate) type Table = Box<Entries>;

/// Bits of a block's and of a map's number.
pub(crate) const NUMBER_BITS: u32 = 20;
const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;
const TAG_SHIFT: u32 = 2 * NUMBER_BITS;

/// What an entry leads to: the block (20 bits, each inverted) or the head, and the block's map (20
/// bits above), if it has one. What is above these is the entry's tag or 0.
///
/// No block has the greatest number, so that no lead is 0, which is no entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lead(u64);

impl Lead {
    #[inline(always)]
    pub(crate) const fn new(block: SlotId, map: SlotId) -> Self {
        let (block, map) = (block.0 as u64, map.0 as u64);
        Self((map & NUMBER_MASK) << NUMBER_BITS | !block & NUMBER_MASK)
    }

    /// To a head, or to a block without a map.
    pub(crate) const fn to(block: SlotId) -> Self {
        Self::new(block, SlotId::NONE)
    }

    /// The block or the head.
    #[inline(always)]
    pub(crate) const fn block(self) -> SlotId {
        SlotId((!self.0 & NUMBER_MASK) as u32)
    }

    /// The block's map. `None`: it has none.
    #[inline(always)]
    pub(crate) const fn map(self) -> Option<SlotId> {
        let map = self.0 >> NUMBER_BITS & NUMBER_MASK;
        if map == NUMBER_MASK { None } else { Some(SlotId(map as u32)) }
    }
}

/// The upper 24 bits of a hash: the upper nine say where in a table an entry would like to be, the next
/// eleven which table it is in, and the rest make it unlikely that a look-up stops at a wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u64);

impl Tag {
    pub(crate) const fn of(hash: u64) -> Self {
        Self(hash >> TAG_SHIFT)
    }

    /// The place in a table that an entry of this tag would like to have.
    const fn home(self) -> usize {
        (self.0 >> (u64::BITS - TAG_SHIFT - TABLE_BITS)) as usize
    }

    /// What the directory goes by; the lower bits first.
    pub(crate) const fn prefix(self) -> usize {
        (self.0 >> 4) as usize
    }
}

/// An entry: tag (24 bits), map (20; all ones for none), block (20).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry(u64);

impl Entry {
    pub(crate) const fn new(tag: Tag, lead: Lead) -> Self {
        Self(tag.0 << TAG_SHIFT | lead.0 & ((1 << TAG_SHIFT) - 1))
    }

    const fn is_none(self) -> bool {
        self.0 == 0
    }

    const fn tag(self) -> Tag {
        Tag(self.0 >> TAG_SHIFT)
    }

    #[inline(always)]
    const fn lead(self) -> Lead {
        Lead(self.0)
    }
}

/// A look-up on its way through a table.
pub(crate) struct Probe<'a> {
    table: &'a Entries,
    tag: Tag,
    at: usize,
}

impl<'a> Probe<'a> {
    #[inline(always)]
    pub(crate) const fn new(table: &'a Entries, tag: Tag) -> Self {
        Self { table, tag, at: tag.home() }
    }
}

/// The entries under the tag.
impl Iterator for Probe<'_> {
    type Item = Lead;

    #[inline(always)]
    fn next(&mut self) -> Option<Lead> {
        loop {
            let entry = self.table[self.at % TABLE_LEN];
            self.at += 1;
            if entry.is_none() {
                return None;
            }
            if entry.tag() == self.tag {
                return Some(entry.lead());
            }
        }
    }
}

/// The place of `block`'s entry under `tag`.
fn place_of(table: &Entries, tag: Tag, block: SlotId) -> Option<usize> {
    let from = tag.home();
    (from..from + TABLE_LEN)
        .map(|at| at % TABLE_LEN)
        .take_while(|&at| !table[at].is_none())
        .find(|&at| table[at].tag() == tag && table[at].lead().block() == block)
}

/// Enters what is not there; the table is not full.
pub(crate) fn insert(table: &mut Entries, entry: Entry) {
    let mut at = entry.tag().home();
    while !table[at % TABLE_LEN].is_none() {
        at += 1;
    }
    table[at % TABLE_LEN] = entry;
}

/// Replaces what is said of `lead`'s block. `false`: it is not there.
pub(crate) fn update(table: &mut Entries, tag: Tag, lead: Lead) -> bool {
    let place = place_of(table, tag, lead.block());
    if let Some(place) = place {
        table[place] = Entry::new(tag, lead);
    }
    place.is_some()
}

/// Removes `block`'s entry and moves back those that it kept from their places. `false`: it is not
/// there.
pub(crate) fn remove(table: &mut Entries, tag: Tag, block: SlotId) -> bool {
    let Some(mut gap) = place_of(table, tag, block) else { return false };
    let mut at = gap;
    loop {
        at = (at + 1) % TABLE_LEN;
        let entry = table[at];
        if entry.is_none() {
            break;
        }
        // How far the entry is from where it would like to be, and from the gap.
        let from_home = at.wrapping_sub(entry.tag().home()) % TABLE_LEN;
        if from_home >= at.wrapping_sub(gap) % TABLE_LEN {
            table[gap] = entry;
            gap = at;
        }
    }
    table[gap] = Entry::default();
    true
}

/// Moves the entries that `moves` picks to the empty table `to`. How many those are.
pub(crate) fn move_some(
    table: &mut Entries,
    to: &mut Entries,
    moves: impl Fn(Tag) -> bool,
) -> usize {
    // From a free place on, so that each entry finds its new place at or before its old one.
    let free = table.iter().position(|entry| entry.is_none()).unwrap_or(0);
    let mut nr_moved = 0;
    for at in (free..free + TABLE_LEN).map(|at| at % TABLE_LEN) {
        let entry = core::mem::take(&mut table[at]);
        if entry.is_none() {
            continue;
        }
        if moves(entry.tag()) {
            insert(to, entry);
            nr_moved += 1;
        } else {
            insert(table, entry);
        }
    }
    nr_moved
}

/// Entries, counted anew for the audit.
pub(crate) fn recount(table: &Entries) -> usize {
    table.iter().filter(|entry| !entry.is_none()).count()
}

/// The entries that look-ups of all entries read, and of the one that takes the most.
#[cfg(test)]
pub(crate) fn probe_steps(table: &Entries) -> (usize, usize) {
    let away = |at: usize, entry: &Entry| at.wrapping_sub(entry.tag().home()) % TABLE_LEN + 1;
    let steps = (0..).zip(table).filter(|(_, entry)| !entry.is_none());
    steps
        .map(|(at, entry)| away(at, entry))
        .fold((0, 0), |(sum, most), steps| (sum + steps, most.max(steps)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn find(table: &Entries, tag: Tag, block: SlotId) -> Option<Lead> {
        Probe::new(table, tag).find(|lead| lead.block() == block)
    }

    fn tag(home: u64, rest: u64) -> Tag {
        Tag::of(home << 55 | rest << 41)
    }

    #[test]
    fn a_lead_survives_its_packing() {
        let numbers = [0, 1, 0xffff, 0x1_0000, (1 << NUMBER_BITS) - 2].map(SlotId);
        for block in numbers {
            for map in numbers.into_iter().chain([SlotId::NONE]) {
                for tag in [Tag::of(0), tag(511, 0x3fff)] {
                    let entry = Entry::new(tag, Lead::new(block, map));
                    let lead = entry.lead();
                    assert_eq!((entry.tag(), entry.is_none()), (tag, false));
                    assert_eq!((lead.block(), lead.map()), (block, map.some()));
                }
            }
        }
    }

    /// Random insertions and removals on few homes around the table's end, against a list.
    #[test]
    fn entries_are_found_after_any_removals() {
        let mut table = [Entry::default(); TABLE_LEN];
        let mut listed: Vec<(Tag, SlotId)> = Vec::new();
        let mut word = 7_u64;
        for step in 0..20_000_u32 {
            word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            let home = 500 + (word >> 40) % 24;
            if listed.len() < 40 && (word >> 33).is_multiple_of(2) {
                let (tag, block) = (tag(home % 512, (word >> 50) % 4), SlotId(step));
                insert(&mut table, Entry::new(tag, Lead::to(block)));
                listed.push((tag, block));
            } else if !listed.is_empty() {
                let nth = usize::try_from(word >> 20).expect("64 bits") % listed.len();
                let (tag, block) = listed.swap_remove(nth);
                assert!(remove(&mut table, tag, block));
                assert!(!remove(&mut table, tag, block), "it is gone");
            }
            assert_eq!(recount(&table), listed.len());
            for &(tag, block) in &listed {
                assert!(find(&table, tag, block).is_some());
            }
        }
    }

    #[test]
    fn moving_some_leaves_both_tables_whole() {
        let (mut table, mut upper) = ([Entry::default(); TABLE_LEN], [Entry::default(); TABLE_LEN]);
        let all: Vec<_> = (0..352_u32)
            .map(|n| (tag((u64::from(n) * 7 % 60 + 470) % 512, u64::from(n)), SlotId(n)))
            .collect();
        for &(tag, block) in &all {
            insert(&mut table, Entry::new(tag, Lead::to(block)));
        }
        let is_upper = |tag: Tag| tag.prefix() & 1 == 1;
        let nr_moved = move_some(&mut table, &mut upper, is_upper);
        assert_eq!((recount(&table), recount(&upper)), (352 - nr_moved, nr_moved));
        assert!((100..250).contains(&nr_moved));
        for &(tag, block) in &all {
            let (here, there) = if is_upper(tag) { (&upper, &table) } else { (&table, &upper) };
            assert!(find(here, tag, block).is_some());
            assert!(find(there, tag, block).is_none());
        }
    }
}

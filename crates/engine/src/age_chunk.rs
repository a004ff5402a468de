//! A chunk of the log of ages: a frame with a header of eight words, and records of one word.
//!
//! The header's first word holds how many places are used and the chunks before and behind; the
//! seven others hold a bit for each place. So to free a place is to change two words of one cache
//! line, and what lies in the place need not be touched. A place's number is its word's number in the
//! chunk.

use crate::page_set::PLACE_BITS;
use crate::slab::{SLOT_BITS, SlotId};
use static_assertions::const_assert;

/// Words of a chunk.
pub(crate) const WORDS: usize = 512;
/// The first place.
pub(crate) const FIRST: u32 = 64;
/// Behind the last one.
pub(crate) const END: u32 = 512;
/// Places.
pub(crate) const RECORDS: u32 = END - FIRST;
/// No chunk: beyond an end of the log.
pub(crate) const NO_CHUNK: u16 = u16::MAX;

/// A word of a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Word(u64);

/// A chunk.
pub(crate) type Words = [Word; WORDS];

const_assert!(size_of::<Words>() == 4096);
// The marks of the places from `FIRST` on are in the words behind the first one.
const_assert!(FIRST == u64::BITS && WORDS == END as usize && RECORDS == 7 * u64::BITS);

/// Where the stamp is from which those of the records count: behind the header, in a word that is no
/// place.
const BASE: usize = 8;

/// Bits of the first word: used places, the chunk before, the chunk behind.
const COUNT_BITS: u32 = 16;
const PREV_SHIFT: u32 = COUNT_BITS;
const NEXT_SHIFT: u32 = PREV_SHIFT + 16;
const NUMBER_MASK: u64 = 0xffff;

/// Bits of a record: its page's place in its block, the block, and how far the stamp is from the
/// chunk's: 34 billion creations. One that is further away counts as that far.
const BLOCK_SHIFT: u32 = PLACE_BITS;
const AGE_SHIFT: u32 = PLACE_BITS + SLOT_BITS;
const AGE_MAX: u64 = u64::MAX >> AGE_SHIFT;

/// Makes a new chunk the one behind `prev`: all places count as used, until they have been.
pub(crate) fn begin(words: &mut Words, prev: u16) {
    mark_first(words, RECORDS);
    set_neighbours(words, prev, NO_CHUNK);
}

/// Marks the first `nr` places as used, and no others.
pub(crate) fn mark_first(words: &mut Words, nr: u32) {
    words[0].0 = words[0].0 >> COUNT_BITS << COUNT_BITS | u64::from(nr);
    for (marks, before) in words[1..].iter_mut().zip([0, 1, 2, 3, 4, 5, 6]) {
        let nr = nr.saturating_sub(before * u64::BITS);
        marks.0 = 1_u64.checked_shl(nr).map_or(u64::MAX, |bit| bit - 1);
    }
}

/// Used places.
pub(crate) const fn nr_used(words: &Words) -> u32 {
    (words[0].0 & NUMBER_MASK) as u32
}

/// Used places, counted anew for the audit.
pub(crate) fn recount(words: &Words) -> u32 {
    words[1..BASE].iter().map(|marks| marks.0.count_ones()).sum()
}

/// The chunk before.
pub(crate) const fn prev(words: &Words) -> u16 {
    (words[0].0 >> PREV_SHIFT & NUMBER_MASK) as u16
}

/// The chunk behind.
pub(crate) const fn next(words: &Words) -> u16 {
    (words[0].0 >> NEXT_SHIFT & NUMBER_MASK) as u16
}

/// Puts the chunk between these two.
pub(crate) fn set_neighbours(words: &mut Words, prev: u16, next: u16) {
    let neighbours = u64::from(next) << NEXT_SHIFT | u64::from(prev) << PREV_SHIFT;
    words[0].0 = neighbours | words[0].0 & NUMBER_MASK;
}

/// Frees a used place. Whether a multiple of 64 places are used now.
#[inline(always)]
pub(crate) const fn free(words: &mut Words, place: u32) -> bool {
    let place = place % END;
    words[(place / u64::BITS) as usize].0 &= !(1 << (place % u64::BITS));
    words[0].0 -= 1;
    words[0].0.is_multiple_of(64)
}

/// The first used place at or after `from` and before `end`.
pub(crate) fn first_used(words: &Words, from: u32, end: u32) -> Option<u32> {
    let mut from = from.max(FIRST);
    while from < end.min(END) {
        let rest = words[(from % END / u64::BITS) as usize].0 >> (from % u64::BITS);
        if rest != 0 {
            return Some(from + rest.trailing_zeros()).filter(|place| *place < end);
        }
        from = (from / u64::BITS + 1) * u64::BITS;
    }
    None
}

/// Writes the record of the page at `at` of `block`, which is not older than those before it in the
/// chunk.
#[inline(always)]
pub(crate) fn write(words: &mut Words, place: u32, block: SlotId, at: u8, stamp: u64) {
    let place = place % END;
    if place == FIRST {
        words[BASE].0 = stamp;
    }
    let age = stamp.wrapping_sub(words[BASE].0).min(AGE_MAX);
    let page = u64::from(block.0) << BLOCK_SHIFT | u64::from(at);
    words[place as usize].0 = age << AGE_SHIFT | page;
}

/// The page of a record: its block and its place there.
#[expect(clippy::cast_possible_truncation, reason = "takes a word apart")]
pub(crate) const fn page(words: &Words, place: u32) -> (SlotId, u8) {
    let word = words[(place % END) as usize].0;
    let block = word >> BLOCK_SHIFT & ((1 << SLOT_BITS) - 1);
    (SlotId(block as u32), word as u8 % (1 << PLACE_BITS))
}

/// The host's count of creations when the page of a record was created or last refreshed.
pub(crate) const fn stamp(words: &Words, place: u32) -> u64 {
    words[BASE].0 + (words[(place % END) as usize].0 >> AGE_SHIFT)
}

/// Packs what is used of `words` at its beginning, in its order, and the same of `behind` after
/// that; there is room. Tells of each record that has another place the page and that place.
pub(crate) fn pack(words: &mut Words, behind: &Words, mut moved: impl FnMut((SlotId, u8), u32)) {
    let mut to = FIRST;
    for nth in 1..BASE {
        let mut marks = words[nth].0;
        while let Some(place) = take_first(&mut marks, nth) {
            if place != to {
                words[(to % END) as usize] = words[(place % END) as usize];
                moved(page(words, to), to);
            }
            to += 1;
        }
    }
    for nth in 1..BASE {
        let mut marks = behind[nth].0;
        while let Some(place) = take_first(&mut marks, nth) {
            let (block, at) = page(behind, place);
            write(words, to, block, at, stamp(behind, place));
            moved((block, at), to);
            to += 1;
        }
    }
    mark_first(words, to - FIRST);
}

/// Takes the first mark out of the header's word number `nth`: its place.
#[expect(clippy::cast_possible_truncation, reason = "one of seven")]
const fn take_first(marks: &mut u64, nth: usize) -> Option<u32> {
    if *marks == 0 {
        return None;
    }
    let place = nth as u32 * u64::BITS + marks.trailing_zeros();
    *marks &= *marks - 1;
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn chunk(stamps: impl Iterator<Item = u64>) -> Words {
        let mut words = [Word::default(); WORDS];
        begin(&mut words, 7);
        for (place, stamp) in (FIRST..).zip(stamps) {
            write(&mut words, place, SlotId(place << 14), 63, stamp);
        }
        words
    }

    #[test]
    fn a_record_keeps_page_and_stamp_apart() {
        let base = 1 << 60;
        let words = chunk([base, base + 1, base + AGE_MAX, base + AGE_MAX + 5].into_iter());
        let last = SlotId((1 << SLOT_BITS) - 2);
        assert_eq!(stamp(&words, FIRST), base);
        assert_eq!(page(&words, FIRST + 1), (SlotId((FIRST + 1) << 14), 63));
        assert_eq!(stamp(&words, FIRST + 1), base + 1);
        assert_eq!(stamp(&words, FIRST + 2), base + AGE_MAX);
        assert_eq!(stamp(&words, FIRST + 3), base + AGE_MAX, "as far as can be told");
        let mut words = words;
        write(&mut words, FIRST + 4, last, 0, base + 9);
        assert_eq!((page(&words, FIRST + 4), stamp(&words, FIRST + 4)), ((last, 0), base + 9));
    }

    #[test]
    fn the_header_keeps_count_and_neighbours_apart() {
        let mut words = chunk(0..448);
        assert_eq!((nr_used(&words), prev(&words), next(&words)), (RECORDS, 7, NO_CHUNK));
        set_neighbours(&mut words, NO_CHUNK, 9);
        let multiples: Vec<_> = (FIRST..END).filter(|&place| free(&mut words, place)).collect();
        assert_eq!((nr_used(&words), prev(&words), next(&words)), (0, NO_CHUNK, 9));
        assert_eq!(multiples, [127, 191, 255, 319, 383, 447, 511], "seven times in 448");
        for nr in [0, 1, 63, 64, 65, 130, 448] {
            mark_first(&mut words, nr);
            assert_eq!((nr_used(&words), recount(&words)), (nr, nr));
            assert_eq!((prev(&words), next(&words)), (NO_CHUNK, 9));
        }
    }

    #[test]
    fn used_places_are_found_from_any_place_on() {
        let mut words = chunk(0..448);
        let used = [64, 65, 127, 128, 200, 511];
        for place in (FIRST..END).filter(|place| !used.contains(place)) {
            free(&mut words, place);
        }
        assert_eq!(recount(&words), 6);
        for (from, found) in [(0, 64), (65, 65), (66, 127), (128, 128), (129, 200), (201, 511)] {
            assert_eq!(first_used(&words, from, END), Some(found), "from {from}");
        }
        assert_eq!(first_used(&words, 201, 511), None, "the end does not count");
        assert_eq!(first_used(&words, 512, END), None);
    }

    #[test]
    fn packing_keeps_order_pages_and_stamps() {
        let (mut words, mut behind) = (chunk(1000..1448), chunk(5000..5448));
        for place in FIRST..END {
            if place % 9 != 0 {
                free(&mut words, place);
            }
            if place % 8 != 3 {
                free(&mut behind, place);
            }
        }
        let older = (FIRST..END).filter(|place| place % 9 == 0);
        let younger = (FIRST..END).filter(|place| place % 8 == 3);
        let wanted: Vec<_> = older
            .map(|place| (SlotId(place << 14), u64::from(place) + 936))
            .chain(younger.map(|place| (SlotId(place << 14), u64::from(place) + 4936)))
            .collect();
        let mut told = Vec::new();
        pack(&mut words, &behind, |(block, at), to| {
            assert_eq!(at, 63);
            told.push((to, block));
        });
        let packed: Vec<_> = (FIRST..FIRST + nr_used(&words))
            .map(|place| (page(&words, place).0, stamp(&words, place)))
            .collect();
        assert_eq!(packed, wanted);
        assert_eq!(recount(&words), nr_used(&words));
        for (to, block) in told {
            assert_eq!(page(&words, to).0, block);
        }
    }
}

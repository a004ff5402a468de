//! What is in a page: 4096 pseudo-random bytes that a 64-bit number stands for.
//!
//! A case remembers the number and not the page, so thousands of pages can be checked byte for
//! byte without a place to keep them.

use super::rng::mix;
use hypercall_abi::PAGE_SIZE_BYTES;

/// 64-bit words in a page.
pub const WORDS: usize = PAGE_SIZE_BYTES / size_of::<u64>();

/// One page, aligned as the hardware wants it.
#[derive(Clone, Debug)]
#[repr(C, align(4096))]
pub struct Page(pub [u64; WORDS]);

/// The number that a page's content is computed from. Different numbers differ in every word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content(pub u64);

/// The first word in which a page differs from what it should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Byte offset of the word in the page.
    pub offset: usize,
    /// The word that is there.
    pub got: u64,
    /// The word that should be.
    pub want: u64,
}

impl Page {
    /// A page of zeroes.
    pub const ZERO: Self = Self([0; WORDS]);

    /// Overwrites the whole page.
    pub fn fill(&mut self, content: Content) {
        for (word, value) in self.0.iter_mut().zip(content.words()) {
            *word = value;
        }
    }

    /// The first word that is not as `content` says, if any.
    pub fn difference(&self, content: Content) -> Option<Difference> {
        let places = self.0.iter().zip(content.words()).enumerate();
        for (place, (&got, want)) in places {
            if got != want {
                return Some(Difference { offset: place * size_of::<u64>(), got, want });
            }
        }
        None
    }
}

impl Content {
    /// The content for item `number` of the group `tag`: distinct for distinct pairs, with
    /// overwhelming probability.
    pub const fn of(tag: u64, number: u64) -> Self {
        Self(mix(tag ^ mix(number)))
    }

    /// The page's words. One multiplication each: this runs for every page, emulated.
    fn words(self) -> impl Iterator<Item = u64> {
        let mut state = self.0;
        core::iter::repeat_with(move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            (state ^ (state >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, Difference, Page};

    #[test]
    fn a_filled_page_matches_its_content_only() {
        let mut page = Page::ZERO;
        page.fill(Content::of(1, 2));
        assert_eq!(page.difference(Content::of(1, 2)), None);
        assert_eq!(page.difference(Content::of(1, 3)).map(|found| found.offset), Some(0));
    }

    #[test]
    fn one_flipped_bit_is_found_where_it_is() {
        let mut page = Page::ZERO;
        page.fill(Content(5));
        let want = page.0[511];
        page.0[511] ^= 1 << 63;
        let found = page.difference(Content(5));
        assert_eq!(found, Some(Difference { offset: 4088, got: want ^ (1 << 63), want }));
    }

    #[test]
    fn contents_share_no_word_at_the_same_place() {
        let (mut one, mut other) = (Page::ZERO, Page::ZERO);
        one.fill(Content::of(0, 0));
        other.fill(Content::of(0, 1));
        assert!(one.0.iter().zip(other.0.iter()).all(|(a, b)| a != b));
    }
}

//! What tests write into pages: content that can be told apart, and recognised when it comes back.

use crate::memory::PageBytes;
use hypercall_abi::PAGE_SIZE_BYTES;

/// The content of one page, by name. A page holds exactly one name or none: a mixture of two
/// contents, a stale tail or poison is recognised as no content at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// Every byte is this one; `Same(0)` is the page of zeroes.
    Same(u8),
    /// Pseudo-random words, all different, drawn from this number.
    Unique(u32),
}

impl Content {
    /// The page of zeroes.
    pub const ZERO: Self = Self::Same(0);

    /// Writes the whole page.
    pub fn write(self, page: &mut PageBytes) {
        match self {
            Self::Same(byte) => page.fill(byte),
            Self::Unique(number) => {
                let (words, _) = page.as_chunks_mut();
                for (position, word) in (0_u32..).zip(words) {
                    *word = unique_word(number, position);
                }
            }
        }
    }

    /// Which content `page` holds; `None` if it is not exactly one of ours.
    pub fn recognise(page: &PageBytes) -> Option<Self> {
        let (words, _): (&[[u8; 8]], _) = page.as_chunks();
        let first = u64::from_le_bytes(words[0]);
        let [byte, ..] = *page;
        if words.iter().all(|&word| word == [byte; 8]) {
            return Some(Self::Same(byte));
        }
        let number = u32::try_from(first & u64::from(u32::MAX)).ok()?;
        let same = (0_u32..).zip(words).all(|(at, &word)| word == unique_word(number, at));
        same.then_some(Self::Unique(number))
    }
}

/// Word `position` of a unique page: its number below, a mix of both above.
fn unique_word(number: u32, position: u32) -> [u8; 8] {
    const WORDS: u32 = 512;
    const _: () = assert!(PAGE_SIZE_BYTES == 8 * WORDS as usize);
    let mixed = number.wrapping_mul(WORDS).wrapping_add(position).wrapping_mul(0x9e37_79b1);
    ((u64::from(mixed ^ mixed.rotate_left(15)) << 32) | u64::from(number)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_recognised_and_a_mixture_is_not() {
        let mut page = [0; PAGE_SIZE_BYTES];
        for content in [Content::ZERO, Content::Same(7), Content::Unique(0), Content::Unique(9)] {
            content.write(&mut page);
            assert_eq!(Content::recognise(&page), Some(content));
        }
        let mut other = [0; PAGE_SIZE_BYTES];
        Content::Unique(10).write(&mut other);
        page[2048..].copy_from_slice(&other[2048..]);
        assert_eq!(Content::recognise(&page), None);
    }
}

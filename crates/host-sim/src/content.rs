//! What tests write into pages: content that can be told apart, and recognised when it comes back.

use crate::memory::PageBytes;
use hypercall_abi::PAGE_SIZE_BYTES;
use std::sync::OnceLock;

/// The content of one page, by name. A page holds exactly one name or none: a mixture of two
/// contents, a stale tail or poison is recognised as no content at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    /// Every byte is this one; `Same(0)` is the page of zeroes.
    Same(u8),
    /// Pseudo-random bytes, with this number in each cache line.
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
                page.copy_from_slice(template());
                let (lines, _): (&mut [[u8; LINE_BYTES]], _) = page.as_chunks_mut();
                for line in lines {
                    line[..STAMP_BYTES].copy_from_slice(&number.to_le_bytes());
                }
            }
        }
    }

    /// Which content `page` holds; `None` if it is not exactly one of ours.
    pub fn recognise(page: &PageBytes) -> Option<Self> {
        let [first, second, third, fourth, ..] = *page;
        let stamp = u32::from_le_bytes([first, second, third, fourth]);
        [Self::Same(first), Self::Unique(stamp)].into_iter().find(|content| {
            let mut expected = [0; PAGE_SIZE_BYTES];
            content.write(&mut expected);
            expected == *page
        })
    }
}

/// Bytes of a cache line: the grain in which two pages could get mixed.
const LINE_BYTES: usize = 64;
/// Bytes at the head of each line that hold the page's number.
const STAMP_BYTES: usize = 4;

/// What all unique pages have in common between their stamps: no two places alike.
fn template() -> &'static PageBytes {
    static TEMPLATE: OnceLock<PageBytes> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let mut page = [0; PAGE_SIZE_BYTES];
        let mut state = 1_u32;
        page.fill_with(|| {
            state = state.wrapping_mul(0x915f_77f5).wrapping_add(1);
            state.to_le_bytes()[3]
        });
        page
    })
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

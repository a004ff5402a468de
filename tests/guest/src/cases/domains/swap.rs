//! A child's swapped pages, for cases that carry them: names of all kinds, each with its content, and
//! what is found of them on the way.

use crate::fail;
use crate::plain::content::Content;
use crate::toolstack::{Child, SavedPage};
use crate::verdict::CaseResult;
use hypercall_abi::{Handle, ObjectId, PageIndex};

/// Pages that a pool has at most: as many as [`Seen`] has bits for.
pub(super) const PAGES: u32 = 60;

/// Page `number` of pool `pool_id`: in objects of one page, of a few and of many, side by side and far apart,
/// some ids in all bits.
pub(super) fn name(pool_id: u32, number: u32) -> Handle {
    let object = match number % 4 {
        0 => [1, 0, 0],
        1 => [u64::from(number), u64::MAX, 1 << 63],
        2 => [2, 2, 2],
        _ => [u64::from(number / 8), 0, 9],
    };
    let index = match number % 4 {
        0 => number / 4,
        2 => number * 1000,
        _ => number,
    };
    Handle { pool_id, object: ObjectId(object), index: PageIndex(index) }
}

/// What it holds.
pub(super) fn content(pool_id: u32, number: u32) -> Content {
    Content::of(0x5a7e + u64::from(pool_id), number.into())
}

/// Has a child put the first `count` pages into a pool.
///
/// # Errors
/// Failure, if a put is refused.
pub(super) fn put_all(child: &Child, pool_id: u32, count: u32) -> CaseResult {
    (0..count).try_for_each(|number| child.put(name(pool_id, number), content(pool_id, number)))
}

/// That a child finds the first `count` pages of a pool, with every byte.
///
/// # Errors
/// Failure, if one is missing or wrong.
pub(super) fn get_all(child: &Child, pool_id: u32, count: u32) -> CaseResult {
    (0..count).try_for_each(|number| child.get_hit(name(pool_id, number), content(pool_id, number)))
}

/// The pages of a pool that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen(u64);

impl Seen {
    /// Takes a page down; its number.
    ///
    /// # Errors
    /// Failure, if nobody put it into that pool, it has other bytes, or was read before.
    pub(super) fn take(&mut self, pool_id: u32, page: &SavedPage) -> CaseResult<u32> {
        let handle = page.handle();
        let Some(number) = (0..PAGES).find(|&number| name(pool_id, number) == handle) else {
            fail!("a page was saved that nobody put into pool {pool_id}: {handle:?}");
        };
        if self.0 >> number & 1 != 0 {
            fail!("page {number} of pool {pool_id} was saved twice");
        }
        self.0 |= 1 << number;
        page.check(content(pool_id, number))?;
        Ok(number)
    }

    /// How many.
    pub(super) fn count(self) -> u32 {
        self.0.count_ones()
    }
}

//! A domain that takes as much memory as it is given, and looks at every page of it.

use super::build;
use crate::{fail, give_up};
use crate::plain::content::Content;
use crate::toolstack::{Caller, Child, Plan, Window};
use crate::verdict::CaseResult;
use crate::xen::memory::{Where, populate_blocks, populate_domain, take_from_domain};

/// The domain: a PVH one, so that its pages have numbers that need not be remembered.
pub(super) struct Hoard {
    /// It runs as any child does.
    pub(super) child: Child,
    held: u64,
    /// Blocks of 2 MiB that it was given in one piece.
    pub(super) blocks: u64,
}

/// Its first page besides those of every child.
const FIRST: u64 = 0x1000;
/// Pages that are asked for at once.
const BATCH: usize = 256;
/// Pages of a block of 2 MiB, and their number as a power of two.
const BLOCK: u64 = 1 << BLOCK_ORDER;
const BLOCK_ORDER: u32 = 9;
/// Tag of its pages' contents.
const TAG: u64 = 0x40a2d;
/// What Xen scrubs with, in release and in debug builds.
const SCRUBBED: [u64; 2] = [0, 0xc2c2_c2c2_c2c2_c2c2];

impl Hoard {
    /// Builds the domain, without anything in the hoard.
    ///
    /// # Errors
    /// As [`build`].
    pub(super) fn build() -> CaseResult<Self> {
        let child = build(Plan::new(Caller::Pvh64, u64::from(u32::MAX)))?;
        Ok(Self { child, held: 0, blocks: 0 })
    }

    /// Frames that the domain has in all.
    ///
    /// # Errors
    /// Error, if Xen does not know it.
    pub(super) fn total(&self) -> CaseResult<u64> {
        match self.child.release().info(self.child.domid()) {
            Some(info) => Ok(info.tot_pages),
            None => give_up!("domain {} is gone", self.child.domid()),
        }
    }

    /// Takes up to `pages` more, writes into each of them, and returns how many it got.
    ///
    /// # Errors
    /// Failure, if a page holds anything that somebody else wrote (R72).
    pub(super) fn grow(&mut self, pages: u64) -> CaseResult<u64> {
        let mut got = 0;
        while got < pages {
            let count = usize::try_from(pages - got).unwrap_or(BATCH).min(BATCH);
            let first = FIRST + self.held;
            let mut list: [u64; BATCH] = core::array::from_fn(|number| first + number as u64);
            let list = list.get_mut(..count).unwrap_or_default();
            let given = populate_domain(self.child.domid(), list) as u64;
            for page in first..first + given {
                self.occupy(page)?;
            }
            self.held += given;
            got += given;
            if given != count as u64 {
                break;
            }
        }
        Ok(got)
    }

    /// The same as toolstacks do it: by blocks of 2 MiB, and page by page where there is no block.
    ///
    /// # Errors
    /// As [`Hoard::grow`].
    pub(super) fn grow_by_blocks(&mut self, pages: u64) -> CaseResult<u64> {
        let mut got = 0;
        while got < pages {
            let step = (pages - got).min(BLOCK);
            let first = FIRST + self.held;
            let fits = step == BLOCK && first.is_multiple_of(BLOCK);
            let domid = self.child.domid();
            let given = if fits
                && populate_blocks(domid, &mut [first], BLOCK_ORDER, Where::ANYWHERE) == 1
            {
                for page in first..first + BLOCK {
                    self.occupy(page)?;
                }
                self.held += BLOCK;
                self.blocks += 1;
                BLOCK
            } else {
                self.grow(step)?
            };
            got += given;
            if given != step {
                break;
            }
        }
        Ok(got)
    }

    fn occupy(&self, page: u64) -> CaseResult {
        let window = Window::open(self.child.domid(), page)?;
        let first = window.word(0);
        let is_clean = SCRUBBED.contains(&first)
            && (8..4096).step_by(8).all(|offset| window.word(offset) == first);
        if !is_clean {
            fail!("page {page:#x} of a new domain, first word {first:#x}, was not scrubbed");
        }
        window.fill(Content::of(TAG, page));
        Ok(())
    }

    /// Gives the last `pages` back, cleared: what a domain that lives gives back Xen does not scrub.
    ///
    /// # Errors
    /// Failure, if Xen does not take them.
    pub(super) fn shrink(&mut self, pages: u64) -> CaseResult {
        for _ in 0..pages.min(self.held) {
            Window::open(self.child.domid(), FIRST + self.held - 1)?.clear();
            if take_from_domain(self.child.domid(), &mut [FIRST + self.held - 1]) != 1 {
                fail!("Xen does not take back page {} of a domain", self.held - 1);
            }
            self.held -= 1;
        }
        Ok(())
    }

    /// Each page must hold what was written into it: nobody else has it.
    ///
    /// # Errors
    /// Failure, if not.
    pub(super) fn check(&self) -> CaseResult {
        for page in FIRST..FIRST + self.held {
            let window = Window::open(self.child.domid(), page)?;
            if let Some(found) = window.difference(Content::of(TAG, page)) {
                let (offset, got) = (found.offset, found.got);
                fail!("page {page:#x} of a domain: byte {offset} became {got:#x}");
            }
        }
        Ok(())
    }
}

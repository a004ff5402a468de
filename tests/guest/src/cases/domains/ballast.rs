//! A domain that does nothing but have memory, so that little is left for others.

use super::free_pages;
use crate::give_up;
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::CaseResult;
use crate::xen::memory::populate_domain;

/// The domain; its memory is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Ballast {
    /// A PV domain: its memory needs no page tables.
    #[expect(dead_code, reason = "held for its memory")]
    child: Child,
}

/// Frames that are asked for at once.
const BATCH: usize = 256;

impl Ballast {
    /// Gives a domain so much memory that `frames` are left free on the host, or a few less.
    ///
    /// # Errors
    /// Error, if Xen gives less.
    pub(super) fn leave_free(frames: u64) -> CaseResult<Self> {
        let child = Child::build(Plan::new(Caller::Pv64, u64::from(u32::MAX)))?;
        let mut next = 0x1_0000;
        loop {
            let Some(more) = free_pages()?.checked_sub(frames).filter(|&more| more > 0) else {
                return Ok(Self { child });
            };
            let count = usize::try_from(more).unwrap_or(BATCH).min(BATCH);
            let mut list: [u64; BATCH] = core::array::from_fn(|number| next + number as u64);
            next += count as u64;
            let list = list.get_mut(..count).unwrap_or_default();
            let given = populate_domain(child.domid(), list);
            if given != count {
                give_up!("{more} frames too many are free, but Xen gave only {given} of {count}");
            }
        }
    }
}

//! Metadata: the one place where it is allocated, counted, charged and freed.
//!
//! Every block of metadata is at most one frame. Blocks are fetched before a lock is taken and
//! freed after it is released; in between they change hands through a `Stock` (what a call may need:
//! `stock.rs`) and a `Garbage` (what it leaves: `garbage.rs`).

use crate::host::{DomainId, Host};
pub(crate) use crate::limits::SLICE_PAGES_MAX;
use crate::sync::atomic::{AtomicU32, Ordering::Relaxed};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Bytes that no block of metadata exceeds.
pub(crate) const BLOCK_BYTES_MAX: usize = 4096;

/// Whose account metadata goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payer<'a> {
    /// The domain that is charged for it (persistent pools).
    pub(crate) domain: Option<DomainId>,
    /// The pool's own count of its frames of metadata.
    pub(crate) nr_metadata: Option<&'a AtomicU32>,
}

impl Payer<'_> {
    /// Records of clients and pools, which are kept for ever and charged to nobody.
    pub(crate) const NOBODY: Self = Self { domain: None, nr_metadata: None };
}

/// A boxed array of defaults, or `None` when there is no memory.
///
/// Built in place, element by element, so that no frame-sized value crosses the small stack.
#[inline(never)]
pub(crate) fn boxed<T: Default, const N: usize>() -> Option<Box<[T; N]>> {
    const { assert!(size_of::<[T; N]>() <= BLOCK_BYTES_MAX) };
    let mut array = Vec::new();
    array.try_reserve_exact(N).ok()?;
    array.resize_with(N, T::default);
    array.into_boxed_slice().try_into().ok()
}

/// Why a block of metadata is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unpaid {
    /// The host has no memory to spare; evicting a page may help.
    Memory,
    /// The payer is at its maximum; nothing helps.
    Charge,
}

/// Asks for leave to allocate one block and charges it.
///
/// # Errors
/// [`Unpaid`]; nothing is charged.
pub(crate) fn pay<H: Host>(host: &H, payer: Payer<'_>) -> Result<(), Unpaid> {
    if !host.metadata_wanted() {
        return Err(Unpaid::Memory);
    }
    if payer.domain.is_some_and(|domain| host.charge(domain, 1).is_err()) {
        host.metadata_freed();
        return Err(Unpaid::Charge);
    }
    if let Some(nr_metadata) = payer.nr_metadata {
        nr_metadata.fetch_add(1, Relaxed);
    }
    Ok(())
}

/// Takes back the leave and the charge of `blocks` blocks that are freed.
pub(crate) fn refund<H: Host>(host: &H, payer: Payer<'_>, blocks: u32) {
    if blocks == 0 {
        return;
    }
    for _ in 0..blocks {
        host.metadata_freed();
    }
    if let Some(domain) = payer.domain {
        host.uncharge(domain, blocks);
    }
    if let Some(nr_metadata) = payer.nr_metadata {
        nr_metadata.fetch_sub(blocks, Relaxed);
    }
}

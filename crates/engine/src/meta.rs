//! Metadata: the one place where it is allocated, counted, charged and freed.
//!
//! Every block of metadata is at most one frame. Blocks are fetched before a lock is taken and
//! freed after it is released; in between they change hands through a `Stock` (what a call may need:
//! `stock.rs`) and a `Garbage` (what it leaves: `garbage.rs`).

use crate::host::{DomainId, Host};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Bytes that no block of metadata exceeds.
pub(crate) const BLOCK_BYTES_MAX: usize = 4096;

/// Pages that one slice of a long call may visit or free.
pub(crate) const SLICE_PAGES_MAX: usize = 64;

/// Who pays for a pool's metadata: a domain (persistent pools), or nobody in particular.
pub(crate) type Payer = Option<DomainId>;

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
pub(crate) fn pay<H: Host>(host: &H, payer: Payer) -> Result<(), Unpaid> {
    if !host.metadata_wanted() {
        return Err(Unpaid::Memory);
    }
    match payer {
        Some(domain) if host.charge(domain, 1).is_err() => {
            host.metadata_freed();
            Err(Unpaid::Charge)
        }
        _ => Ok(()),
    }
}

/// Takes back the leave and the charge of `blocks` blocks that are freed.
pub(crate) fn refund<H: Host>(host: &H, payer: Payer, blocks: u32) {
    if blocks == 0 {
        return;
    }
    for _ in 0..blocks {
        host.metadata_freed();
    }
    if let Some(domain) = payer {
        host.uncharge(domain, blocks);
    }
}

//! A block's record: 64 neighbouring pages of an object, and who used them last.
//!
//! Objects have no record of their own as long as they lie in their first block, as most files do:
//! the block is the object. A larger object has, in each shard that holds further blocks of it, a
//! *head*, which names the object and lists its blocks there. So a lone page costs one record, and
//! still a large object can be flushed in constant time.

use crate::page_set::PageSet;
use crate::slab::{Slab, Slot, SlotId};
use crate::table::NUMBER_BITS;
use core::cell::Cell;
use static_assertions::const_assert;

/// Records in a chunk.
pub(crate) const PER_CHUNK: usize = 64;

/// All blocks of a shard.
pub(crate) type Blocks = Slab<Block, PER_CHUNK, 1>;

// A cache line, and 64 of them a frame.
const_assert!(size_of::<Block>() == 64);

/// A domain's stay in a pool. A domain that leaves a shared pool and comes back has another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Membership {
    /// The client's slot number.
    pub(crate) client: u16,
    /// Drawn when the domain came.
    pub(crate) epoch: u32,
}

impl Membership {
    /// Of no client: there are not so many.
    pub(crate) const NOBODY: Self = Self { client: u16::MAX, epoch: 0 };
}

/// Neighbours in a list of blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    pub(crate) prev: SlotId,
    pub(crate) next: SlotId,
}

impl Links {
    pub(crate) const ALONE: Self = Self { prev: SlotId::NONE, next: SlotId::NONE };
}

/// The record. Each of its kinds takes the same room, and those with pages have them in the same
/// place.
///
/// The last user (R36), a [`Membership`], is taken apart to save eight bytes; in a private pool it
/// is always the same.
#[derive(Debug, Default)]
#[repr(u8)]
pub(crate) enum Block {
    /// The slot is free.
    #[default]
    Vacant,
    /// An object's first block; in the index.
    First { last_client: u16, last_epoch: u32, oid: [u64; 3], pages: PageSet },
    /// A further block of the object that `head` names; in the index.
    Further {
        last_client: u16,
        last_epoch: u32,
        head: SlotId,
        /// Page index / 64; never 0.
        number: u32,
        /// Neighbours in the head's list.
        links: Links,
        #[expect(dead_code, reason = "leaves the pages where they are in the other kinds")]
        gap: u64,
        pages: PageSet,
    },
    /// Names an object and lists its further blocks; in the index.
    Head {
        oid: [u64; 3],
        /// First in the list, which is never empty.
        first: SlotId,
        /// Pages in all of the list's blocks. Of the head that was met last the shard counts them
        /// itself, and here stands what it counted before.
        nr_pages: Cell<u32>,
    },
    /// A block that was flushed: out of the index, its pages unreachable and waiting to be freed.
    Dead {
        /// Neighbours in the shard's list of dead ones.
        links: Links,
        #[expect(dead_code, reason = "leaves the pages where they are in the other kinds")]
        gap: [u64; 2],
        pages: PageSet,
    },
    /// A head that was flushed: out of the index. Its blocks are still in the index, but they
    /// belong to no object, so nothing finds them.
    DeadHead {
        /// Neighbours in the shard's list of dead ones.
        links: Links,
        first: SlotId,
        /// The blocks' places in the index follow from it.
        oid: [u64; 3],
    },
}

impl Slot for Block {
    // The index keeps their numbers, but for the greatest.
    const CHUNKS_MAX: usize = (1 << NUMBER_BITS) / PER_CHUNK - 1;
}

impl Block {
    /// The pages of a block; a head has none.
    #[inline]
    pub(crate) const fn pages(&self) -> Option<&PageSet> {
        match self {
            Self::First { pages, .. } | Self::Further { pages, .. } | Self::Dead { pages, .. } => {
                Some(pages)
            }
            Self::Vacant | Self::Head { .. } | Self::DeadHead { .. } => None,
        }
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) const fn pages_mut(&mut self) -> Option<&mut PageSet> {
        match self {
            Self::First { pages, .. } | Self::Further { pages, .. } | Self::Dead { pages, .. } => {
                Some(pages)
            }
            Self::Vacant | Self::Head { .. } | Self::DeadHead { .. } => None,
        }
    }

    /// The head of a further block.
    #[inline(always)]
    pub(crate) const fn head(&self) -> SlotId {
        match *self {
            Self::Further { head, .. } => head,
            _ => SlotId::NONE,
        }
    }

    /// Who used the block last.
    pub(crate) const fn last_user(&self) -> Option<Membership> {
        match *self {
            Self::First { last_client: client, last_epoch: epoch, .. }
            | Self::Further { last_client: client, last_epoch: epoch, .. } => {
                Some(Membership { client, epoch })
            }
            _ => None,
        }
    }

    /// Makes `user` the last one.
    pub(crate) const fn set_last_user(&mut self, user: Membership) {
        if let Self::First { last_client, last_epoch, .. }
        | Self::Further { last_client, last_epoch, .. } = self
        {
            *last_client = user.client;
            *last_epoch = user.epoch;
        }
    }

    /// The links in the list of dead ones.
    pub(crate) const fn dead_links_mut(&mut self) -> Option<&mut Links> {
        match self {
            Self::Dead { links, .. } | Self::DeadHead { links, .. } => Some(links),
            _ => None,
        }
    }
}

//! An object's record: its name, its pages, and who used it last.
//!
//! A large object has one record in each shard that holds pages of it.

use crate::hash::ObjectHash;
use crate::slab::{Cell, SlotId};
use static_assertions::const_assert;

/// Records in a chunk.
pub(crate) const PER_CHUNK: usize = 102;
/// A chunk of records with what is known of it.
pub(crate) type ObjectCell = Cell<Object, PER_CHUNK>;

const_assert!(size_of::<Object>() <= 40);

/// A domain's stay in a pool. A domain that leaves a shared pool and comes back has another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Membership {
    /// The client's slot number.
    pub(crate) client: u16,
    /// Drawn when the domain came.
    pub(crate) epoch: u32,
}

/// Whether the object can be found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name {
    /// In the index under this name.
    Live {
        /// The id's three words.
        oid: [u64; 3],
        /// Who put to it or hit it last (R36), a [`Membership`] taken apart to save eight bytes;
        /// the only member in a private pool.
        last_client: u16,
        last_epoch: u32,
    },
    /// Flushed: out of the index, its pages unreachable and waiting to be freed.
    Dead {
        /// Hash of the former id: the pages' place in the index follows from it.
        hash: ObjectHash,
        /// Neighbours in the shard's list of dead objects.
        prev: SlotId,
        next: SlotId,
    },
}

impl Name {
    pub(crate) const fn live(oid: [u64; 3], last_user: Membership) -> Self {
        Self::Live { oid, last_client: last_user.client, last_epoch: last_user.epoch }
    }

    /// The id and the last user of a live object.
    pub(crate) const fn as_live(&self) -> Option<([u64; 3], Membership)> {
        match *self {
            Self::Live { oid, last_client: client, last_epoch: epoch } => {
                Some((oid, Membership { client, epoch }))
            }
            Self::Dead { .. } => None,
        }
    }
}

/// The record.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) name: Name,
    /// First page of the object's list.
    pub(crate) pages: SlotId,
    /// Pages in that list.
    pub(crate) nr_pages: u32,
}

impl Default for Object {
    fn default() -> Self {
        Self { name: Name::live([0; 3], Membership::default()), pages: SlotId::NONE, nr_pages: 0 }
    }
}

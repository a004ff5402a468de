//! The records that control operations read and write in the toolstack's memory.

use super::{put, u32_at, u64_at};
use crate::op::Uuid;
use bitflags::bitflags;
use core::mem::{offset_of, size_of};
use static_assertions::const_assert_eq;

/// Bytes of a client's record (`struct xen_tmem_client`).
pub const CLIENT_INFO_BYTES: usize = 20;
/// Bytes of a pool's record (`struct xen_tmem_pool_info`).
pub const POOL_INFO_BYTES: usize = 32;

bitflags! {
    /// The flags word of [`ClientInfo`].
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ClientFlags: u32 {
        /// Its puts of new pages are refused.
        const FROZEN = 1 << 0;
        /// Its pages are compressed.
        const COMPRESS = 1 << 1;
        /// It is being migrated.
        const MIGRATING = 1 << 2;
    }
}

/// `struct xen_tmem_client`, for its offsets.
#[repr(C)]
struct ClientRecord {
    version: u32,
    maxpools: u32,
    nr_pools: u32,
    flags: u32,
    weight: u32,
}
const_assert_eq!(size_of::<ClientRecord>(), CLIENT_INFO_BYTES);
const_assert_eq!(offset_of!(ClientRecord, weight), 16);

/// A client's settings and state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// Version of this record: 1.
    pub version: u32,
    /// Pools that a client may have: 16.
    pub maxpools: u32,
    /// Pools that it has. Output only.
    pub nr_pools: u32,
    /// State and settings; only [`ClientFlags::COMPRESS`] is a setting. Unknown bits are dropped.
    pub flags: ClientFlags,
    /// Its part of the host's ephemeral memory against other clients' weights; 0 takes no part.
    pub weight: u32,
}

impl ClientInfo {
    /// The only version of the record.
    pub const VERSION: u32 = 1;

    /// The record's bytes, as the toolstack sees them.
    pub fn encode(&self) -> [u8; CLIENT_INFO_BYTES] {
        let Self { version, maxpools, nr_pools, flags, weight } = *self;
        let mut bytes = [0; CLIENT_INFO_BYTES];
        let words = [version, maxpools, nr_pools, flags.bits(), weight].map(u32::to_le_bytes);
        bytes.copy_from_slice(words.as_flattened());
        bytes
    }

    /// Reads the record's bytes.
    pub fn decode(bytes: &[u8; CLIENT_INFO_BYTES]) -> Self {
        let word = |at| u32_at(bytes, at);
        Self {
            version: word(offset_of!(ClientRecord, version)),
            maxpools: word(offset_of!(ClientRecord, maxpools)),
            nr_pools: word(offset_of!(ClientRecord, nr_pools)),
            flags: ClientFlags::from_bits_truncate(word(offset_of!(ClientRecord, flags))),
            weight: word(offset_of!(ClientRecord, weight)),
        }
    }
}

/// `struct xen_tmem_pool_info`, for its offsets.
#[repr(C)]
struct PoolRecord {
    flags: u32,
    id: u32,
    n_pages: u64,
    uuid: [u64; 2],
}
const_assert_eq!(size_of::<PoolRecord>(), POOL_INFO_BYTES);
const_assert_eq!(offset_of!(PoolRecord, uuid), 16);

/// A pool, or the authorisation for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolInfo {
    /// The flags word of NEW_POOL; for an authorisation, [`PoolInfo::AUTHORISE`] or 0.
    pub flags: u32,
    /// The pool's id.
    pub id: u32,
    /// Pages in it.
    pub n_pages: u64,
    /// Name of a shared pool.
    pub uuid: Uuid,
}

impl PoolInfo {
    /// In the flags of an authorisation: the uuid may be used. Clear: no longer.
    pub const AUTHORISE: u32 = 1 << 2;

    /// The record's bytes, as the toolstack sees them.
    pub fn encode(&self) -> [u8; POOL_INFO_BYTES] {
        let mut bytes = [0; POOL_INFO_BYTES];
        put(&mut bytes, offset_of!(PoolRecord, flags), &self.flags.to_le_bytes());
        put(&mut bytes, offset_of!(PoolRecord, id), &self.id.to_le_bytes());
        put(&mut bytes, offset_of!(PoolRecord, n_pages), &self.n_pages.to_le_bytes());
        let uuid = self.uuid.0.map(u64::to_le_bytes);
        put(&mut bytes, offset_of!(PoolRecord, uuid), uuid.as_flattened());
        bytes
    }

    /// Reads the record's bytes.
    pub fn decode(bytes: &[u8; POOL_INFO_BYTES]) -> Self {
        let uuid = offset_of!(PoolRecord, uuid);
        Self {
            flags: u32_at(bytes, offset_of!(PoolRecord, flags)),
            id: u32_at(bytes, offset_of!(PoolRecord, id)),
            n_pages: u64_at(bytes, offset_of!(PoolRecord, n_pages)),
            uuid: Uuid([u64_at(bytes, uuid), u64_at(bytes, uuid + 8)]),
        }
    }
}

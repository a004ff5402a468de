//! The record of AUDIT. Not of the original's interface.

use super::{put, u32_at, u64_at};
use core::mem::{offset_of, size_of};
use static_assertions::const_assert_eq;

/// Bytes of [`AuditInfo`].
pub const AUDIT_INFO_BYTES: usize = 96;

/// What AUDIT has counted so far, and what it found wrong. May grow at its end, as the record of
/// GET_STATS; a shorter buffer gets the first bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditInfo {
    /// Version of the layout: [`AuditInfo::VERSION`].
    pub version: u32,
    /// Bytes of the whole record.
    pub size: u32,
    /// What does not agree; 0: nothing was found.
    pub fault: u32,
    /// Number of the pool's record where it was found.
    pub pool: u32,
    /// The shard of that pool.
    pub shard: u32,
    /// Number of the domain that owns the pool.
    pub owner: u32,
    /// Pools that were looked at.
    pub pools: u64,
    /// Objects that can be found; one that is spread over several shards counts in each.
    pub objects: u64,
    /// Pages in ephemeral pools that can be found.
    pub ephemeral_pages: u64,
    /// Pages in persistent pools that can be found.
    pub persistent_pages: u64,
    /// Frames that hold pages, findable or not.
    pub frames: u64,
    /// Frames of metadata for pages and objects, counted anew.
    pub metadata_frames: u64,
    /// Shards that could not be counted in slices, as calls changed them all the time. Their figures
    /// are in the sums, but were not compared.
    pub busy_shards: u64,
    /// Slices that the audit took.
    pub slices: u64,
    /// As many frames of metadata say the pools that they have. A call that is under way may have a few
    /// in hand, so this is no fault; on a host at rest it is `metadata_frames`.
    pub metadata_told: u64,
}

/// The record, for its offsets.
#[repr(C)]
struct Layout {
    version: u32,
    size: u32,
    fault: u32,
    pool: u32,
    shard: u32,
    owner: u32,
    pools: u64,
    objects: u64,
    ephemeral_pages: u64,
    persistent_pages: u64,
    frames: u64,
    metadata_frames: u64,
    busy_shards: u64,
    slices: u64,
    metadata_told: u64,
}
const_assert_eq!(size_of::<Layout>(), AUDIT_INFO_BYTES);
const_assert_eq!(offset_of!(Layout, pools), 24);
const_assert_eq!(offset_of!(Layout, slices), 80);
const_assert_eq!(offset_of!(Layout, metadata_told), 88);

impl AuditInfo {
    /// The only version of the layout.
    pub const VERSION: u32 = 1;
    /// [`AuditInfo::size`] of this layout.
    #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
    pub const SIZE: u32 = AUDIT_INFO_BYTES as u32;

    /// The record's bytes.
    pub fn encode(&self) -> [u8; AUDIT_INFO_BYTES] {
        let mut bytes = [0; AUDIT_INFO_BYTES];
        let words = [self.version, self.size, self.fault, self.pool, self.shard, self.owner];
        put(&mut bytes, 0, words.map(u32::to_le_bytes).as_flattened());
        let counts = [
            self.pools,
            self.objects,
            self.ephemeral_pages,
            self.persistent_pages,
            self.frames,
            self.metadata_frames,
            self.busy_shards,
            self.slices,
            self.metadata_told,
        ];
        put(&mut bytes, offset_of!(Layout, pools), counts.map(u64::to_le_bytes).as_flattened());
        bytes
    }

    /// Reads as much of a record as `bytes` has; the rest is 0.
    pub fn decode(bytes: &[u8]) -> Self {
        let word = |at| u32_at(bytes, at);
        let count = |at| u64_at(bytes, at);
        Self {
            version: word(offset_of!(Layout, version)),
            size: word(offset_of!(Layout, size)),
            fault: word(offset_of!(Layout, fault)),
            pool: word(offset_of!(Layout, pool)),
            shard: word(offset_of!(Layout, shard)),
            owner: word(offset_of!(Layout, owner)),
            pools: count(offset_of!(Layout, pools)),
            objects: count(offset_of!(Layout, objects)),
            ephemeral_pages: count(offset_of!(Layout, ephemeral_pages)),
            persistent_pages: count(offset_of!(Layout, persistent_pages)),
            frames: count(offset_of!(Layout, frames)),
            metadata_frames: count(offset_of!(Layout, metadata_frames)),
            busy_shards: count(offset_of!(Layout, busy_shards)),
            slices: count(offset_of!(Layout, slices)),
            metadata_told: count(offset_of!(Layout, metadata_told)),
        }
    }
}

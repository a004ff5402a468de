//! The bytes that frame a stream: header, records' heads, checksums.

use crc::{CRC_64_XZ, Crc, Digest, Table};

/// The first bytes of every stream. Not text, and with both kinds of line ends, so that a transfer
/// that takes it for text shows at once.
pub(super) const MAGIC: [u8; 8] = *b"\x89TMEM\r\n\x1a";

/// The version of the format that is written, and the newest that can be read.
pub const VERSION: u32 = 1;

/// Bytes of a checksum: of the header, and of each record.
pub const CHECKSUM_BYTES: usize = 8;

/// Bytes of the header: magic, version, flags, checksum.
pub const HEADER_BYTES: usize = 8 + 4 + 4 + CHECKSUM_BYTES;

/// Bytes of a record's head: type, length of the body, sequence number.
pub const RECORD_HEAD_BYTES: usize = 4 + 4 + 8;

/// In a record's type: who does not know it may skip it.
pub(super) const OPTIONAL: u32 = 1 << 31;

/// In the header's flags: the domain ran while the stream was made.
pub(super) const FLAG_LIVE: u32 = 1 << 0;

/// CRC-64 of xz: finds every change within 64 bits that follow each other, and of other changes
/// all but one in 2^64.
static CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_XZ);

/// The checksum of all bytes of a stream so far, the checksums among them left out. (A CRC that runs
/// over its own value forgets what was before.)
#[derive(Clone)]
pub(super) struct Sum(Digest<'static, u64, Table<16>>);

impl Sum {
    /// Of nothing yet.
    pub(super) fn new() -> Self {
        Self(CRC.digest())
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// As it stands in the stream after these bytes.
    pub(super) fn value(&self) -> [u8; CHECKSUM_BYTES] {
        self.0.clone().finalize().to_le_bytes()
    }
}

/// A record's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The record's type, with [`OPTIONAL`].
    pub(super) kind: u32,
    /// Bytes of its body.
    pub(super) len: u32,
    /// Records before it.
    pub(super) sequence: u64,
}

impl Head {
    pub(super) fn encode(self) -> [u8; RECORD_HEAD_BYTES] {
        let Self { kind, len, sequence } = self;
        let mut bytes = [0; RECORD_HEAD_BYTES];
        bytes[..4].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&len.to_le_bytes());
        bytes[8..].copy_from_slice(&sequence.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; RECORD_HEAD_BYTES]) -> Self {
        Self { kind: u32_at(bytes, 0), len: u32_at(bytes, 4), sequence: u64_at(bytes, 8) }
    }
}

/// The 32-bit little-endian word at `at`; 0 outside.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_le_bytes(*word))
}

/// The 64-bit little-endian word at `at`; 0 outside.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
}

/// Puts right sequence numbers, magic and checksums of bytes that have the shape of a stream, as far
/// as they have it: for tests that look at what is behind these.
pub fn reseal(bytes: &mut [u8]) {
    let mut sum = Sum::new();
    let Some((header, mut rest)) = bytes.split_at_mut_checked(HEADER_BYTES) else { return };
    let (said, checksum) = header.split_at_mut(HEADER_BYTES - CHECKSUM_BYTES);
    said[..MAGIC.len()].copy_from_slice(&MAGIC);
    sum.add(said);
    checksum.copy_from_slice(&sum.value());
    for sequence in 0.. {
        let Some((head, behind)) = rest.split_first_chunk_mut::<RECORD_HEAD_BYTES>() else {
            return;
        };
        *head = Head { sequence, ..Head::decode(head) }.encode();
        let len = usize::try_from(Head::decode(head).len).unwrap_or(usize::MAX);
        let Some((body, behind)) = behind.split_at_mut_checked(len) else { return };
        let Some((checksum, behind)) = behind.split_first_chunk_mut::<CHECKSUM_BYTES>() else {
            return;
        };
        sum.add(head);
        sum.add(body);
        *checksum = sum.value();
        rest = behind;
    }
}

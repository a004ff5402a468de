//! The bytes of `struct tmem_op`, for both caller widths, asserted at compile time.
//!
//! The structures are never overlaid on guest memory: they exist so that the compiler computes the
//! offsets that [`crate::decode()`] reads at, and so that a wrong one does not compile. All words
//! are little-endian.

use core::mem::{align_of, offset_of, size_of};
use static_assertions::const_assert_eq;

/// Bytes copied from a 64-bit caller (`sizeof(struct tmem_op)`, alignment 8).
pub const OP_BYTES_64: usize = 56;

/// Bytes copied from a 32-bit caller (`sizeof(struct compat_tmem_op)`, alignment 4).
pub const OP_BYTES_32: usize = 52;

/// Offset of the command word, in both layouts.
pub(crate) const CMD_OFFSET: usize = 0;
/// Offset of the pool id, in both layouts.
pub(crate) const POOL_ID_OFFSET: usize = 4;
/// Offset of the union, in both layouts.
pub(crate) const UNION_OFFSET: usize = 8;

/// `u.creat`: the arm that NEW_POOL uses; the same bytes for both widths.
///
/// Packed to 4 because a 32-bit caller's compiler aligns `uint64_t` so; at offset 8 of a structure
/// aligned to 8 the bytes are the same for a 64-bit caller.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
pub struct CreatArm {
    /// Low and high word of the uuid.
    pub uuid: [u64; 2],
    /// Pool flags with the ABI version.
    pub flags: u32,
    /// Once the target domain of AUTH and RESTORE_NEW; ignored.
    pub arg1: u32,
}

/// `u.gen` of a 64-bit caller: the arm of every live command but NEW_POOL.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct GenArm64 {
    /// The object id's three words.
    pub oid: [u64; 3],
    /// Page index in the object.
    pub index: u32,
    /// Ignored since 4.4.
    pub tmem_offset: u32,
    /// Ignored since 4.4.
    pub pfn_offset: u32,
    /// Ignored since 4.4.
    pub len: u32,
    /// Guest frame number (the header's `xen_pfn_t`, 8 bytes).
    pub cmfn: u64,
}

/// `u.gen` of a 32-bit caller.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
pub struct GenArm32 {
    /// The object id's three words.
    pub oid: [u64; 3],
    /// Page index in the object.
    pub index: u32,
    /// Ignored since 4.4.
    pub tmem_offset: u32,
    /// Ignored since 4.4.
    pub pfn_offset: u32,
    /// Ignored since 4.4.
    pub len: u32,
    /// Guest frame number, zero-extended by the decoder.
    pub cmfn: u32,
}

const_assert_eq!(size_of::<CreatArm>(), 24);
const_assert_eq!(UNION_OFFSET + offset_of!(CreatArm, uuid), 8);
const_assert_eq!(UNION_OFFSET + offset_of!(CreatArm, flags), 24);
const_assert_eq!(UNION_OFFSET + offset_of!(CreatArm, arg1), 28);

const_assert_eq!(UNION_OFFSET + size_of::<GenArm64>(), OP_BYTES_64);
const_assert_eq!(align_of::<GenArm64>(), 8);
const_assert_eq!(UNION_OFFSET + offset_of!(GenArm64, oid), 8);
const_assert_eq!(UNION_OFFSET + offset_of!(GenArm64, index), 32);
const_assert_eq!(UNION_OFFSET + offset_of!(GenArm64, tmem_offset), 36);
const_assert_eq!(UNION_OFFSET + offset_of!(GenArm64, pfn_offset), 40);
const_assert_eq!(UNION_OFFSET + offset_of!(GenArm64, len), 44);
const_assert_eq!(UNION_OFFSET + offset_of!(GenArm64, cmfn), 48);

const_assert_eq!(UNION_OFFSET + size_of::<GenArm32>(), OP_BYTES_32);
const_assert_eq!(align_of::<GenArm32>(), 4);
const_assert_eq!(UNION_OFFSET + offset_of!(GenArm32, index), 32);
const_assert_eq!(UNION_OFFSET + offset_of!(GenArm32, len), 44);
const_assert_eq!(UNION_OFFSET + offset_of!(GenArm32, cmfn), 48);

//! Raw bytes to [`Op`], once, from one copy; and the way back for guests.

use crate::layout::{
    CMD_OFFSET, CreatArm, GenArm32, GenArm64, OP_BYTES_32, OP_BYTES_64, POOL_ID_OFFSET,
    UNION_OFFSET,
};
use crate::op::{Handle, NewPool, ObjectId, Op, PageIndex, Uuid, command};
use core::mem::offset_of;

/// Why a block of bytes is no operation of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// A control command of former releases (0, 101, 102): answers -95.
    Control(u32),
    /// An unknown or retired command. Answers -38 when `pool_id` names a pool of the caller's,
    /// -19 when it does not (Xen stable-4.11 looks the pool up first).
    Unknown {
        /// The command number.
        command: u32,
        /// The pool id of the block.
        pool_id: u32,
    },
}

/// A caller's block of bytes, in one of the two layouts: all fields but the frame number lie at the
/// same offsets. Reading a field never panics, whatever the bytes are.
pub trait OpBlock: AsRef<[u8]> {
    /// The guest frame number, in the commands that have one.
    fn frame_number(&self) -> u64;

    /// The 32-bit field at `at`; 0 outside the block.
    #[inline(always)]
    fn u32_at(&self, at: usize) -> u32 {
        u32_at(self.as_ref(), at)
    }

    /// The 64-bit field at `at`; 0 outside the block.
    #[inline(always)]
    fn u64_at(&self, at: usize) -> u64 {
        u64_at(self.as_ref(), at)
    }

    /// The command's number.
    #[inline(always)]
    fn command(&self) -> u32 {
        self.u32_at(CMD_OFFSET)
    }

    /// The pool id, in the commands that have one.
    #[inline(always)]
    fn pool_id(&self) -> u32 {
        self.u32_at(POOL_ID_OFFSET)
    }

    /// The object id, in the commands that have one.
    #[inline(always)]
    fn object(&self) -> ObjectId {
        let oid = UNION_OFFSET + offset_of!(GenArm64, oid);
        ObjectId([self.u64_at(oid), self.u64_at(oid + 8), self.u64_at(oid + 16)])
    }

    /// The page's name, in the commands that have one.
    #[inline(always)]
    fn handle(&self) -> Handle {
        Handle {
            pool_id: self.pool_id(),
            object: self.object(),
            index: PageIndex(self.u32_at(UNION_OFFSET + offset_of!(GenArm64, index))),
        }
    }

    /// What a new pool shall be, in the command that asks for one.
    #[inline(always)]
    fn new_pool(&self) -> NewPool {
        let uuid = UNION_OFFSET + offset_of!(CreatArm, uuid);
        NewPool {
            flags: self.u32_at(UNION_OFFSET + offset_of!(CreatArm, flags)),
            uuid: Uuid([self.u64_at(uuid), self.u64_at(uuid + 8)]),
        }
    }

    /// Decodes the whole block. Inlined, so that a caller that matches the operation at once reads
    /// only what it uses.
    ///
    /// # Errors
    /// [`DecodeError`], for a command that is not live.
    #[inline(always)]
    fn decode(&self) -> Result<Op, DecodeError> {
        let pool_id = self.pool_id();
        Ok(match self.command() {
            command::NEW_POOL => Op::NewPool(self.new_pool()),
            command::DESTROY_POOL => Op::DestroyPool { pool_id },
            command::PUT_PAGE => Op::PutPage { handle: self.handle(), cmfn: self.frame_number() },
            command::GET_PAGE => Op::GetPage { handle: self.handle(), cmfn: self.frame_number() },
            command::FLUSH_PAGE => Op::FlushPage { handle: self.handle() },
            command::FLUSH_OBJECT => Op::FlushObject { pool_id, object: self.object() },
            cmd @ (command::CONTROL | command::AUTH | command::RESTORE_NEW) => {
                return Err(DecodeError::Control(cmd));
            }
            command => return Err(DecodeError::Unknown { command, pool_id }),
        })
    }
}

/// The block of a 64-bit caller.
impl OpBlock for [u8; OP_BYTES_64] {
    #[inline(always)]
    fn frame_number(&self) -> u64 {
        u64_at(self, UNION_OFFSET + offset_of!(GenArm64, cmfn))
    }
}

/// The block of a 32-bit caller; its frame number is zero-extended.
impl OpBlock for [u8; OP_BYTES_32] {
    #[inline(always)]
    fn frame_number(&self) -> u64 {
        u64::from(u32_at(self, UNION_OFFSET + offset_of!(GenArm32, cmfn)))
    }
}

/// Decodes the block of a 64-bit caller.
///
/// # Errors
/// [`DecodeError`], for a command that is not live. No byte string panics.
pub fn decode(block: &[u8; OP_BYTES_64]) -> Result<Op, DecodeError> {
    block.decode()
}

/// Decodes the block of a 32-bit caller; its frame number is zero-extended.
///
/// # Errors
/// As [`decode()`].
pub fn decode_compat(block: &[u8; OP_BYTES_32]) -> Result<Op, DecodeError> {
    block.decode()
}

impl Op {
    /// The block that a 64-bit guest sends. Fields that the command ignores are zero.
    pub fn encode(&self) -> [u8; OP_BYTES_64] {
        let mut block = [0; OP_BYTES_64];
        let cmfn = self.encode_common(&mut block);
        put(&mut block, UNION_OFFSET + offset_of!(GenArm64, cmfn), cmfn.to_le_bytes());
        block
    }

    /// The block that a 32-bit guest sends.
    ///
    /// # Errors
    /// The frame number, where it does not fit the 32-bit field.
    pub fn encode_compat(&self) -> Result<[u8; OP_BYTES_32], u64> {
        let mut block = [0; OP_BYTES_32];
        let cmfn = self.encode_common(&mut block);
        let narrow = u32::try_from(cmfn).map_err(|_| cmfn)?;
        put(&mut block, UNION_OFFSET + offset_of!(GenArm32, cmfn), narrow.to_le_bytes());
        Ok(block)
    }

    /// Writes all but the frame number, which is returned (0 where the command has none, so that
    /// writing it over the tail of the creation arm changes nothing: that arm ends before it).
    fn encode_common(&self, block: &mut [u8]) -> u64 {
        let (cmd, pool_id) = match *self {
            Self::NewPool(_) => (command::NEW_POOL, 0),
            Self::DestroyPool { pool_id } => (command::DESTROY_POOL, pool_id),
            Self::PutPage { handle, .. } => (command::PUT_PAGE, handle.pool_id),
            Self::GetPage { handle, .. } => (command::GET_PAGE, handle.pool_id),
            Self::FlushPage { handle } => (command::FLUSH_PAGE, handle.pool_id),
            Self::FlushObject { pool_id, .. } => (command::FLUSH_OBJECT, pool_id),
        };
        put(block, CMD_OFFSET, cmd.to_le_bytes());
        put(block, POOL_ID_OFFSET, pool_id.to_le_bytes());
        match *self {
            Self::NewPool(NewPool { flags, uuid }) => {
                let at = UNION_OFFSET + offset_of!(CreatArm, uuid);
                put(block, at, uuid.0[0].to_le_bytes());
                put(block, at + 8, uuid.0[1].to_le_bytes());
                put(block, UNION_OFFSET + offset_of!(CreatArm, flags), flags.to_le_bytes());
                0
            }
            Self::DestroyPool { .. } => 0,
            Self::PutPage { handle, cmfn } | Self::GetPage { handle, cmfn } => {
                put_handle(block, handle.object, handle.index);
                cmfn
            }
            Self::FlushPage { handle } => {
                put_handle(block, handle.object, handle.index);
                0
            }
            Self::FlushObject { object, .. } => {
                put_handle(block, object, PageIndex(0));
                0
            }
        }
    }
}

fn put_handle(block: &mut [u8], object: ObjectId, index: PageIndex) {
    let oid = UNION_OFFSET + offset_of!(GenArm64, oid);
    put(block, oid, object.0[0].to_le_bytes());
    put(block, oid + 8, object.0[1].to_le_bytes());
    put(block, oid + 16, object.0[2].to_le_bytes());
    put(block, UNION_OFFSET + offset_of!(GenArm64, index), index.0.to_le_bytes());
}

/// Copies `bytes` to `at`; every caller's offset is a constant inside the smaller layout.
fn put<const N: usize>(block: &mut [u8], at: usize, bytes: [u8; N]) {
    if let Some(place) = block.get_mut(at..at + N) {
        place.copy_from_slice(&bytes);
    }
}

/// The 32-bit word at a constant offset. Out of range (which no offset here is) reads as zero, so
/// that no panic entry is generated for the hypervisor.
fn u32_at(block: &[u8], at: usize) -> u32 {
    block.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u32::from_le_bytes)
}

/// The 64-bit word at a constant offset; as [`u32_at`].
fn u64_at(block: &[u8], at: usize) -> u64 {
    block.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u64::from_le_bytes)
}

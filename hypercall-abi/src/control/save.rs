//! Saving a domain and restoring it: the operations, and the records in their buffers.
//!
//! Numbers and records are those of Xen 4.8 to 4.12. Two things are ours: the number by which an
//! iteration goes on, which the toolstack gets back in the operation and sends along the next time,
//! and the marks by which a record stands for a whole object or pool.

use super::op::{ClientId, Layout};
use super::{CONTROL_BYTES, ControlStatus, put, u32_at, u64_at};
use crate::op::{Handle, ObjectId, PageIndex};
use core::mem::offset_of;

/// Numbers of the operations (`XEN_SYSCTL_TMEM_OP_*`).
pub(super) mod numbers {
    /// Begins to save a client.
    pub const SAVE_BEGIN: u32 = 10;
    /// Reads the next page of a pool.
    pub const SAVE_GET_NEXT_PAGE: u32 = 19;
    /// Reads what was removed since the save began.
    pub const SAVE_GET_NEXT_INV: u32 = 20;
    /// Ends a save.
    pub const SAVE_END: u32 = 21;
    /// Makes a client, to be restored.
    pub const RESTORE_BEGIN: u32 = 30;
    /// Puts a page into a client's pool.
    pub const RESTORE_PUT_PAGE: u32 = 32;
    /// Removes what was removed at the source.
    pub const RESTORE_FLUSH_PAGE: u32 = 33;
}

/// Bytes of a page's name (`struct tmem_handle`).
pub const HANDLE_BYTES: usize = 32;
/// Bytes of a page with its name.
pub const SAVED_PAGE_BYTES: usize = HANDLE_BYTES + crate::PAGE_SIZE_BYTES;

/// Offsets in a page's name.
const POOL_AT: usize = 0;
const INDEX_AT: usize = 4;
const OBJECT_AT: usize = 8;

/// In place of a pool id's upper bits: all of an object, all of a pool.
const WHOLE_OBJECT: u32 = 1 << 16;
const WHOLE_POOL: u32 = 1 << 17;

/// Something that was removed from a client's pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// A page.
    Page(Handle),
    /// An object with all its pages.
    Object {
        /// Its pool.
        pool_id: u32,
        /// Its id.
        object: ObjectId,
    },
    /// A pool with all that was in it.
    Pool {
        /// Its id.
        pool_id: u32,
    },
}

/// The record of a page's name.
pub fn encode_handle(handle: &Handle) -> [u8; HANDLE_BYTES] {
    let mut bytes = [0; HANDLE_BYTES];
    put(&mut bytes, POOL_AT, &handle.pool_id.to_le_bytes());
    put(&mut bytes, INDEX_AT, &handle.index.0.to_le_bytes());
    put(&mut bytes, OBJECT_AT, handle.object.0.map(u64::to_le_bytes).as_flattened());
    bytes
}

/// Reads the record of a page's name.
pub fn decode_handle(bytes: &[u8; HANDLE_BYTES]) -> Handle {
    Handle {
        pool_id: u32_at(bytes, POOL_AT),
        object: ObjectId(object_at(bytes, OBJECT_AT)),
        index: PageIndex(u32_at(bytes, INDEX_AT)),
    }
}

fn object_at(bytes: &[u8], at: usize) -> [u64; 3] {
    [0, 8, 16].map(|word| u64_at(bytes, at + word))
}

impl Removed {
    /// As the name of a page, whose pool id has a mark if it is more than that.
    fn marked(self) -> Handle {
        let (object, index) = (ObjectId([0; 3]), PageIndex(0));
        match self {
            Self::Page(handle) => handle,
            Self::Object { pool_id, object } => {
                Handle { pool_id: pool_id | WHOLE_OBJECT, object, index }
            }
            Self::Pool { pool_id } => Handle { pool_id: pool_id | WHOLE_POOL, object, index },
        }
    }

    /// The meaning of a name that may have a mark. Pool ids that there can't be stay as they are.
    fn of(handle: Handle) -> Self {
        let Handle { pool_id, object, .. } = handle;
        match pool_id & (WHOLE_OBJECT | WHOLE_POOL) {
            WHOLE_OBJECT => Self::Object { pool_id: pool_id & !WHOLE_OBJECT, object },
            WHOLE_POOL => Self::Pool { pool_id: pool_id & !WHOLE_POOL },
            _ => Self::Page(handle),
        }
    }

    /// The record's bytes.
    pub fn encode(self) -> [u8; HANDLE_BYTES] {
        encode_handle(&self.marked())
    }

    /// Reads the record's bytes.
    pub fn decode(bytes: &[u8; HANDLE_BYTES]) -> Self {
        Self::of(decode_handle(bytes))
    }
}

/// An operation of saving or restoring. `buffer` is an address in the caller's memory, unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveOp {
    /// Begin to save the client.
    Begin {
        /// Whom.
        who: ClientId,
        /// It goes on running.
        live: bool,
    },
    /// Write a pool's next page, name and content, into the buffer.
    NextPage {
        /// Whose.
        who: ClientId,
        /// Which pool's.
        pool_id: u32,
        /// 0 for the first; for the next one what came back with the one before. It stands where
        /// the object id would be.
        cursor: u64,
        /// Bytes in the buffer.
        len: u32,
        /// Where to.
        buffer: u64,
    },
    /// Write the next [`Removed`] into the buffer.
    NextRemoved {
        /// Whose.
        who: ClientId,
        /// As in `NextPage`.
        cursor: u64,
        /// Bytes in the buffer.
        len: u32,
        /// Where to.
        buffer: u64,
    },
    /// End the save, completed or not.
    End {
        /// Whose.
        who: ClientId,
    },
    /// Make a client of a domain that is none.
    RestoreBegin {
        /// Whom.
        who: ClientId,
    },
    /// Put the page in the buffer into a pool of the client.
    RestorePut {
        /// Whose.
        who: ClientId,
        /// Under which name.
        handle: Handle,
        /// Bytes in the buffer.
        len: u32,
        /// Where they are.
        buffer: u64,
    },
    /// Remove what was removed at the source.
    RestoreRemove {
        /// From whose pools.
        who: ClientId,
        /// What.
        removed: Removed,
    },
}

impl SaveOp {
    /// Reads an operation's bytes; `None`: it is another one.
    ///
    /// # Errors
    /// The status that answers bytes which are no operation.
    pub(super) fn decode(bytes: &[u8; CONTROL_BYTES]) -> Result<Option<Self>, ControlStatus> {
        let word = |at| u32_at(bytes, at);
        let cursor = u64_at(bytes, offset_of!(Layout, oid));
        let (len, buffer) = (word(offset_of!(Layout, len)), u64_at(bytes, offset_of!(Layout, buf)));
        let who = ClientId::decode(word(offset_of!(Layout, cli_id)));
        let handle = Handle {
            pool_id: word(offset_of!(Layout, pool_id)),
            object: ObjectId(object_at(bytes, offset_of!(Layout, oid))),
            index: PageIndex(word(offset_of!(Layout, arg))),
        };
        // Who can't be saved is nobody.
        let saved = who.ok_or(ControlStatus::NoEntry);
        let restored = who.ok_or(ControlStatus::NotPermitted);
        Ok(Some(match word(offset_of!(Layout, cmd)) {
            numbers::SAVE_BEGIN => {
                Self::Begin { who: saved?, live: word(offset_of!(Layout, arg)) != 0 }
            }
            numbers::SAVE_GET_NEXT_PAGE => {
                Self::NextPage { who: saved?, pool_id: handle.pool_id, cursor, len, buffer }
            }
            numbers::SAVE_GET_NEXT_INV => Self::NextRemoved { who: saved?, cursor, len, buffer },
            numbers::SAVE_END => Self::End { who: saved? },
            numbers::RESTORE_BEGIN => {
                Self::RestoreBegin { who: who.ok_or(ControlStatus::Invalid)? }
            }
            numbers::RESTORE_PUT_PAGE => Self::RestorePut { who: restored?, handle, len, buffer },
            numbers::RESTORE_FLUSH_PAGE => {
                Self::RestoreRemove { who: restored?, removed: Removed::of(handle) }
            }
            _ => return Ok(None),
        }))
    }

    /// The operation's bytes, as a toolstack sends them.
    pub fn encode(&self) -> [u8; CONTROL_BYTES] {
        let nothing = Handle { pool_id: 0, object: ObjectId([0; 3]), index: PageIndex(0) };
        let at = |pool_id, cursor| Handle { pool_id, object: ObjectId([cursor, 0, 0]), ..nothing };
        let (command, who, handle, len, buffer) = match *self {
            Self::Begin { who, live } => {
                let index = PageIndex(u32::from(live));
                (numbers::SAVE_BEGIN, who, Handle { index, ..nothing }, 0, 0)
            }
            Self::NextPage { who, pool_id, cursor, len, buffer } => {
                (numbers::SAVE_GET_NEXT_PAGE, who, at(pool_id, cursor), len, buffer)
            }
            Self::NextRemoved { who, cursor, len, buffer } => {
                (numbers::SAVE_GET_NEXT_INV, who, at(0, cursor), len, buffer)
            }
            Self::End { who } => (numbers::SAVE_END, who, nothing, 0, 0),
            Self::RestoreBegin { who } => (numbers::RESTORE_BEGIN, who, nothing, 0, 0),
            Self::RestorePut { who, handle, len, buffer } => {
                (numbers::RESTORE_PUT_PAGE, who, handle, len, buffer)
            }
            Self::RestoreRemove { who, removed } => {
                (numbers::RESTORE_FLUSH_PAGE, who, removed.marked(), 0, 0)
            }
        };
        let mut bytes = [0; CONTROL_BYTES];
        let mut word = |at, word: u32| put(&mut bytes, at, &word.to_le_bytes());
        word(offset_of!(Layout, cmd), command);
        word(offset_of!(Layout, pool_id), handle.pool_id);
        word(offset_of!(Layout, cli_id), who.encode());
        word(offset_of!(Layout, len), len);
        word(offset_of!(Layout, arg), handle.index.0);
        let object = handle.object.0.map(u64::to_le_bytes);
        put(&mut bytes, offset_of!(Layout, oid), object.as_flattened());
        put(&mut bytes, offset_of!(Layout, buf), &buffer.to_le_bytes());
        bytes
    }
}

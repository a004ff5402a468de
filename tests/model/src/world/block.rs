//! Calls as raw bytes, read here a second time, by offsets written out a second time: a slip in
//! `hypercall-abi`'s decoding shows as a disagreement with the model.

use super::World;
use crate::SimService;
use hypercall_abi::{Handle, NewPool, OP_BYTES_32, OP_BYTES_64, ObjectId, Op, PageIndex, Uuid};
use tmem_host_sim::Content;
use tmem_service::{DomainId, Outcome};

/// The bytes of a `tmem_op`, as Xen copies them from a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Of a 64-bit caller.
    Wide([u8; OP_BYTES_64]),
    /// Of a 32-bit caller.
    Narrow([u8; OP_BYTES_32]),
}

impl Block {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Wide(bytes) => bytes,
            Self::Narrow(bytes) => bytes,
        }
    }

    fn word(&self, at: usize) -> u32 {
        self.bytes()[at..].first_chunk().copied().map_or(0, u32::from_le_bytes)
    }

    fn long(&self, at: usize) -> u64 {
        u64::from(self.word(at)) | u64::from(self.word(at + 4)) << 32
    }

    /// The frame number: the one field that the layouts have at different widths.
    fn cmfn(&self) -> u64 {
        match self {
            Self::Wide(_) => self.long(48),
            Self::Narrow(_) => u64::from(self.word(48)),
        }
    }

    /// The operation, or the number of a command that is not live.
    ///
    /// # Errors
    /// The number, for a command that is not live.
    pub fn read(&self) -> Result<Op, u32> {
        let pool_id = self.pool_id();
        let object = ObjectId([self.long(8), self.long(16), self.long(24)]);
        let handle = Handle { pool_id, object, index: PageIndex(self.word(32)) };
        let cmfn = self.cmfn();
        match self.word(0) {
            1 => {
                let uuid = Uuid([self.long(8), self.long(16)]);
                Ok(Op::NewPool(NewPool { flags: self.word(24), uuid }))
            }
            2 => Ok(Op::DestroyPool { pool_id }),
            4 => Ok(Op::PutPage { handle, cmfn }),
            5 => Ok(Op::GetPage { handle, cmfn }),
            6 => Ok(Op::FlushPage { handle }),
            7 => Ok(Op::FlushObject { pool_id, object }),
            command => Err(command),
        }
    }

    fn pool_id(&self) -> u32 {
        self.word(4)
    }

    fn send(&self, service: &SimService, caller: DomainId) -> Outcome {
        match self {
            Self::Wide(bytes) => service.op(caller, bytes),
            Self::Narrow(bytes) => service.op_compat(caller, bytes),
        }
    }
}

impl World {
    /// One slice of the call that a block holds. For a put, the frame that it names, if it can be
    /// read, holds `content`.
    pub fn block(&mut self, domain: u16, block: &Block, content: Content) {
        let send = |service: &SimService, caller| block.send(service, caller);
        match block.read() {
            Ok(op) => {
                if let Op::PutPage { cmfn, .. } = op {
                    self.fill_readable(domain, cmfn, content);
                }
                let _ = self.slice_by(domain, op, content, send);
            }
            Err(command) => {
                self.command_by(domain, command, block.pool_id(), send);
            }
        }
    }
}

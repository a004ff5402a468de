//! tmem operations as cases make them: numbers in, a status out, the page's content checked.

use super::Rig;
use crate::fail;
use crate::plain::content::Content;
use crate::verdict::{CaseResult, expect};
use crate::xen::tmem::send;
use hypercall_abi::{Handle, NewPool, ObjectId, Op, PageIndex, PoolFlags, Uuid};

/// The statuses as numbers, named as in `hypercall-abi`.
pub mod statuses {
    use hypercall_abi::Status;

    /// Done; for a get: hit.
    pub const SUCCESS: i64 = Status::Success.encode();
    /// A get missed, or a destroy named no pool.
    pub const NOTHING: i64 = Status::Nothing.encode();
    /// Refused flags, or no free pool id.
    pub const NOT_PERMITTED: i64 = Status::NotPermitted.encode();
    /// No memory, or the domain is at its maximum.
    pub const NO_MEMORY: i64 = Status::NoMemory.encode();
    /// The block or the frame can't be accessed.
    pub const BAD_ADDRESS: i64 = Status::BadAddress.encode();
    /// No such pool, or tmem is not enabled.
    pub const NO_DEVICE: i64 = Status::NoDevice.encode();
    /// Retired or unknown command, or tmem is not built in.
    pub const NOT_IMPLEMENTED: i64 = Status::NotImplemented.encode();
    /// A control command.
    pub const NOT_SUPPORTED: i64 = Status::NotSupported.encode();
    /// The pool's owner is frozen.
    pub const FROZEN: i64 = Status::Frozen.encode();
    /// A duplicate put failed; the old page is gone.
    pub const NO_SPACE: i64 = Status::NoSpace.encode();
    /// A get on a pool without pages.
    pub const EMPTY: i64 = Status::Empty.encode();
}

/// The kinds of pool that one domain alone can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pages may be evicted, and a hit takes the page away.
    Ephemeral,
    /// Pages stay until flushed.
    Persistent,
}

impl Kind {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Ephemeral, Self::Persistent];

    /// The flags word of NEW_POOL.
    pub const fn flags(self) -> u32 {
        match self {
            Self::Ephemeral => PoolFlags::empty().to_word(),
            Self::Persistent => PoolFlags::PERSIST.to_word(),
        }
    }
}

/// A page's name: `object` fills all three words of the object id with different numbers.
pub const fn at(pool_id: u32, object: u64, index: u32) -> Handle {
    let object = ObjectId([object, object.rotate_left(21) ^ 0x55, !object]);
    Handle { pool_id, object, index: PageIndex(index) }
}

impl Rig {
    /// NEW_POOL with any flags and uuid; the raw answer.
    pub fn try_new_pool(&self, flags: u32, uuid: Uuid) -> i64 {
        send(&Op::NewPool(NewPool { flags, uuid }))
    }

    /// A new private pool; its id.
    ///
    /// # Errors
    /// Failure, if the host does not give one.
    pub fn new_pool(&self, kind: Kind) -> CaseResult<u32> {
        let answer = self.try_new_pool(kind.flags(), Uuid::default());
        match u32::try_from(answer) {
            Ok(id) if id < hypercall_abi::POOLS_PER_DOMAIN_MAX => Ok(id),
            _ => fail!("NEW_POOL ({kind:?}): answered {answer}, not a pool id"),
        }
    }

    /// DESTROY_POOL; the raw answer.
    pub fn destroy_pool(&self, pool_id: u32) -> i64 {
        send(&Op::DestroyPool { pool_id })
    }

    /// PUT of whatever `mfn` holds; the raw answer.
    pub fn put_frame(&self, handle: Handle, mfn: u64) -> i64 {
        send(&Op::PutPage { handle, cmfn: mfn })
    }

    /// PUT of a page with this content; the raw answer.
    pub fn try_put(&self, handle: Handle, content: Content) -> i64 {
        self.pages.fill_source(content);
        self.put_frame(handle, self.pages.source_mfn())
    }

    /// PUT that must be accepted.
    ///
    /// # Errors
    /// Failure, if it is not.
    pub fn put(&self, handle: Handle, content: Content) -> CaseResult {
        expect("put", self.try_put(handle, content), statuses::SUCCESS)
    }

    /// GET into `mfn`; the raw answer.
    pub fn get_frame(&self, handle: Handle, mfn: u64) -> i64 {
        send(&Op::GetPage { handle, cmfn: mfn })
    }

    /// GET into a poisoned target; the answer. After a hit the target holds what Xen delivered.
    ///
    /// # Errors
    /// Failure, if the pages beside the target changed, or the target did without a hit (R3).
    pub fn try_get(&self, handle: Handle) -> CaseResult<i64> {
        self.pages.poison_target();
        let answer = self.get_frame(handle, self.pages.target_mfn());
        if !self.pages.guards_intact() {
            fail!("get (answer {answer}) wrote beside its page");
        }
        if answer != statuses::SUCCESS && self.pages.target_touched().is_some() {
            fail!("get answered {answer} and wrote into the page all the same");
        }
        Ok(answer)
    }

    /// The target, after a hit, must hold this content in all its 4096 bytes.
    ///
    /// # Errors
    /// Failure, with the first wrong word.
    pub fn check_target(&self, handle: Handle, content: Content) -> CaseResult {
        if let Some(found) = self.pages.target_difference(content) {
            let Handle { pool_id, object, index } = handle;
            fail!(
                "wrong data: pool {pool_id} object {:#x} index {}: byte {} is {:#x}, not {:#x}",
                object.0[0],
                index.0,
                found.offset,
                found.got,
                found.want
            );
        }
        Ok(())
    }

    /// GET that must hit and deliver this content.
    ///
    /// # Errors
    /// Failure, if it misses or any byte is wrong.
    pub fn get_hit(&self, handle: Handle, content: Content) -> CaseResult {
        expect("get of a stored page", self.try_get(handle)?, statuses::SUCCESS)?;
        self.check_target(handle, content)
    }

    /// GET that may miss but must never deliver anything but this content; whether it hit.
    ///
    /// # Errors
    /// Failure on a wrong byte, or an answer that is neither hit nor miss.
    pub fn get_maybe(&self, handle: Handle, content: Content) -> CaseResult<bool> {
        match self.try_get(handle)? {
            statuses::SUCCESS => self.check_target(handle, content).map(|()| true),
            statuses::NOTHING | statuses::EMPTY => Ok(false),
            other => fail!("get of a page that may be evicted: answered {other}"),
        }
    }

    /// GET that must answer `want`, which is no hit, for the reason `what`.
    ///
    /// # Errors
    /// Failure, if it answers anything else.
    pub fn get_none(&self, what: &str, handle: Handle, want: i64) -> CaseResult {
        expect(what, self.try_get(handle)?, want)
    }

    /// FLUSH_PAGE; the raw answer.
    pub fn flush_page(&self, handle: Handle) -> i64 {
        send(&Op::FlushPage { handle })
    }

    /// FLUSH_OBJECT of the handle's object; the raw answer.
    pub fn flush_object(&self, handle: Handle) -> i64 {
        send(&Op::FlushObject { pool_id: handle.pool_id, object: handle.object })
    }
}

//! Saving a domain and restoring it, as the toolstack calls them: SAVE_* and RESTORE_*.
//!
//! Statuses are those of Xen stable-4.11 (`xen/common/tmem_control.c`) but for its defects;
//! `docs/hypercall.md` has the table, `docs/decisions/0020` the reasons.

use crate::dispatch::{Outcome, Service};
use crate::platform::{BadBuffer, Gfn, Platform, ToolstackMemory};
use crate::sysctl::ControlOutcome;
use hypercall_abi::control::{
    CONTROL_BYTES, ClientId, ControlStatus, HANDLE_BYTES, Removed, SAVED_PAGE_BYTES, SaveOp,
    encode_handle,
};
use hypercall_abi::{Handle, ObjectId, OpBlock, PAGE_SIZE_BYTES, PageIndex, Status};
use tmem_engine::{
    BeginRestoreError, BeginSaveError, Caller, DomainId, Flushed, GetError, GetOutcome, PutError,
    PutSaving, Removal, RemovalsError, SaveEnded, SaveError, Saved,
};

/// How far an operation came: its result, or that there is more to do.
type Step = Result<Option<u32>, ControlStatus>;

impl<P: Platform> Service<P> {
    /// Carries out an operation, or a slice of it. How far an iteration came is written into `block`.
    pub(crate) fn save(
        &self,
        op: SaveOp,
        block: &mut [u8; CONTROL_BYTES],
        memory: &impl ToolstackMemory,
    ) -> ControlOutcome {
        let step = match op {
            SaveOp::Begin { who, live } => self.save_begin(who, live),
            SaveOp::NextPage { who, pool_id, cursor, len, buffer } => self
                .save_next_page(who, pool_id, cursor, len, buffer, memory)
                .map(|(done, next)| {
                    *block = SaveOp::NextPage { who, pool_id, cursor: next, len, buffer }.encode();
                    done
                }),
            SaveOp::NextRemoved { who, cursor, len, buffer } => {
                self.save_next_removed(who, cursor, len, buffer, memory).map(|next| {
                    let Some(next) = next else { return Some(0) };
                    *block = SaveOp::NextRemoved { who, cursor: next, len, buffer }.encode();
                    Some(1)
                })
            }
            SaveOp::End { who } => self.save_end(who),
            SaveOp::RestoreBegin { who } => self.restore_begin(who),
            SaveOp::RestorePut { who, handle, len, buffer } => {
                self.restore_put(who, handle, len, buffer, memory)
            }
            SaveOp::RestoreRemove { who, removed } => self.restore_remove(who, removed),
        };
        match step {
            Ok(Some(count)) => ControlOutcome::Done(ControlStatus::Done(count)),
            Ok(None) => ControlOutcome::Again,
            Err(status) => ControlOutcome::Done(status),
        }
    }

    fn save_begin(&self, who: ClientId, live: bool) -> Step {
        let domain = one(who).ok_or(ControlStatus::NoEntry)?;
        match self.engine.begin_save(domain, live) {
            Ok(()) => Ok(Some(0)),
            Err(BeginSaveError::NothingToSave) => Err(ControlStatus::NoEntry),
            Err(BeginSaveError::Busy) => Err(ControlStatus::Busy),
        }
    }

    /// The result, and where to go on.
    fn save_next_page(
        &self,
        who: ClientId,
        pool_id: u32,
        cursor: u64,
        len: u32,
        buffer: u64,
        memory: &impl ToolstackMemory,
    ) -> Result<(Option<u32>, u64), ControlStatus> {
        let domain = one(who).ok_or(ControlStatus::NoEntry)?;
        if (len as usize) < SAVED_PAGE_BYTES {
            return Err(ControlStatus::NoMemory);
        }
        let deliver = |object, index, frame| {
            let handle = Handle { pool_id, object: ObjectId(object), index: PageIndex(index) };
            memory.write(buffer, &encode_handle(&handle))?;
            let content = buffer.checked_add(HANDLE_BYTES as u64).ok_or(BadBuffer)?;
            memory.write_page(content, frame)
        };
        match self.engine.save_next(domain, pool_id, cursor, deliver) {
            Ok(Saved::Page { next }) => Ok((Some(1), next)),
            Ok(Saved::More { next }) => Ok((None, next)),
            Ok(Saved::End) | Err(SaveError::NoPool) => Err(ControlStatus::NotPermitted),
            Err(SaveError::NotSaving) => Err(ControlStatus::NoEntry),
            Err(SaveError::Deliver(error)) => Err(error.into()),
        }
    }

    /// Where to go on; `None`: that was all.
    fn save_next_removed(
        &self,
        who: ClientId,
        cursor: u64,
        len: u32,
        buffer: u64,
        memory: &impl ToolstackMemory,
    ) -> Result<Option<u64>, ControlStatus> {
        let domain = one(who).ok_or(ControlStatus::NoEntry)?;
        // The original answered as if nothing had been removed.
        if (len as usize) < HANDLE_BYTES {
            return Err(ControlStatus::Invalid);
        }
        match self.engine.next_removal(domain, cursor) {
            Ok(None) => Ok(None),
            Ok(Some((removal, next))) => {
                memory.write(buffer, &on_the_wire(removal).encode())?;
                Ok(Some(next))
            }
            Err(RemovalsError::NotSaving) => Err(ControlStatus::NoEntry),
            Err(RemovalsError::Lost) => Err(ControlStatus::NoMemory),
        }
    }

    fn save_end(&self, who: ClientId) -> Step {
        let domain = one(who).ok_or(ControlStatus::NoEntry)?;
        match self.engine.end_save(domain) {
            Ok(SaveEnded::Done) => Ok(Some(0)),
            Ok(SaveEnded::More) => Ok(None),
            Err(_) => Err(ControlStatus::NoEntry),
        }
    }

    fn restore_begin(&self, who: ClientId) -> Step {
        let domain = one(who).ok_or(ControlStatus::Invalid)?;
        if self.platform().is_dying(domain) {
            return Err(ControlStatus::Invalid);
        }
        self.engine.begin_restore(domain).map_err(|error| match error {
            BeginRestoreError::Exists => ControlStatus::Exists,
            BeginRestoreError::NoMemory => ControlStatus::NoMemory,
        })?;
        if self.platform().is_dying(domain) {
            // It has no pools yet, so this is one step.
            let _ = self.engine.destroy_client(domain);
            return Err(ControlStatus::Invalid);
        }
        Ok(Some(0))
    }

    fn restore_put(
        &self,
        who: ClientId,
        Handle { pool_id, object, index }: Handle,
        len: u32,
        buffer: u64,
        memory: &impl ToolstackMemory,
    ) -> Step {
        let domain = one(who).ok_or(ControlStatus::NotPermitted)?;
        if len as usize != PAGE_SIZE_BYTES {
            return Err(ControlStatus::Invalid);
        }
        let fill = |frame| memory.read_page(buffer, frame);
        match self.engine.restore_put(domain, pool_id, object.0, index.0, fill) {
            Ok(_) => Ok(Some(1)),
            Err(PutError::NoPool) => Err(ControlStatus::NotPermitted),
            Err(PutError::Frozen) => Err(ControlStatus::Frozen),
            Err(PutError::NoMemory) => Err(ControlStatus::NoMemory),
            Err(PutError::NoSpace) => Err(ControlStatus::NoSpace),
            Err(PutError::Fill(error)) => Err(error.into()),
        }
    }

    fn restore_remove(&self, who: ClientId, removed: Removed) -> Step {
        let domain = one(who).ok_or(ControlStatus::NotPermitted)?;
        match self.engine.restore_remove(domain, from_the_wire(removed)) {
            Ok(Flushed::Done { frozen: false }) => Ok(Some(1)),
            Ok(Flushed::Done { frozen: true }) => Err(ControlStatus::Frozen),
            Ok(Flushed::More) => Ok(None),
            Err(_) => Err(ControlStatus::NotPermitted),
        }
    }

    /// A guest's put into what may be a pool that is being saved.
    #[cold]
    #[inline(never)]
    pub(crate) fn put_saving(&self, block: &impl OpBlock, caller: Caller) -> Outcome {
        let Handle { pool_id, object, index } = block.handle();
        match self.engine.put_saving(caller, pool_id, object.0, index.0) {
            PutSaving::NoSpace => Outcome::Done(Status::NoSpace),
            PutSaving::Frozen => Outcome::Done(Status::Frozen),
            PutSaving::Again => Outcome::Again,
            PutSaving::NoPool => Outcome::Done(Status::NoDevice),
        }
    }

    /// A guest's get from what may be such a pool.
    #[cold]
    #[inline(never)]
    pub(crate) fn get_saving(&self, block: &impl OpBlock, caller: Caller) -> Status {
        let Handle { pool_id, object, index } = block.handle();
        let to = Gfn(block.frame_number());
        let drain = |frame| self.platform().copy_out(caller.domain(), frame, to);
        match self.engine.get_saving(caller, pool_id, object.0, index.0, drain) {
            Ok(GetOutcome::Hit) => Status::Success,
            Ok(GetOutcome::Miss) => Status::Nothing,
            Err(GetError::NoPool) => Status::NoDevice,
            Err(GetError::Empty) => Status::Empty,
            Err(GetError::Drain(_)) => Status::BadAddress,
        }
    }
}

/// The one domain that is named. These operations are not for all.
fn one(who: ClientId) -> Option<DomainId> {
    match who {
        ClientId::One(domain) => Some(DomainId(domain)),
        ClientId::All => None,
    }
}

fn on_the_wire(removal: Removal) -> Removed {
    match removal {
        Removal::Page { pool_id, oid, index } => {
            Removed::Page(Handle { pool_id, object: ObjectId(oid), index: PageIndex(index) })
        }
        Removal::Object { pool_id, oid } => Removed::Object { pool_id, object: ObjectId(oid) },
        Removal::Pool { pool_id } => Removed::Pool { pool_id },
    }
}

fn from_the_wire(removed: Removed) -> Removal {
    match removed {
        Removed::Page(Handle { pool_id, object, index }) => {
            Removal::Page { pool_id, oid: object.0, index: index.0 }
        }
        Removed::Object { pool_id, object } => Removal::Object { pool_id, oid: object.0 },
        Removed::Pool { pool_id } => Removal::Pool { pool_id },
    }
}

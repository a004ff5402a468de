//! The guest's call: the order of the checks, the six commands, and what each answer is called.
//!
//! Source of the order and of the statuses: Xen stable-4.11, `xen/common/tmem.c`, `do_tmem_op` and
//! the `do_tmem_*` functions; `docs/hypercall.md` has them as tables.

use crate::platform::{BadFrame, Gfn, Platform};
use hypercall_abi::{
    DecodeError, Handle, NewPool, OP_BYTES_32, OP_BYTES_64, Op, OpBlock, PoolFlags, Status, Uuid,
    command,
};
use tmem_engine::{
    Caller, Destroyed, DomainId, Engine, Flushed, GetError, GetOutcome, Lifetime, NewPoolError,
    NoMemory, NoPool, PoolKind, PutError,
};

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an unfinished call must be made again"]
pub enum Outcome {
    /// Finished: the guest's answer.
    Done(Status),
    /// A slice of bounded work is done and more is left. The same call, made again with the same
    /// operation, goes on; nothing is remembered for it, and it may as well never be made.
    Again,
}

/// Transcendent memory as guests and the toolstack call it.
///
/// All calls may be made from any CPU at any time; none blocks, none keeps anything of the caller.
pub struct Service<P: Platform> {
    pub(crate) engine: Engine<P>,
}

impl<P: Platform> Service<P> {
    /// A service without clients. `hash_key` should be drawn at random.
    ///
    /// # Errors
    /// No memory for the tables of clients and pools, about 400 KiB.
    pub fn new(platform: P, hash_key: [u64; 4]) -> Result<Self, NoMemory> {
        Ok(Self { engine: Engine::new(platform, hash_key)? })
    }

    /// The machine below.
    pub const fn platform(&self) -> &P {
        self.engine.host()
    }

    /// Answers the block of a 64-bit caller, already copied from the guest.
    #[inline(always)]
    pub fn op(&self, domain: DomainId, block: &[u8; OP_BYTES_64]) -> Outcome {
        self.answer(block, domain)
    }

    /// Answers the block of a 32-bit caller, already copied from the guest.
    #[inline(always)]
    pub fn op_compat(&self, domain: DomainId, block: &[u8; OP_BYTES_32]) -> Outcome {
        self.answer(block, domain)
    }

    /// Answers a block of either layout in the caller's own terms.
    ///
    /// An answer of the data path is put into those terms where it is found, so that the call of a
    /// command can be the last step of its caller.
    #[inline(always)]
    pub fn op_as<A: From<Outcome>>(&self, block: &impl OpBlock, domain: DomainId) -> A {
        self.answer(block, domain)
    }

    /// Answers an operation that is decoded already.
    pub fn call(&self, domain: DomainId, op: Op) -> Outcome {
        self.answer(&op.encode(), domain)
    }

    /// What does not hang on the operation is asked first. Then the command is looked at, and the
    /// rest of the block is read where it is used: a call on the data path ends in a jump.
    #[inline(always)]
    fn answer<A: From<Outcome>>(&self, block: &impl OpBlock, domain: DomainId) -> A {
        if self.platform().is_caller_dying(domain) {
            return Outcome::Done(Status::NoDevice).into();
        }
        match self.engine.client_of(domain) {
            Some(caller) => self.dispatch(block, caller),
            None => self.answer_first(block, domain),
        }
    }

    /// The call of a domain that is no client yet. Any command but a control one, a retired or
    /// unknown one too, makes it one.
    #[cold]
    #[inline(never)]
    fn answer_first<A: From<Outcome>>(&self, block: &impl OpBlock, domain: DomainId) -> A {
        if let Err(DecodeError::Control(_)) = block.decode() {
            return Outcome::Done(Status::NotSupported).into();
        }
        match self.client_for(domain) {
            Ok(caller) => self.dispatch(block, caller),
            Err(status) => Outcome::Done(status).into(),
        }
    }

    /// The caller's client record, made if this is its first call.
    ///
    /// A domain may begin to die at any moment: whoever kills it marks it first and destroys its
    /// client then, so a client that is made too late is seen here and destroyed (R29, P5).
    pub(crate) fn client_for(&self, domain: DomainId) -> Result<Caller, Status> {
        if let Some(caller) = self.engine.client_of(domain) {
            return Ok(caller);
        }
        let caller = self.engine.create_client(domain).map_err(|NoMemory| Status::NoMemory)?;
        if self.platform().is_dying(domain) {
            // It has no pools yet, so this is one step.
            let _ = self.engine.destroy_client(domain);
            return Err(Status::NoDevice);
        }
        Ok(caller)
    }

    #[inline(always)]
    fn dispatch<A: From<Outcome>>(&self, block: &impl OpBlock, caller: Caller) -> A {
        match block.command() {
            command::PUT_PAGE => self.put(block, caller),
            command::GET_PAGE => self.get(block, caller),
            command::FLUSH_PAGE => self.flush_page(block, caller),
            _ => self.dispatch_any(block, caller),
        }
    }

    /// The same for all commands; out of line, so that those of the data path take few steps.
    #[inline(never)]
    fn dispatch_any<A: From<Outcome>>(&self, block: &impl OpBlock, caller: Caller) -> A {
        let outcome = match block.decode() {
            Ok(Op::PutPage { .. }) => return self.put(block, caller),
            Ok(Op::GetPage { .. }) => return self.get(block, caller),
            Ok(Op::FlushPage { .. }) => return self.flush_page(block, caller),
            Ok(Op::FlushObject { .. }) => self.flush_object(block, caller),
            Ok(Op::NewPool(_)) => self.new_pool(block, caller),
            Ok(Op::DestroyPool { pool_id }) => self.destroy_pool(caller, pool_id),
            Err(DecodeError::Control(_)) => Outcome::Done(Status::NotSupported),
            Err(DecodeError::Unknown { pool_id, .. }) => self.unknown(caller, pool_id),
        };
        outcome.into()
    }

    #[cold]
    #[inline(never)]
    fn unknown(&self, caller: Caller, pool_id: u32) -> Outcome {
        let known = self.engine.pool_lifetime(caller, pool_id).is_ok();
        Outcome::Done(if known { Status::NotImplemented } else { Status::NoDevice })
    }

    #[inline(never)]
    fn destroy_pool(&self, caller: Caller, pool_id: u32) -> Outcome {
        match self.engine.destroy_pool(caller, pool_id) {
            Destroyed::Nothing => Outcome::Done(Status::Nothing),
            Destroyed::Done => Outcome::Done(Status::Success),
            Destroyed::More => Outcome::Again,
        }
    }

    #[inline(never)]
    fn new_pool(&self, block: &impl OpBlock, caller: Caller) -> Outcome {
        let NewPool { flags, uuid } = block.new_pool();
        let Ok(flags) = PoolFlags::check(flags) else {
            return Outcome::Done(Status::NotPermitted);
        };
        Outcome::Done(match self.engine.new_pool(caller, pool_kind(flags, uuid)) {
            Ok(pool_id) => Status::Pool(pool_id),
            Err(NewPoolError::NoPoolId | NewPoolError::NoSharedPool) => Status::NotPermitted,
            Err(NewPoolError::NoMemory) => Status::NoMemory,
            Err(NewPoolError::Dying) => Status::NoDevice,
        })
    }

    // Out of line, so that their stack frames don't add up in `dispatch`.
    #[inline(never)]
    fn put<A: From<Outcome>>(&self, block: &impl OpBlock, caller: Caller) -> A {
        let Handle { pool_id, object, index } = block.handle();
        let from = Gfn(block.frame_number());
        let fill = |frame| self.platform().copy_in(caller.domain(), from, frame);
        let status = match self.engine.put(caller, pool_id, object.0, index.0, fill) {
            Ok(_) => Status::Success,
            // Or it is being saved.
            Err(PutError::NoPool) => return self.put_saving(block, caller).into(),
            Err(PutError::Frozen) => Status::Frozen,
            Err(PutError::NoMemory) => Status::NoMemory,
            Err(PutError::NoSpace) => Status::NoSpace,
            Err(PutError::Fill(_)) => Status::BadAddress,
        };
        Outcome::Done(status).into()
    }

    #[inline(never)]
    fn get<A: From<Outcome>>(&self, block: &impl OpBlock, caller: Caller) -> A {
        let Handle { pool_id, object, index } = block.handle();
        let to = || Gfn(block.frame_number());
        let drain = |frame| self.platform().copy_out(caller.domain(), frame, to());
        match self.engine.get(caller, pool_id, object.0, index.0, drain) {
            Ok(GetOutcome::Hit) => Outcome::Done(Status::Success).into(),
            Ok(GetOutcome::Miss) => Outcome::Done(Status::Nothing).into(),
            Err(error) => self.get_failed(block, caller, error),
        }
    }

    #[cold]
    #[inline(never)]
    fn get_failed<A: From<Outcome>>(
        &self,
        block: &impl OpBlock,
        caller: Caller,
        error: GetError<BadFrame>,
    ) -> A {
        let status = match error {
            // Or it is being saved.
            GetError::NoPool => self.get_saving(block, caller),
            GetError::Empty => Status::Empty,
            GetError::Drain(_) => Status::BadAddress,
        };
        Outcome::Done(status).into()
    }

    #[inline(never)]
    fn flush_page<A: From<Outcome>>(&self, block: &impl OpBlock, caller: Caller) -> A {
        let Handle { pool_id, object, index } = block.handle();
        flushed(self.engine.flush_page(caller, pool_id, object.0, index.0)).into()
    }

    #[inline(never)]
    fn flush_object(&self, block: &impl OpBlock, caller: Caller) -> Outcome {
        flushed(self.engine.flush_object(caller, block.pool_id(), block.object().0))
    }
}

/// What kind of pool is asked for.
pub(crate) const fn pool_kind(flags: PoolFlags, Uuid(uuid): Uuid) -> PoolKind {
    if flags.contains(PoolFlags::SHARED) {
        PoolKind::Shared(uuid)
    } else if flags.contains(PoolFlags::PERSIST) {
        PoolKind::Private(Lifetime::Persistent)
    } else {
        PoolKind::Private(Lifetime::Ephemeral)
    }
}

/// A flush answers 1 whether or not something was there (R20), and -1000 under freeze although it
/// was carried out (R21).
fn flushed(result: Result<Flushed, NoPool>) -> Outcome {
    match result {
        Ok(Flushed::Done { frozen: false }) => Outcome::Done(Status::Success),
        Ok(Flushed::Done { frozen: true }) => Outcome::Done(Status::Frozen),
        Ok(Flushed::More) => Outcome::Again,
        Err(NoPool) => Outcome::Done(Status::NoDevice),
    }
}

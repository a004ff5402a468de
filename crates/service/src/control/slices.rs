//! Operations that go on in slices: how far they came is in the operation itself, what they have
//! found so far is in the caller's buffer, and nothing is kept here.
//!
//! Neither is believed: both are the caller's, and a wrong word spoils its own result.

use crate::control::Clients;
use crate::dispatch::Service;
use crate::platform::{Platform, ToolstackMemory};
use crate::sysctl::clients;
use hypercall_abi::control::{ClientInfo, ControlOp, ControlStatus, POOL_INFO_BYTES, Progress};

/// How far an operation came.
pub(crate) enum Step {
    /// To its end; the result.
    Done(u32),
    /// Not yet; what it needs to go on.
    More(Progress),
}

impl<P: Platform> Service<P> {
    /// A slice of an operation.
    #[inline(never)]
    pub(crate) fn control_slice(
        &self,
        op: ControlOp,
        progress: Progress,
        memory: &impl ToolstackMemory,
    ) -> Result<Step, ControlStatus> {
        match op {
            ControlOp::SetFrozen { who, frozen } => {
                self.freeze_step(clients(who), frozen, progress)
            }
            ControlOp::SetClientInfo { who, buffer } => {
                let info = self.read_client_info(buffer, memory)?;
                self.set_client_info_step(clients(who), info, progress)
            }
            ControlOp::List { who, long, len, buffer } => {
                self.list(clients(who), long, len, buffer, progress, memory)
            }
            ControlOp::GetPools { who, len, buffer } => {
                self.get_pools(clients(who), len, buffer, memory).map(Step::Done)
            }
            ControlOp::SetPools { who, len, buffer } => {
                self.set_pools(clients(who), len, buffer, memory).map(Step::Done)
            }
            ControlOp::GetAuth { who, len, buffer } => {
                self.get_auths(clients(who), len, buffer, memory).map(Step::Done)
            }
            ControlOp::GetStats { of, len, buffer } => {
                self.get_stats(of, len, buffer, progress, memory)
            }
            ControlOp::Audit { len, buffer } => self.audit_step(len, buffer, progress, memory),
            ControlOp::SetMeasuring { on } => {
                self.set_measuring(on);
                Ok(Step::Done(0))
            }
            _ => Err(ControlStatus::NotPermitted),
        }
    }

    /// FREEZE or THAW; for all clients a slice of it.
    #[inline(never)]
    fn freeze_step(
        &self,
        who: Clients,
        frozen: bool,
        [from, ..]: Progress,
    ) -> Result<Step, ControlStatus> {
        if let Clients::One(_) = who {
            let set = self.set_frozen(who, frozen);
            return set.map(|()| Step::Done(0)).map_err(|_| ControlStatus::NotPermitted);
        }
        // One that dies meanwhile needs no freezing.
        let next = self.engine.visit_clients(record(from), |domain| {
            self.engine.set_frozen(domain, frozen);
        });
        Ok(next.map_or(Step::Done(0), |next| Step::More([next.into(), 0, 0])))
    }

    /// A client's settings; for all clients a slice of it.
    #[inline(never)]
    fn set_client_info_step(
        &self,
        who: Clients,
        info: ClientInfo,
        [from, set_before, _]: Progress,
    ) -> Result<Step, ControlStatus> {
        if let Clients::One(domain) = who {
            let set = self.set_weight(domain, info.weight);
            return set.map(|()| Step::Done(0)).map_err(|_| ControlStatus::NoEntry);
        }
        let mut is_any_set = set_before != 0;
        let next = self.engine.visit_clients(record(from), |domain| {
            is_any_set |= self.set_weight(domain, info.weight).is_ok();
        });
        match next {
            Some(next) => Ok(Step::More([next.into(), is_any_set.into(), 0])),
            None if is_any_set => Ok(Step::Done(0)),
            None => Err(ControlStatus::NoEntry),
        }
    }
}

/// The number of a record in a word of progress; beyond all, if it is none.
pub(crate) fn record(word: u64) -> u32 {
    u32::try_from(word).unwrap_or(u32::MAX)
}

/// Pools' records in `len` bytes, if that is a number of records and not more than `max`.
pub(crate) fn nr_records(len: u32, max: usize) -> Result<u32, ControlStatus> {
    #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
    const RECORD: u32 = POOL_INFO_BYTES as u32;
    if !len.is_multiple_of(RECORD) {
        return Err(ControlStatus::Invalid);
    }
    let nr_records = len / RECORD;
    if nr_records as usize > max {
        return Err(ControlStatus::TooBig);
    }
    Ok(nr_records)
}

/// A part of a record in a buffer that may be shorter than the record.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    /// Bytes in the buffer.
    pub(crate) len: u32,
    /// Where it is.
    pub(crate) buffer: u64,
}

impl Window {
    /// Writes what fits of `bytes`, which stand at `offset` in the record.
    pub(crate) fn write(
        self,
        offset: usize,
        bytes: &[u8],
        memory: &impl ToolstackMemory,
    ) -> Result<(), ControlStatus> {
        let (address, fitting) = self.part(offset, bytes.len())?;
        match bytes.get(..fitting) {
            None | Some([]) => Ok(()),
            Some(bytes) => Ok(memory.write(address, bytes)?),
        }
    }

    /// Reads what fits into `bytes`, which stand at `offset` in the record.
    pub(crate) fn read(
        self,
        offset: usize,
        bytes: &mut [u8],
        memory: &impl ToolstackMemory,
    ) -> Result<(), ControlStatus> {
        let (address, fitting) = self.part(offset, bytes.len())?;
        match bytes.get_mut(..fitting) {
            None | Some([]) => Ok(()),
            Some(bytes) => Ok(memory.read(address, bytes)?),
        }
    }

    /// The address of a part of the record, and how many bytes of it are in the buffer.
    fn part(self, offset: usize, len: usize) -> Result<(u64, usize), ControlStatus> {
        let fitting = (self.len as usize).saturating_sub(offset).min(len);
        if fitting == 0 {
            // Of what does not fit no address is asked for.
            return Ok((self.buffer, 0));
        }
        let address = self.buffer.checked_add(offset as u64).ok_or(ControlStatus::BadAddress)?;
        Ok((address, fitting))
    }
}

//! The toolstack's operation: bytes in, a status out, as the guest's in `dispatch.rs`.
//!
//! Whoever calls is privileged; that was asked before. Nothing else is believed: lengths, numbers of
//! domains and addresses are judged here or by [`ToolstackMemory`].
//!
//! Source of the statuses: Xen stable-4.11, `xen/common/tmem_control.c`; where that was a defect,
//! `docs/hypercall.md` says what is answered instead.

use crate::control::Clients;
use crate::control::slices::Step;
use crate::dispatch::Service;
use crate::platform::{BadBuffer, Platform, ToolstackMemory};
use hypercall_abi::POOLS_PER_DOMAIN_MAX;
use hypercall_abi::control::{
    CLIENT_INFO_BYTES, CONTROL_BYTES, ClientFlags, ClientId, ClientInfo, ControlOp, ControlStatus,
    progress, set_progress,
};
use tmem_engine::DomainId;

/// Pages that one slice of FLUSH evicts at most.
const FLUSH_SLICE_PAGES: u32 = 32;

/// KiB in a page, as a shift.
const KIB_PER_PAGE_SHIFT: u32 = 2;
/// Pages in a MiB, as a shift.
const PAGES_PER_MIB_SHIFT: u32 = 8;

/// The most that a result tells: toolstacks take it for an `int`.
const COUNT_MAX: u64 = i32::MAX as u64;

/// How far a control operation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an unfinished operation must be made again"]
pub enum ControlOutcome {
    /// Finished.
    Done(ControlStatus),
    /// A slice is done. The operation's bytes say how far it came: made again with these, it goes on.
    Again,
}

impl<P: Platform> Service<P> {
    /// Carries out the operation in `block`, or a slice of it, with the buffers that it names in
    /// `memory`.
    pub fn control(
        &self,
        block: &mut [u8; CONTROL_BYTES],
        memory: &impl ToolstackMemory,
    ) -> ControlOutcome {
        let done = match ControlOp::decode(block) {
            Err(status) => Err(status),
            Ok(ControlOp::Flush { kib, freed_pages }) => match self.flush(kib, freed_pages) {
                Flush::Done(count) => Ok(count),
                Flush::More { freed_pages } => {
                    *block = ControlOp::Flush { kib, freed_pages }.encode();
                    return ControlOutcome::Again;
                }
            },
            Ok(ControlOp::GetClientInfo { who, buffer }) => {
                let info = self.client_info(clients(who)).encode();
                memory.write(buffer, &info).map(|()| 0).map_err(ControlStatus::from)
            }
            Ok(ControlOp::Save(op)) => return self.save(op, block, memory),
            Ok(ControlOp::QueryFreeable) => Ok(count(self.freeable_pages() >> PAGES_PER_MIB_SHIFT)),
            Ok(ControlOp::SetAuth { who, len, buffer }) => {
                self.set_auths(clients(who), len, buffer, memory)
            }
            Ok(op) => match self.control_slice(op, progress(block), memory) {
                Ok(Step::Done(count)) => Ok(count),
                Ok(Step::More(progress)) => {
                    set_progress(block, progress);
                    return ControlOutcome::Again;
                }
                Err(status) => Err(status),
            },
        };
        ControlOutcome::Done(match done {
            Ok(count) => ControlStatus::Done(count),
            Err(status) => status,
        })
    }

    /// A slice of FLUSH: evicts until as much as was asked for is freed, or nothing is left.
    fn flush(&self, kib: u32, freed_pages: u64) -> Flush {
        let wanted = u64::from(kib).div_ceil(1 << KIB_PER_PAGE_SHIFT);
        let left = u32::try_from(wanted.saturating_sub(freed_pages)).unwrap_or(u32::MAX);
        let slice = left.min(FLUSH_SLICE_PAGES);
        let freed = self.reclaim(slice);
        let freed_pages = freed_pages.saturating_add(u64::from(freed));
        // Fewer than a slice: there is no more, or not just now.
        if freed < slice || left == slice {
            return Flush::Done(count(freed_pages.saturating_mul(1 << KIB_PER_PAGE_SHIFT)));
        }
        Flush::More { freed_pages }
    }

    /// What a toolstack is told of a client; of one that is none, what it would begin with.
    fn client_info(&self, who: Clients) -> ClientInfo {
        let state = match who {
            Clients::One(domain) => self.client_state(domain).unwrap_or_default(),
            Clients::All => Default::default(),
        };
        let mut flags = ClientFlags::empty();
        flags.set(ClientFlags::FROZEN, state.frozen);
        flags.set(ClientFlags::MIGRATING, state.migrating);
        ClientInfo {
            version: ClientInfo::VERSION,
            maxpools: POOLS_PER_DOMAIN_MAX,
            nr_pools: state.nr_pools,
            flags,
            weight: state.weight,
        }
    }

    pub(crate) fn read_client_info(
        &self,
        buffer: u64,
        memory: &impl ToolstackMemory,
    ) -> Result<ClientInfo, ControlStatus> {
        let mut bytes = [0; CLIENT_INFO_BYTES];
        memory.read(buffer, &mut bytes)?;
        let info = ClientInfo::decode(&bytes);
        if info.version != ClientInfo::VERSION {
            return Err(ControlStatus::NotSupported);
        }
        if info.maxpools > POOLS_PER_DOMAIN_MAX {
            return Err(ControlStatus::OutOfRange);
        }
        // Pages are not compressed yet; better a refusal than a setting without effect.
        if info.flags.contains(ClientFlags::COMPRESS) {
            return Err(ControlStatus::NotSupported);
        }
        Ok(info)
    }
}

/// How far FLUSH came.
enum Flush {
    /// KiB that were freed in all.
    Done(u32),
    More {
        freed_pages: u64,
    },
}

pub(crate) fn clients(who: ClientId) -> Clients {
    match who {
        ClientId::One(domain) => Clients::One(DomainId(domain)),
        ClientId::All => Clients::All,
    }
}

/// `number` as a result; the greatest, if it is greater than results can be.
fn count(number: u64) -> u32 {
    u32::try_from(number.min(COUNT_MAX)).unwrap_or(u32::MAX)
}

impl From<BadBuffer> for ControlStatus {
    fn from(BadBuffer: BadBuffer) -> Self {
        Self::BadAddress
    }
}

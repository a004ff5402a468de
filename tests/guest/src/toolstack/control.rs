//! The control operations of tmem, as an operator's tool makes them. An answer below 0 is an errno,
//! negated.

use crate::skip;
use crate::verdict::CaseResult;
use crate::xen::release::Release;
use crate::xen::sysctl::send_sysctl_address;
use hypercall_abi::Uuid;
use hypercall_abi::control::{
    self, CLIENT_INFO_BYTES, CONTROL_BYTES, ClientId, ClientInfo, ControlOp, POOL_INFO_BYTES,
    PoolInfo, SYSCTL_BYTES,
};

/// The way to the control operations.
#[derive(Clone, Copy, Debug)]
pub struct Control(Release);

/// Xen's answer to a sysctl that is not built.
const NOT_IMPLEMENTED: i64 = -38;

impl Control {
    /// The way, if there is one.
    ///
    /// # Errors
    /// Skip, in a Xen whose interface is not known or that has no such operations.
    pub fn new() -> CaseResult<Self> {
        let Some(release) = Release::running() else {
            skip!("this guest does not know the toolstack's interface of this Xen");
        };
        let control = Self(release);
        if control.freeable_mib() == NOT_IMPLEMENTED {
            skip!("this Xen has no control operations of tmem");
        }
        Ok(control)
    }

    pub(super) fn send(self, op: &ControlOp) -> i64 {
        self.send_block(&mut op.encode())
    }

    /// Sends an operation's bytes as they are, and has them back as Xen left them. They must name no
    /// buffer but the callers' in this module, one in the rig's pages, or such as is no memory of this
    /// guest's.
    pub fn send_block(self, op: &mut [u8; CONTROL_BYTES]) -> i64 {
        // SAFETY: buffers that our own operations name are the callers' below, their addresses
        // exposed, as are those of the rig's pages, which are looked at by raw pointers; what is not
        // mapped here Xen can't write.
        unsafe { self.0.tmem_control(op) }
    }

    /// A whole request that carries `op`, of the interface's version and so many more.
    pub fn request(self, op: &ControlOp, versions_on: u32) -> [u8; SYSCTL_BYTES] {
        control::sysctl(self.0.sysctl.wrapping_add(versions_on), op)
    }

    /// Sends the address of a request, at which there may be none. A buffer that it names must be one
    /// such as [`Self::send_block`] wants.
    pub fn send_address(self, address: u64) -> i64 {
        send_sysctl_address(address)
    }

    /// SET_AUTH: allows a domain the shared pools of that uuid, or forbids them.
    pub fn authorise(self, domid: u16, uuid: Uuid, allowed: bool) -> i64 {
        let flags = if allowed { PoolInfo::AUTHORISE } else { 0 };
        let record = PoolInfo { flags, uuid, ..PoolInfo::default() }.encode();
        let len = u32::try_from(POOL_INFO_BYTES).unwrap_or_default();
        let buffer = record.as_ptr().expose_provenance() as u64;
        self.send(&ControlOp::SetAuth { who: ClientId::One(domid), len, buffer })
    }

    /// FREEZE or THAW.
    pub fn set_frozen(self, who: ClientId, frozen: bool) -> i64 {
        self.send(&ControlOp::SetFrozen { who, frozen })
    }

    /// GET_CLIENT_INFO.
    ///
    /// # Errors
    /// Xen's answer.
    pub fn client_info(self, domid: u16) -> Result<ClientInfo, i64> {
        let mut record = [0; CLIENT_INFO_BYTES];
        let buffer = record.as_mut_ptr().expose_provenance() as u64;
        match self.send(&ControlOp::GetClientInfo { who: ClientId::One(domid), buffer }) {
            0 => Ok(ClientInfo::decode(&record)),
            answer => Err(answer),
        }
    }

    /// SET_CLIENT_INFO: a domain's weight.
    pub fn set_weight(self, domid: u16, weight: u32) -> i64 {
        let info = match self.client_info(domid) {
            Ok(info) => ClientInfo { weight, ..info },
            Err(answer) => return answer,
        };
        let record = info.encode();
        let buffer = record.as_ptr().expose_provenance() as u64;
        self.send(&ControlOp::SetClientInfo { who: ClientId::One(domid), buffer })
    }

    /// FLUSH: evicts `kib` KiB of ephemeral pages; the KiB that were given back.
    pub fn flush(self, kib: u32) -> i64 {
        self.send(&ControlOp::Flush { kib, freed_pages: 0 })
    }

    /// QUERY_FREEABLE_MB: MiB that FLUSH could give back.
    pub fn freeable_mib(self) -> i64 {
        self.send(&ControlOp::QueryFreeable)
    }
}

//! Parameters of a PVH domain: numbers that Xen keeps for it and for the toolstack.

use super::hypercall::hypercall;
use xen_sys::__HYPERVISOR_hvm_op;

/// `HVMOP_set_param` (`xen/include/public/hvm/hvm_op.h`).
const SET_PARAM: u64 = 0;
/// `HVMOP_get_param`.
const GET_PARAM: u64 = 1;
/// `DOMID_SELF` (`xen/include/public/xen.h`).
const DOMID_SELF: u16 = 0x7ff0;

/// A parameter (`xen/include/public/hvm/params.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Param {
    /// `HVM_PARAM_CALLBACK_IRQ`: how events come.
    CallbackIrq = 0,
    /// `HVM_PARAM_STORE_PFN`: the frame of xenstore's ring.
    StoreFrame = 1,
    /// `HVM_PARAM_STORE_EVTCHN`: the port by which xenstore is told.
    StorePort = 2,
    /// `HVM_PARAM_CONSOLE_PFN`: the frame of the console's ring.
    ConsoleFrame = 17,
    /// `HVM_PARAM_CONSOLE_EVTCHN`: the port by which the console is told.
    ConsolePort = 18,
}

/// `struct xen_hvm_param`.
#[repr(C)]
struct HvmParam {
    domain: u16,
    padding: u16,
    index: u32,
    value: u64,
}

impl HvmParam {
    const fn own(param: Param, value: u64) -> Self {
        Self { domain: DOMID_SELF, padding: 0, index: param as u32, value }
    }
}

/// Sets one of this domain's own; whether Xen took it.
pub(super) fn set(param: Param, value: u64) -> bool {
    let block = HvmParam::own(param, value);
    let arguments = [SET_PARAM, (&raw const block).expose_provenance() as u64, 0, 0];
    // SAFETY: `set_param` takes the address of a parameter, which it only reads.
    unsafe { hypercall(__HYPERVISOR_hvm_op, arguments) == 0 }
}

/// Reads one of this domain's own; `None` if Xen does not tell.
pub(super) fn get(param: Param) -> Option<u64> {
    let mut block = HvmParam::own(param, 0);
    let arguments = [GET_PARAM, (&raw mut block).expose_provenance() as u64, 0, 0];
    // SAFETY: `get_param` takes the address of a parameter, which it reads and writes.
    let answer = unsafe { hypercall(__HYPERVISOR_hvm_op, arguments) };
    (answer == 0).then(|| core::hint::black_box(block).value)
}

//! The security module FLASK (`xen/include/public/xsm/flask_op.h`): whether it enforces its policy.

use super::hypercall::hypercall;
use xen_sys::__HYPERVISOR_xsm_op;

/// `FLASK_SETENFORCE`.
const SET_ENFORCE: u32 = 3;
/// `XEN_FLASK_INTERFACE_VERSION`.
const INTERFACE_VERSION: u32 = 1;

/// `-EACCES`, FLASK's refusal.
const DENIED: i64 = -13;
/// `-EPERM`, that of a Xen without it.
const NOT_PRIVILEGED: i64 = -1;

/// `struct xen_flask_op`, whose union is filled up to more than its largest member.
#[repr(C, align(8))]
struct FlaskOp {
    command: u32,
    interface_version: u32,
    enforcing: u32,
    rest_of_union: [u32; 13],
}

/// What a domain without the right to it is answered on a sysctl.
pub fn sysctl_refusal() -> i64 {
    // It enforces already, in all boots that ask: no change, and told from a Xen that has none.
    if set_enforcing(true) == 0 { DENIED } else { NOT_PRIVILEGED }
}

/// Makes FLASK enforce its policy, or only report what it would deny. Returns Xen's answer, 0 if
/// done; -38 if this Xen has no FLASK.
pub fn set_enforcing(enforcing: bool) -> i64 {
    let mut op = FlaskOp {
        command: SET_ENFORCE,
        interface_version: INTERFACE_VERSION,
        enforcing: enforcing.into(),
        rest_of_union: [0; 13],
    };
    let place = (&raw mut op).expose_provenance() as u64;
    // SAFETY: the operation is ours and as large as Xen's; if Xen writes, then there.
    unsafe { hypercall(__HYPERVISOR_xsm_op, [place, 0, 0, 0]) }
}

//! The security module FLASK (`xen/include/public/xsm/flask_op.h`): whether it enforces its policy, and
//! its numbers for labels.

use super::hypercall::hypercall;
use xen_sys::__HYPERVISOR_xsm_op;

/// `FLASK_SETENFORCE`.
const SET_ENFORCE: u32 = 3;
/// `FLASK_CONTEXT_TO_SID`.
const CONTEXT_TO_SID: u32 = 4;
/// `XEN_FLASK_INTERFACE_VERSION`.
const INTERFACE_VERSION: u32 = 1;

/// `struct xen_flask_op`, whose union is filled up to more than its largest member.
#[repr(C, align(8))]
struct FlaskOp {
    command: u32,
    interface_version: u32,
    /// Whether to enforce; or a label's number.
    first: u32,
    /// Bytes of the text, for a label.
    size: u32,
    /// Where it is.
    text: u64,
    rest_of_union: [u32; 10],
}

impl FlaskOp {
    const fn new(command: u32, first: u32, size: u32, text: u64) -> Self {
        let rest_of_union = [0; 10];
        Self { command, interface_version: INTERFACE_VERSION, first, size, text, rest_of_union }
    }

    fn send(&mut self) -> i64 {
        let place = (&raw mut *self).expose_provenance() as u64;
        // SAFETY: the operation is ours and as large as Xen's; if Xen writes, then there. What `text`
        // names it only reads.
        unsafe { hypercall(__HYPERVISOR_xsm_op, [place, 0, 0, 0]) }
    }
}

/// Makes FLASK enforce its policy, or only report what it would deny. Returns Xen's answer, 0 if
/// done; -38 if this Xen has no FLASK.
pub fn set_enforcing(enforcing: bool) -> i64 {
    FlaskOp::new(SET_ENFORCE, enforcing.into(), 0, 0).send()
}

/// While it lasts, FLASK only reports what it would deny: for what Xen's default policy allows no
/// toolstack, such as taking a processor away. Where there is no FLASK it does nothing.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct NotEnforcing {
    has_flask: bool,
}

impl NotEnforcing {
    /// From now on.
    pub fn begin() -> Self {
        Self { has_flask: set_enforcing(false) == 0 }
    }
}

impl Drop for NotEnforcing {
    fn drop(&mut self) {
        if self.has_flask {
            let _it_did_before = set_enforcing(true);
        }
    }
}

/// Whether this Xen has FLASK.
pub fn is_there() -> bool {
    label(CHILD_LABEL) != 0
}

/// What the default policy calls a guest that the control domain may create and manage.
pub const CHILD_LABEL: &str = "system_u:system_r:domU_t";

/// The number of a label, for creating a domain with it; 0 where there is no FLASK, or no such label.
pub fn label(name: &str) -> u32 {
    let Ok(size) = u32::try_from(name.len()) else { return 0 };
    let mut op = FlaskOp::new(CONTEXT_TO_SID, 0, size, name.as_ptr().expose_provenance() as u64);
    match op.send() {
        // Xen wrote there behind the compiler's back.
        0 => core::hint::black_box(op.first),
        _ => 0,
    }
}

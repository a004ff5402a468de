//! Which Xen this is (`xen/include/public/version.h`; the numbers are not in `xen-sys`).

use super::hypercall::hypercall;
use crate::plain::text::Text;
use xen_sys::__HYPERVISOR_xen_version;

/// `XENVER_version`: major << 16 | minor.
const VERSION: u64 = 0;
/// `XENVER_extraversion`: fills 16 bytes.
const EXTRAVERSION: u64 = 1;

/// The hypercall that does the least: it asks for Xen's version.
#[inline(always)]
pub fn ask() -> i64 {
    // SAFETY: takes no pointer.
    unsafe { hypercall(__HYPERVISOR_xen_version, [VERSION, 0, 0, 0]) }
}

/// Xen's release as numbers: (major, minor).
pub fn number() -> (u32, u32) {
    let number = u32::try_from(ask()).unwrap_or(0);
    (number >> 16, number & 0xffff)
}

/// Xen's release as its banner shows it, for example `4.17.5`: major, minor, extraversion.
pub fn release() -> Text<40> {
    let (major, minor) = number();
    let mut extra = [0_u8; 16];
    let place = extra.as_mut_ptr().expose_provenance() as u64;
    // SAFETY: writes 16 bytes, through the address given.
    let answer = unsafe { hypercall(__HYPERVISOR_xen_version, [EXTRAVERSION, place, 0, 0]) };
    let bytes = extra.split(|&byte| byte == 0).next().unwrap_or_default();
    let extra = if answer == 0 { core::str::from_utf8(bytes).unwrap_or("?") } else { "?" };
    Text::of(format_args!("{major}.{minor}{extra}"))
}

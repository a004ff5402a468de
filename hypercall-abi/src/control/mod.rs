//! The toolstack's side of the wire: `XEN_SYSCTL_tmem_op`, in the form of Xen 4.8 to 4.12.
//!
//! Holds the operation's 56 bytes ([`ControlOp`]), the records that its buffers carry
//! ([`ClientInfo`], [`PoolInfo`]), saving and restoring ([`SaveOp`]), and its results
//! ([`ControlStatus`]). GET_STATS, AUDIT, SET_MEASURING and GET_AUTH with their records
//! ([`StatsInfo`], [`AuditInfo`]) are ours.
//!
//! Must not know: who may call it, and what clients there are.
//!
//! Source of the facts: `xen/include/public/sysctl.h` and `xen/common/tmem_control.c` at stable-4.11.

mod audit;
mod op;
mod records;
mod save;
mod stats;
mod status;

pub use audit::{AUDIT_INFO_BYTES, AuditInfo};
pub use op::{ClientId, ControlOp, Progress, StatsOf, progress, set_progress, subcommand};
pub use records::{CLIENT_INFO_BYTES, ClientFlags, ClientInfo, POOL_INFO_BYTES, PoolInfo};
pub use save::{HANDLE_BYTES, Removed, SAVED_PAGE_BYTES, SaveOp, decode_handle, encode_handle};
pub use stats::{
    Counter, HISTOGRAM_BYTES, Histogram, LATENCY_BUCKETS, STATS_BYTES, STATS_INFO_BYTES,
    StatsCounters, StatsFlags, StatsInfo, StatsKind, Timed, Unit,
};
pub use status::ControlStatus;

/// Number of the sysctl (`XEN_SYSCTL_tmem_op`), reserved since tmem was removed.
pub const SYSCTL_TMEM_OP: u32 = 24;

/// Number of the hypercall that carries it (`__HYPERVISOR_sysctl`).
pub const HYPERVISOR_SYSCTL: u32 = 35;

/// Bytes of the operation (`struct xen_sysctl_tmem_op`), the same for 32- and 64-bit toolstacks.
pub const CONTROL_BYTES: usize = 56;

/// Bytes of `struct xen_sysctl`: command, interface version, and 128 bytes of arguments.
pub const SYSCTL_BYTES: usize = 136;

/// Offset of the arguments in `struct xen_sysctl`.
const ARGUMENTS_OFFSET: usize = 8;

/// The whole `struct xen_sysctl` that carries `op`. `interface_version` is that of the Xen which
/// runs (`XEN_SYSCTL_INTERFACE_VERSION`: 0x15 in 4.17 to 4.20, 0x16 in 4.21 and 4.22).
pub fn sysctl(interface_version: u32, op: &ControlOp) -> [u8; SYSCTL_BYTES] {
    sysctl_block(interface_version, &op.encode())
}

/// As [`sysctl`], for an operation's bytes as they are.
pub fn sysctl_block(interface_version: u32, op: &[u8; CONTROL_BYTES]) -> [u8; SYSCTL_BYTES] {
    let mut block = [0; SYSCTL_BYTES];
    let (head, arguments) = block.split_at_mut(ARGUMENTS_OFFSET);
    let words = [SYSCTL_TMEM_OP.to_le_bytes(), interface_version.to_le_bytes()];
    head.copy_from_slice(words.as_flattened());
    for (place, byte) in arguments.iter_mut().zip(op) {
        *place = *byte;
    }
    block
}

/// The operation's bytes in a whole `struct xen_sysctl`, where Xen may have changed them.
pub fn sysctl_op(block: &[u8; SYSCTL_BYTES]) -> [u8; CONTROL_BYTES] {
    let (_, arguments) = block.split_at(ARGUMENTS_OFFSET);
    arguments.first_chunk().copied().unwrap_or([0; CONTROL_BYTES])
}

/// The 32-bit little-endian word at `at`; 0 outside.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u32::from_le_bytes(*word))
}

/// The 64-bit little-endian word at `at`; 0 outside.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
}

/// Writes `field` at `at`; nothing if it does not fit.
fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..field.len())) {
        place.copy_from_slice(field);
    }
}

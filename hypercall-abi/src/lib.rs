//! The wire between a guest and the hypervisor: hypercall 38, `tmem_op`, ABI version 1.
//!
//! Holds the layouts of the operation block for 64-bit and 32-bit callers, every command number
//! live or retired, the pool flags, every status, the decoding of raw bytes into an owned [`Op`]
//! and the encoding of a [`Status`]. The toolstack's interface is in [`control`].
//!
//! Must not know: pools, pages, domains' rights, Xen's internals. It is `no_std`, allocates
//! nothing and forbids `unsafe`, so that hypervisor, test guest and tools share one set of numbers.
//! Start with [`decode()`] and [`Op`].
//!
//! Source of the facts: Xen's `xen/include/public/tmem.h` (checked by `cargo xtask check-abi`) and
//! the behaviour of `xen/common/tmem.c` at stable-4.11.
#![no_std]
#![forbid(unsafe_code)]

pub mod control;
mod decode;
mod flags;
mod layout;
mod op;
mod status;

pub use decode::{DecodeError, OpBlock, decode, decode_compat};
pub use flags::{PoolFlagError, PoolFlags};
pub use layout::{CreatArm, GenArm32, GenArm64, OP_BYTES_32, OP_BYTES_64};
pub use op::{Handle, NewPool, ObjectId, Op, PageIndex, Uuid, command};
pub use status::Status;

/// Number of the `tmem_op` hypercall in Xen's hypercall table (`__HYPERVISOR_tmem_op` in
/// `xen/include/public/xen.h`).
pub const HYPERVISOR_TMEM_OP: u32 = 38;

/// Bytes of one page of content; the only page size that the ABI's page-size field may name on x86.
pub const PAGE_SIZE_BYTES: usize = 4096;

/// Pools that one domain may have: ids 0 to 15 (Xen stable-4.11, `MAX_POOLS_PER_DOMAIN`).
pub const POOLS_PER_DOMAIN_MAX: u32 = 16;

/// Shared pools that may exist in the whole system (Xen stable-4.11, `MAX_GLOBAL_SHARED_POOLS`).
pub const SHARED_POOLS_MAX: usize = 16;

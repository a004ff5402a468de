//! The guest's side of Xen's interface, as little of it as the cases need.
//!
//! Numbers and the layout of `start_info` come from the crate `xen-sys` 0.0.0-pre2, which is
//! generated from Xen's public headers. The rest of that crate is not used, because it is wrong:
//!
//! - its `hypercall_N` don't say that rcx and r11 are clobbered (a PV hypercall is a `syscall`), so
//!   the compiler may keep a live value there; and `hypercall_5` puts the fifth argument into r9
//!   where the ABI says r8: [`hypercall`] is ours;
//! - its `sched_op` passes the reason by value where the ABI takes a pointer: [`shutdown`];
//! - it lacks the numbers and structures of `memory_op` and `xen_version`: [`memory`], [`version`];
//! - it has nothing of tmem: the crate `hypercall-abi` has.
//!
//! What depends on the kind of guest, PV or PVH, is behind [`platform`]; from which mode tmem calls
//! are made, [`caller`] knows.
//!
//! It declares an extern symbol `HYPERCALL_PAGE`; ours has that name, so that its functions would
//! link.

pub mod balloon;
pub mod caller;
pub mod clock;
pub mod console;
pub mod domctl;
pub mod events;
pub mod flask;
pub mod foreign;
pub mod frame_types;
pub mod grants;
mod hvm_param;
mod hypercall;
pub mod memory;
pub mod multicall;
pub mod platform;
pub mod pv;
pub mod pvh;
pub mod release;
pub mod rings;
pub mod shutdown;
mod start;
pub mod sysctl;
pub mod timer;
pub mod tmem;
pub mod version;

pub use hypercall::HYPERCALL_PAGE;
pub use pvh::HvmStartInfo;
pub use start::{Start, StartInfo};

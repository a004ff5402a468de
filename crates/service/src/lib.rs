//! One call in, one status out: which client, which right, decode, dispatch.
//!
//! Holds the order of the checks, the choice between the two block layouts, the translation of the
//! engine's answers into statuses, and what the toolstack and the hypervisor ask (`control.rs` by
//! name, `sysctl.rs` in bytes). The engine below knows no status; the shim above knows no pool.
//!
//! Must not know: Xen, C, how a guest's memory is reached (it asks [`GuestPages`]). No `unsafe`.
#![no_std]
#![forbid(unsafe_code)]

mod control;
mod dispatch;
mod latency;
mod platform;
mod save;
mod sysctl;

pub use control::{AuthError, Clients, Progress, UnknownClient};
pub use dispatch::{Outcome, Service};
pub use platform::{
    BadBuffer, BadFrame, Domains, Gfn, GuestPages, Holdings, Latencies, Platform, ToolstackMemory,
};
pub use sysctl::ControlOutcome;
pub use tmem_engine::{
    AuditError, ClientState, DomainId, FrameId, Host, NoMemory, PoolStats, Totals,
};

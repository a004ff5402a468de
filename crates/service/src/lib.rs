//! One call in, one status out: which client, which right, decode, dispatch.
//!
//! Holds the order of the checks, the choice between the two block layouts, the translation of the
//! engine's answers into statuses, and the toolstack's calls (freezing, authorisation, domain
//! death). The engine below knows no status; the shim above knows no pool.
//!
//! Must not know: Xen, C, how a guest's memory is reached (it asks [`GuestPages`]). No `unsafe`.
#![no_std]
#![forbid(unsafe_code)]

mod control;
mod dispatch;
mod platform;

pub use control::{AuthError, Clients, Progress, UnknownClient};
pub use dispatch::{Outcome, Service};
pub use platform::{BadFrame, Domains, Gfn, GuestPages, Platform};
pub use tmem_engine::{AuditError, DomainId, FrameId, Host, NoMemory, PoolStats, Totals};

//! One call in, one status out: which client, which right, decode, dispatch.
//!
//! Holds the order of the checks, the choice between the two block layouts, the translation of the
//! engine's answers into statuses, and the toolstack's calls (freezing, authorisation, domain
//! death). The engine below knows no status; the shim above knows no pool.
//!
//! Must not know: Xen, C, how a guest's memory is reached (it asks [`GuestPages`]). No `unsafe`.
#![no_std]
#![forbid(unsafe_code)]

use hypercall_abi::{OP_BYTES_32, OP_BYTES_64, Op, Status, Uuid};
pub use tmem_engine::{DomainId, FrameId, Host};

/// A guest's frame number as the caller gave it; unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gfn(pub u64);

/// The guest's frame can't be used: not RAM, not its own, not writable for a get, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFrame;

/// Copies of whole pages between a guest's frames and ours.
///
/// A guest may write its frame at any time, so bytes are copied, never borrowed, and whoever wants
/// to decide by content decides by the copy.
pub trait GuestPages {
    /// Copies the calling domain's page `from` into frame `to`.
    ///
    /// # Errors
    /// [`BadFrame`]; `to` then holds anything.
    fn copy_in(&self, domain: DomainId, from: Gfn, to: FrameId) -> Result<(), BadFrame>;

    /// Copies frame `from` into the calling domain's page `to`, which must be writable.
    ///
    /// # Errors
    /// [`BadFrame`]; the guest's page is then unchanged.
    fn copy_out(&self, domain: DomainId, from: FrameId, to: Gfn) -> Result<(), BadFrame>;
}

/// What the service asks about domains.
pub trait Domains {
    /// Whether `domain` is dying or gone. Once true for a domain, true until the number is reused.
    fn is_dying(&self, domain: DomainId) -> bool;
}

/// All that the service needs below it.
pub trait Platform: Host + GuestPages + Domains {}
impl<T: Host + GuestPages + Domains> Platform for T {}

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an unfinished call must be made again"]
pub enum Outcome {
    /// Finished: the guest's answer.
    Done(Status),
    /// A slice of bounded work is done and more is left. The same call, made again with the same
    /// operation, goes on; nothing is remembered for it, and it may as well never be made.
    Again,
}

/// How far the destruction of a domain came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an unfinished destruction must be called again"]
pub enum Progress {
    /// Nothing of the domain is left.
    Done,
    /// Call again.
    More,
}

/// One domain, or every client that there is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// This domain.
    One(DomainId),
    /// All that exist at this moment.
    All,
}

/// The domain is no client of tmem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownClient;

//! What the service asks of the machine below it, beside what the engine asks.

use hypercall_abi::control::{Histogram, Timed};
use tmem_engine::{DomainId, FrameId, Host};

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

/// A buffer of the toolstack's can't be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadBuffer;

/// The memory of the toolstack whose operation is being carried out: of the caller, that is.
pub trait ToolstackMemory {
    /// Reads what lies at `address`.
    ///
    /// # Errors
    /// [`BadBuffer`]; `into` then holds anything.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), BadBuffer>;

    /// Writes to `address`.
    ///
    /// # Errors
    /// [`BadBuffer`]; some of it may have been written.
    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), BadBuffer>;

    /// Reads a whole page of content at `address` into frame `into`.
    ///
    /// # Errors
    /// [`BadBuffer`]; `into` then holds anything.
    fn read_page(&self, address: u64, into: FrameId) -> Result<(), BadBuffer>;

    /// Writes the content of frame `from` to `address`.
    ///
    /// # Errors
    /// [`BadBuffer`]; some of it may have been written.
    fn write_page(&self, address: u64, from: FrameId) -> Result<(), BadBuffer>;
}

/// What the service asks about domains.
pub trait Domains {
    /// Whether `domain` is dying or gone. Once true for a domain, true until the number is reused.
    fn is_dying(&self, domain: DomainId) -> bool;

    /// The same of the domain that makes the call that is being answered. A host that begins no
    /// domain's death in the middle of its call may have looked at the beginning.
    #[inline(always)]
    fn is_caller_dying(&self, caller: DomainId) -> bool {
        self.is_dying(caller)
    }
}

/// What of the host's memory is tmem's.
pub trait Holdings {
    /// Frames that the host has given: with pages, with metadata, and free ones that are kept ready.
    /// A moment ago.
    fn held_frames(&self) -> u64;

    /// The free ones of these. A moment ago.
    fn ready_frames(&self) -> u64;
}

/// How long guests' calls take, if the host measures that.
pub trait Latencies {
    /// Begins to measure, with all histograms at 0, or ends it. Calls that are under way may count
    /// or not.
    fn set_measuring(&self, on: bool) {
        let _ = on;
    }

    /// Whether it measures.
    fn is_measuring(&self) -> bool {
        false
    }

    /// What was measured, of all CPUs, in nanoseconds.
    fn latencies(&self, of: Timed) -> Histogram {
        let _ = of;
        Histogram::default()
    }
}

/// All that the service needs below it.
pub trait Platform: Host + GuestPages + Domains + Holdings + Latencies {}
impl<T: Host + GuestPages + Domains + Holdings + Latencies> Platform for T {}

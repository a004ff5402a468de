//! What depends on the kind of guest that this is, in one place: the rest of the guest works with
//! frame numbers and a mapping of its own, whichever they are.
//!
//! | | PV | PVH |
//! |---|---|---|
//! | a frame number is | the machine's | the guest's own |
//! | page tables are | Xen's to change | the guest's |
//! | an event comes by | Xen's own trampoline | an interrupt vector |

use super::{pv::Pv, pvh::Pvh};
use core::sync::atomic::{AtomicU8, Ordering};

/// The start of `struct shared_info`, vCPU 0's part of it (`xen/include/public/xen.h`): the same
/// bytes for every kind and width of guest.
#[repr(C)]
pub struct VcpuInfo {
    /// Not 0: an event waits.
    pub upcall_pending: AtomicU8,
    /// Not 0: a PV guest does not want to be interrupted.
    pub upcall_mask: AtomicU8,
}

/// A kind of guest.
pub trait Platform: Sync {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// Maps frame `frame` at `address`, writable, or unmaps the page there. Returns 0 if done.
    ///
    /// # Safety
    /// Nothing that is unmapped may be in use, and nothing that is mapped may alias memory in use.
    unsafe fn set_mapping(&self, address: usize, frame: Option<u64>) -> i64;

    /// Registers the handler that [`super::events`] keeps for this kind; whether Xen took it.
    fn register_event_handler(&self) -> bool;

    /// Whether events interrupt the guest from now on, or from the next call into Xen on.
    fn let_events_in(&self, vcpu: &VcpuInfo, wanted: bool);

    /// Whether `code`, where the guest was interrupted, is the instruction that enters Xen.
    fn enters_xen(&self, code: [u8; 3]) -> bool;

    /// What a frame number means to this kind.
    fn frame_numbers(&self) -> FrameNumbers;
}

/// What a frame number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameNumbers {
    /// A frame of the machine, most of which are other people's.
    Machine,
    /// One of the guest's own, at which there may be nothing.
    Guest,
}

/// The two kinds, as a number that a static can hold.
static IS_PVH: AtomicU8 = AtomicU8::new(0);

/// Says once, at the entry, that this is a PVH guest.
pub(super) fn set_pvh() {
    IS_PVH.store(1, Ordering::Relaxed);
}

/// The kind of guest that runs.
pub fn platform() -> &'static dyn Platform {
    match IS_PVH.load(Ordering::Relaxed) {
        0 => &Pv,
        _ => &Pvh,
    }
}

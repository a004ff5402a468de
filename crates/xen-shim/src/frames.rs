//! The frames that each CPU keeps: a stock, so that few calls reach Xen's heap, and one spare.
//!
//! The spare is for a duplicate put when the host is full: the new content goes into it, the old
//! page's frame takes its place. It is filled before anything else and taken by [`take_spare`]
//! only.
//!
//! Must not know: what frames are for. The state is in C's per-CPU area, of plain cells: a call
//! into Xen may come back in here on the same CPU, so nothing is assumed to last across one.

use crate::ffi::{self, BATCH, PERCPU_ALIGN, PERCPU_BYTES};
use core::cell::Cell;
use core::ffi::c_void;
use core::mem::offset_of;
use static_assertions::const_assert;
use tmem_engine::{Frame, FrameId};

/// Frames that a CPU keeps at most, besides the spare: two batches, so that a guest that puts and
/// flushes by turns works out of the stock.
const STOCK_MAX: usize = 2 * BATCH as usize;

/// One CPU's frames. All zero, as C hands it over, is an empty one. C reads the first two words, to
/// tell how many there are (`struct tmem_percpu`).
///
/// Cells, not locks: only its own CPU uses it, and [`drain`] when that CPU is gone. The numbers in
/// `stock[..nr]` and a non-zero `spare` each stand for a [`Frame`] kept here.
#[repr(C)]
struct Kept {
    spare: Cell<u32>,
    nr: Cell<u32>,
    stock: [Cell<u32>; STOCK_MAX],
}
const_assert!(size_of::<Kept>() <= PERCPU_BYTES);
const_assert!(offset_of!(Kept, spare) == 0 && offset_of!(Kept, nr) == 4);
const_assert!(align_of::<Kept>() <= PERCPU_ALIGN);

impl Kept {
    /// The frames of CPU `cpu`.
    ///
    /// # Safety
    /// `cpu` is offline and its area still exists. The reference is not used after this call of ours
    /// has returned to Xen.
    unsafe fn of_cpu<'a>(cpu: u32) -> &'a Self {
        // SAFETY: the CPU has an area, by the caller's promise.
        let area = unsafe { ffi::tmem_xen_percpu(cpu) };
        // SAFETY: the caller's promise.
        unsafe { Self::in_area(area) }
    }

    /// The frames in a CPU's area.
    ///
    /// # Safety
    /// The area is that of the CPU that this runs on, or of one that is offline and whose area still
    /// exists. The reference is not used after this call of ours has returned to Xen.
    unsafe fn in_area<'a>(area: *const c_void) -> &'a Self {
        // SAFETY: the area is big and aligned enough (asserted above), any bytes are valid cells,
        // and no other CPU uses it (the caller's promise).
        unsafe { &*area.cast() }
    }

    /// Does `action` with this CPU's frames. `action` makes no call into Xen from which one might come
    /// back in here.
    fn here<T>(action: impl FnOnce(&Self) -> T) -> T {
        // SAFETY: this CPU; it does not change before the call returns to Xen.
        action(unsafe { Self::in_area(ffi::tmem_xen_this_percpu()) })
    }

    fn pop_stock(&self) -> Option<Frame> {
        let nr = self.nr.get().checked_sub(1)?;
        let id = FrameId::new(self.stock.get(nr as usize)?.get())?;
        self.nr.set(nr);
        Some(Frame::from_id(id))
    }

    fn pop_spare(&self) -> Option<Frame> {
        FrameId::new(self.spare.take()).map(Frame::from_id)
    }

    /// Fetches a batch from Xen into the empty stock, and the spare, if that is missing, out of it.
    fn refill(&self) {
        if let Some(places) = self.stock.first_chunk() {
            self.nr.set(ffi::take_frames(places));
        }
        if self.spare.get() == 0
            && let Some(frame) = self.pop_stock()
        {
            self.spare.set(frame.into_id().get());
        }
    }

    /// Gives a batch of the stock to where all CPUs take from.
    fn shed(&self) {
        let nr = self.nr.get();
        let left = nr.saturating_sub(BATCH);
        self.nr.set(left);
        if let Some(numbers) = self.stock.get(left as usize..nr as usize) {
            // SAFETY: each stands for a frame that was kept here, and no longer is.
            unsafe { ffi::keep_frames(numbers) }
        }
    }

    /// Keeps `frame`, as the spare if there is none, or hands it back: there is no room.
    fn push(&self, frame: Frame) -> Result<(), Frame> {
        if self.spare.get() == 0 {
            self.spare.set(frame.into_id().get());
            return Ok(());
        }
        let nr = self.nr.get();
        match self.stock.get(nr as usize) {
            Some(place) => {
                place.set(frame.into_id().get());
                self.nr.set(nr + 1);
                Ok(())
            }
            None => Err(frame),
        }
    }
}

/// A frame to be overwritten in full, or `None` when Xen has none to give.
pub(crate) fn take() -> Option<Frame> {
    Kept::here(Kept::pop_stock).or_else(refill_and_take)
}

/// Fetches a batch from Xen first. Out of line: the common way takes few registers.
#[cold]
#[inline(never)]
fn refill_and_take() -> Option<Frame> {
    Kept::here(|kept| {
        kept.refill();
        kept.pop_stock()
    })
}

/// Gives a frame of this CPU's stock back to Xen, to make room for a page of metadata. `false`: the
/// stock is empty.
pub(crate) fn release() -> bool {
    Kept::here(Kept::pop_stock).map(ffi::free_for_meta).is_some()
}

/// This CPU's spare, if it is there.
pub(crate) fn take_spare() -> Option<Frame> {
    Kept::here(Kept::pop_spare)
}

/// Keeps a frame for the next [`take`] on this CPU; when there is no room, half of the stock goes to
/// where all CPUs take from.
pub(crate) fn give(frame: Frame) {
    if let Err(frame) = Kept::here(|kept| kept.push(frame)) {
        shed_and_give(frame);
    }
}

/// Out of line, as [`refill_and_take`].
#[cold]
#[inline(never)]
fn shed_and_give(frame: Frame) {
    let pushed = Kept::here(|kept| {
        kept.shed();
        kept.push(frame)
    });
    if let Err(frame) = pushed {
        ffi::free_frame(frame);
    }
}

/// Gives all that a CPU keeps back to Xen.
///
/// # Safety
/// CPU `cpu` is offline and its per-CPU area still exists.
pub(crate) unsafe fn drain(cpu: u32) {
    // SAFETY: as the caller promises.
    let kept = unsafe { Kept::of_cpu(cpu) };
    while let Some(frame) = kept.pop_stock().or_else(|| kept.pop_spare()) {
        ffi::free_frame(frame);
    }
}

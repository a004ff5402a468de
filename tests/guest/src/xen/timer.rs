//! A timer whose event shows for how long a call lets nothing through. For a PV guest.
//!
//! The event can be delivered only when the call is put off or over. So how late it arrives, over
//! all moments at which it may be due, is the longest stretch of the call in which Xen looks at
//! nothing, and what the delivery itself takes.

use super::clock::cycles;
use super::events::Events;
use super::hypercall::hypercall;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, Ordering};
use xen_sys::{__HYPERVISOR_event_channel_op, __HYPERVISOR_vcpu_op};

/// `EVTCHNOP_bind_virq` (`xen/include/public/event_channel.h`).
const BIND_VIRQ: u64 = 1;
/// `VIRQ_TIMER` (`xen/include/public/xen.h`).
const VIRQ_TIMER: u32 = 0;
/// `VCPUOP_stop_periodic_timer` (`xen/include/public/vcpu.h`, as the next two).
const STOP_PERIODIC_TIMER: u64 = 7;
/// `VCPUOP_set_singleshot_timer`.
const SET_SINGLESHOT_TIMER: u64 = 8;
/// `VCPUOP_stop_singleshot_timer`.
const STOP_SINGLESHOT_TIMER: u64 = 9;

/// Ticks to the next event at least: if it were due before the handler is done, the guest would do
/// nothing but handle events.
const STEP_MIN: u64 = 20_000;

/// `struct shared_info` of a 64-bit guest, as far as it is used (`xen/include/public/xen.h`).
#[repr(C)]
struct SharedInfo {
    upcall_pending: AtomicU8,
    upcall_mask: AtomicU8,
    padding: [u8; 6],
    pending_selector: AtomicU64,
    cr2_and_padding: [u64; 2],
    time: TimeInfo,
    other_vcpus: [u64; 31 * 8],
    pending: [AtomicU64; 64],
    mask: [AtomicU64; 64],
}

/// `struct vcpu_time_info`: how the cycle counter becomes time.
#[repr(C)]
struct TimeInfo {
    version: u32,
    padding: u32,
    stamp_ticks: AtomicU64,
    stamp_ns: AtomicU64,
    multiplier_and_shift: AtomicU64,
}

/// `struct evtchn_bind_virq`.
#[repr(C)]
struct BindVirq {
    virq: u32,
    vcpu: u32,
    port: u32,
}

/// The timer of vCPU 0.
pub struct Timer {
    shared: *const SharedInfo,
    /// From one event's arrival to when the next is due, in ticks.
    step: AtomicU64,
    due: AtomicU64,
    latest: AtomicU64,
    arrivals: AtomicU64,
}

/// Where the event handler finds the timer; null while none is armed.
static ARMED: AtomicPtr<Timer> = AtomicPtr::new(null_mut());

/// What was seen of a call's stretches.
#[derive(Clone, Copy, Debug)]
pub struct Lateness {
    /// The call's answer.
    pub answer: i64,
    /// By how many ticks the latest event was late.
    pub latest: u64,
    /// How many events came.
    pub arrivals: u64,
}

impl Timer {
    /// Binds the timer's event. `None` if Xen refuses; call it once.
    pub fn new(events: &Events) -> Option<Self> {
        let shared: *const SharedInfo = events.shared_info().cast();
        let mut request = BindVirq { virq: VIRQ_TIMER, vcpu: 0, port: 0 };
        let place = (&raw mut request).expose_provenance() as u64;
        // SAFETY: Xen writes the port into the request, which is ours.
        let answer = unsafe { hypercall(__HYPERVISOR_event_channel_op, [BIND_VIRQ, place, 0, 0]) };
        // The first ports share a word with each other.
        if answer != 0 || request.port == 0 || request.port >= u64::BITS {
            return None;
        }
        let timer = Self {
            shared,
            step: AtomicU64::new(0),
            due: AtomicU64::new(0),
            latest: AtomicU64::new(0),
            arrivals: AtomicU64::new(0),
        };
        vcpu_op(STOP_PERIODIC_TIMER, 0);
        timer.shared().mask[0].fetch_and(!(1 << request.port), Ordering::SeqCst);
        Some(timer)
    }

    fn shared(&self) -> &SharedInfo {
        // SAFETY: mapped by `Events` for good; what Xen changes is accessed as atomic words.
        unsafe { &*self.shared }
    }

    /// Makes `operation` with an event due `step` ticks from now, and others each that long after the
    /// one before, but no less than [`STEP_MIN`].
    pub fn measure(&self, step: u64, operation: impl FnOnce() -> i64) -> Lateness {
        self.step.store(step, Ordering::SeqCst);
        self.latest.store(0, Ordering::SeqCst);
        self.arrivals.store(0, Ordering::SeqCst);
        ARMED.store((&raw const *self).cast_mut(), Ordering::SeqCst);
        self.shared().upcall_mask.store(0, Ordering::SeqCst);
        self.arm(step);
        let answer = operation();
        self.shared().upcall_mask.store(1, Ordering::SeqCst);
        vcpu_op(STOP_SINGLESHOT_TIMER, 0);
        ARMED.store(null_mut(), Ordering::SeqCst);
        self.take_event();
        Lateness {
            answer,
            latest: self.latest.load(Ordering::SeqCst),
            arrivals: self.arrivals.load(Ordering::SeqCst),
        }
    }

    fn arm(&self, step: u64) {
        let due = cycles() + step;
        self.due.store(due, Ordering::SeqCst);
        let request = [self.time_at(due), 0];
        vcpu_op(SET_SINGLESHOT_TIMER, request.as_ptr().expose_provenance() as u64);
    }

    /// Xen's time, in nanoseconds since it booted, when the cycle counter is `ticks`. (Xen changes
    /// what is read here when this vCPU is not running only.)
    fn time_at(&self, ticks: u64) -> u64 {
        let time = &self.shared().time;
        let scale = time.multiplier_and_shift.load(Ordering::SeqCst);
        let [_, _, _, _, shift, ..] = scale.to_le_bytes();
        let shift = shift.cast_signed();
        let since = u128::from(ticks.saturating_sub(time.stamp_ticks.load(Ordering::SeqCst)));
        let shifted =
            if shift < 0 { since >> shift.unsigned_abs() } else { since << shift.unsigned_abs() };
        let nanoseconds = (shifted * u128::from(scale & 0xffff_ffff)) >> 32;
        let since = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
        time.stamp_ns.load(Ordering::SeqCst).saturating_add(since)
    }

    /// Marks the event as taken.
    fn take_event(&self) {
        self.shared().upcall_pending.store(0, Ordering::SeqCst);
        self.shared().pending_selector.store(0, Ordering::SeqCst);
        self.shared().pending[0].store(0, Ordering::SeqCst);
    }
}

/// The timer's part of the event handler, which began at `now`.
pub(super) fn on_event(now: u64) {
    let timer = ARMED.load(Ordering::SeqCst);
    // SAFETY: null, or set by `measure`, which is still running: we interrupted it.
    let Some(timer) = (unsafe { timer.as_ref() }) else { return };
    timer.take_event();
    let late = now.saturating_sub(timer.due.load(Ordering::SeqCst));
    timer.latest.fetch_max(late, Ordering::SeqCst);
    timer.arrivals.fetch_add(1, Ordering::SeqCst);
    timer.arm(timer.step.load(Ordering::SeqCst).max(STEP_MIN));
}

/// A `vcpu_op` for vCPU 0. `request` is an address that only [`SET_SINGLESHOT_TIMER`] takes.
fn vcpu_op(command: u64, request: u64) {
    // SAFETY: Xen only reads the request.
    let _answer = unsafe { hypercall(__HYPERVISOR_vcpu_op, [command, 0, request, 0]) };
}

//! One interrupt at the worst moment: in the middle of a hypercall that Xen takes in slices.
//!
//! A long call that finds an event waiting for its vCPU is put off: Xen sets the guest back to the
//! call instruction, delivers the event, and the guest makes the call again when its handler is
//! done. An event that the guest raises itself, by setting the byte that says so, does as well as a
//! real one, and comes exactly once.

use super::clock::cycles;
use super::memory::set_mapping;
use super::platform::{VcpuInfo, platform};
use super::timer;
use super::tmem::{Block, send_address, send_block};
use core::cell::{Cell, UnsafeCell};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Operations that the handler makes, at most.
const CALLS: usize = 8;

/// What to do in the interrupt, and what came of it. Lives on the stack of
/// [`Events::interrupt_call`], where the handler finds it by [`PLAN`].
struct Plan<'a> {
    vcpu: *const VcpuInfo,
    calls: [Option<Block>; CALLS],
    answers: [Cell<i64>; CALLS],
    in_the_middle: Cell<bool>,
    /// Done at the end of the handler.
    finally: &'a dyn Fn(),
}

static PLAN: AtomicPtr<Plan<'_>> = AtomicPtr::new(null_mut());

/// What came of an interrupted call.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted {
    /// The call's answer, in the end.
    pub answer: i64,
    /// The answers to the operations made in the interrupt; zeroes behind them.
    pub answers: [i64; CALLS],
    /// Whether the interrupt came between two slices of the call, and not after its end.
    pub in_the_middle: bool,
}

/// The guest's one source of events.
pub struct Events(*const VcpuInfo);

impl Events {
    /// Maps Xen's `shared_info`, whose frame is `frame`, at `page` and registers the handler.
    /// `None` if Xen refuses.
    ///
    /// # Safety
    /// Nobody uses what was at `page`; call it once.
    pub unsafe fn new(page: *mut u8, frame: u64) -> Option<Self> {
        // SAFETY: the caller's promise; `shared_info` is memory of nobody's else.
        if unsafe { set_mapping(page.addr(), Some(frame)) } != 0 {
            return None;
        }
        let events = Self(page.cast());
        platform().let_events_in(events.vcpu(), false);
        platform().register_event_handler().then_some(events)
    }

    /// The page that Xen shares with the guest.
    pub(super) const fn shared_info(&self) -> *const u8 {
        self.0.cast()
    }

    fn vcpu(&self) -> &VcpuInfo {
        // SAFETY: mapped by `new` for good; both sides access it as atomic bytes.
        unsafe { &*self.0 }
    }

    /// Sends `operation` with an event waiting. In the interrupt the `calls` are made, of which the
    /// first 8 count; and if there is a `replacement`, it takes the operation's place in memory,
    /// so that Xen finds another one there when the guest goes on.
    pub fn interrupt(
        &self,
        operation: &Block,
        calls: &[Block],
        replacement: Option<Block>,
    ) -> Interrupted {
        // Xen reads it again when it goes on.
        let operation = UnsafeCell::new(*operation);
        let replace = || {
            if let Some(replacement) = replacement {
                // SAFETY: nobody has a reference to it; Xen reads it between our instructions.
                unsafe { operation.get().write(replacement) };
            }
        };
        let send = || send_address(operation.get().expose_provenance() as u64);
        self.interrupt_call(send, calls, &replace)
    }

    /// Makes `call` with an event waiting; in the interrupt makes the `calls`, of which the first 8
    /// count, and `finally`.
    pub fn interrupt_call(
        &self,
        call: impl FnOnce() -> i64,
        calls: &[Block],
        finally: &dyn Fn(),
    ) -> Interrupted {
        let mut rest = calls.iter().copied();
        let plan = Plan {
            vcpu: self.0,
            calls: core::array::from_fn(|_| rest.next()),
            answers: [const { Cell::new(0) }; CALLS],
            in_the_middle: Cell::new(false),
            finally,
        };
        PLAN.store((&raw const plan).cast_mut().cast(), Ordering::SeqCst);
        self.vcpu().upcall_pending.store(1, Ordering::SeqCst);
        platform().let_events_in(self.vcpu(), true);
        let answer = call();
        platform().let_events_in(self.vcpu(), false);
        PLAN.store(null_mut(), Ordering::SeqCst);
        let answers = plan.answers.each_ref().map(Cell::get);
        Interrupted { answer, answers, in_the_middle: plan.in_the_middle.get() }
    }
}

/// The handler: `return_to` is where the guest will go on.
pub(super) extern "C" fn on_event(return_to: *const [u8; 3]) {
    timer::on_event(cycles());
    let plan = PLAN.load(Ordering::SeqCst);
    // SAFETY: null, or set by `interrupt_call`, which is still running: we interrupted it.
    let Some(plan) = (unsafe { plan.as_ref() }) else { return };
    // SAFETY: `Events` keeps it mapped.
    let vcpu = unsafe { &*plan.vcpu };
    vcpu.upcall_pending.store(0, Ordering::SeqCst);
    // None of the calls below is to be interrupted; the way back restores what was.
    platform().let_events_in(vcpu, false);
    // SAFETY: code of the guest's: mapped, and followed by more.
    let next_instruction = unsafe { return_to.read() };
    plan.in_the_middle.set(platform().enters_xen(next_instruction));
    for (call, answer) in plan.calls.iter().zip(&plan.answers) {
        if let Some(block) = call {
            answer.set(send_block(block));
        }
    }
    (plan.finally)();
}

//! One interrupt at the worst moment: in the middle of a hypercall that Xen takes in slices.
//!
//! A long call that finds an event waiting for its vCPU is put off: Xen sets the guest back to the
//! call instruction, delivers the event, and the guest makes the call again when its handler is
//! done. An event that the guest raises itself, by setting the byte that says so, does as well as a
//! real one, and comes exactly once.

use super::HYPERCALL_PAGE;
use super::clock::cycles;
use super::hypercall::hypercall;
use super::memory::set_mapping;
use super::timer;
use super::tmem::{Block, send_address, send_block};
use core::arch::naked_asm;
use core::cell::{Cell, UnsafeCell};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};
use xen_sys::__HYPERVISOR_set_callbacks;

/// The start of `struct shared_info`, vCPU 0's part of it (`xen/include/public/xen.h`).
#[repr(C)]
struct VcpuInfo {
    upcall_pending: AtomicU8,
    upcall_mask: AtomicU8,
}

/// Operations that the handler makes, at most.
const CALLS: usize = 8;

/// What to do in the interrupt, and what came of it. Lives on the stack of
/// [`Events::interrupt`], where the handler finds it by [`PLAN`].
struct Plan {
    vcpu: *const VcpuInfo,
    /// The operation that is interrupted: Xen reads it again when it goes on.
    operation: UnsafeCell<Block>,
    replacement: Option<Block>,
    calls: [Option<Block>; CALLS],
    answers: [Cell<i64>; CALLS],
    in_the_middle: Cell<bool>,
}

static PLAN: AtomicPtr<Plan> = AtomicPtr::new(null_mut());

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
    /// Maps Xen's `shared_info`, whose machine frame is `mfn`, at `page` and registers the handler.
    /// `None` if Xen refuses.
    ///
    /// # Safety
    /// Nobody uses what was at `page`; call it once.
    pub unsafe fn new(page: *mut u8, mfn: u64) -> Option<Self> {
        // SAFETY: the caller's promise; `shared_info` is memory of nobody's else.
        if unsafe { set_mapping(page.addr(), Some(mfn)) } != 0 {
            return None;
        }
        let handler = event_entry as *const () as u64;
        // SAFETY: the handler keeps every register; the other two are for failed segment loads and
        // for system calls of user mode, which don't occur here.
        let answer = unsafe { hypercall(__HYPERVISOR_set_callbacks, [handler, handler, 0, 0]) };
        let events = Self(page.cast());
        events.vcpu().upcall_mask.store(1, Ordering::SeqCst);
        (answer == 0).then_some(events)
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
        let mut rest = calls.iter().copied();
        let plan = Plan {
            vcpu: self.0,
            operation: UnsafeCell::new(*operation),
            replacement,
            calls: core::array::from_fn(|_| rest.next()),
            answers: [const { Cell::new(0) }; CALLS],
            in_the_middle: Cell::new(false),
        };
        PLAN.store((&raw const plan).cast_mut(), Ordering::SeqCst);
        self.vcpu().upcall_pending.store(1, Ordering::SeqCst);
        self.vcpu().upcall_mask.store(0, Ordering::SeqCst);
        let answer = send_address(plan.operation.get().expose_provenance() as u64);
        self.vcpu().upcall_mask.store(1, Ordering::SeqCst);
        PLAN.store(null_mut(), Ordering::SeqCst);
        let answers = plan.answers.each_ref().map(Cell::get);
        Interrupted { answer, answers, in_the_middle: plan.in_the_middle.get() }
    }
}

/// The instruction `syscall`, by which the hypercall page enters Xen.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// The handler: `return_to` is where the guest will go on.
extern "C" fn on_event(return_to: *const [u8; 2]) {
    timer::on_event(cycles());
    let plan = PLAN.load(Ordering::SeqCst);
    // SAFETY: null, or set by `interrupt`, which is still running: we interrupted it.
    let Some(plan) = (unsafe { plan.as_ref() }) else { return };
    // SAFETY: `Events` keeps it mapped.
    unsafe { &*plan.vcpu }.upcall_pending.store(0, Ordering::SeqCst);
    // SAFETY: code of the guest's: mapped, and followed by more.
    let next_instruction = unsafe { return_to.read() };
    plan.in_the_middle.set(next_instruction == SYSCALL);
    for (call, answer) in plan.calls.iter().zip(&plan.answers) {
        if let Some(block) = call {
            answer.set(send_block(block));
        }
    }
    if let Some(replacement) = plan.replacement {
        // SAFETY: `interrupt` makes no reference to it, and Xen reads it between our instructions.
        unsafe { plan.operation.get().write(replacement) };
    }
}

/// Xen enters with rcx, r11 and an interrupt frame on the stack. The way back is a hypercall that
/// is jumped to: it expects a flags word under the frame, and rcx and r11 as they shall be.
#[unsafe(naked)]
extern "C" fn event_entry() {
    naked_asm!(
        "pop rcx",
        "pop r11",
        "push 0",
        "push rax",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r8",
        "push r9",
        "push r10",
        "push r11",
        "push rbx",
        // Ten registers and the flags word lie under the frame, which begins with rip.
        "mov rdi, [rsp + 11 * 8]",
        "mov rbx, rsp",
        "and rsp, -16",
        "call {on_event}",
        "mov rsp, rbx",
        "pop rbx",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "jmp {hypercall_page} + {iret}",
        on_event = sym on_event,
        hypercall_page = sym HYPERCALL_PAGE,
        iret = const xen_sys::__HYPERVISOR_iret * 32,
    )
}

//! The PVH kind: frame numbers are the guest's own, page tables too, and an event comes as an
//! interrupt of a vector that the guest chose.
//!
//! - `paging`: the page tables, identity but for pages that are put elsewhere on purpose;
//! - `segments`: descriptor tables, the code segment for 32-bit calls among them;
//! - `hypercall_page`: asks Xen to fill it;
//! - `start`: what Xen's domain builder hands over.

mod hypercall_page;
mod paging;
mod segments;
mod start;

pub use paging::{BOOT_TABLES, BootTables};
pub(super) use segments::CODE_32;
pub use segments::{CODE_64, DATA, GDT};
pub use start::HvmStartInfo;
pub(super) use start::read;

use super::caller::{Caller, caller};
use super::events::on_event;
use super::hvm_param::{self, Param};
use super::platform::{FrameNumbers, Platform, VcpuInfo};
use core::arch::{asm, naked_asm};
use core::sync::atomic::{AtomicBool, Ordering};

/// The vector by which events come: any that is no exception's.
const EVENT_VECTOR: u8 = 0x40;

/// `HVM_PARAM_CALLBACK_TYPE_VECTOR`, in the value's top byte.
const CALLBACK_TYPE_VECTOR: u64 = 2 << 56;

/// `vmmcall` and `vmcall`: Xen fills the hypercall page as the CPU asks.
const VMCALLS: [[u8; 3]; 2] = [[0x0f, 0x01, 0xd9], [0x0f, 0x01, 0xc1]];

/// Whether the next call from 32-bit mode lets events in.
static LET_IN_WITH_CALL: AtomicBool = AtomicBool::new(false);

/// Whether a call from 32-bit mode is to let events in right before it enters Xen.
pub(super) fn lets_events_in_with_call() -> bool {
    LET_IN_WITH_CALL.load(Ordering::Relaxed)
}

/// A PVH guest in 64-bit mode.
pub(super) struct Pvh;

impl Platform for Pvh {
    fn name(&self) -> &'static str {
        "pvh"
    }

    unsafe fn set_mapping(&self, address: usize, frame: Option<u64>) -> i64 {
        // SAFETY: the caller's promise.
        unsafe { paging::set_mapping(address, frame) }
    }

    fn register_event_handler(&self) -> bool {
        segments::set_interrupt_gate(EVENT_VECTOR, event_entry as *const () as u64);
        hvm_param::set(Param::CallbackIrq, CALLBACK_TYPE_VECTOR | u64::from(EVENT_VECTOR))
    }

    fn let_events_in(&self, _vcpu: &VcpuInfo, wanted: bool) {
        let with_the_call = wanted && caller() != Caller::Bits64;
        LET_IN_WITH_CALL.store(with_the_call, Ordering::Relaxed);
        // On the way to 32-bit mode there is time enough for another interrupt, of Xen's own, to bring
        // the event too early.
        if wanted && !with_the_call {
            // SAFETY: the handler is registered and keeps every register. `sti` holds interrupts off
            // for one more instruction: the `nop`, so that none is held off for the call itself.
            unsafe { asm!("sti", "nop", options(nostack)) };
        } else if !wanted {
            // SAFETY: changes nothing but whether interrupts come.
            unsafe { asm!("cli", options(nostack)) };
        }
    }

    fn enters_xen(&self, code: [u8; 3]) -> bool {
        VMCALLS.contains(&code)
    }

    fn frame_numbers(&self) -> FrameNumbers {
        FrameNumbers::Guest
    }
}

/// The CPU enters with an interrupt frame on a stack that it aligned to 16 bytes; it needs no end
/// of interrupt, since the vector comes from Xen and not from the local APIC.
#[unsafe(naked)]
extern "C" fn event_entry() {
    naked_asm!(
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
        // Ten registers lie under the frame, which begins with rip.
        "mov rdi, [rsp + 10 * 8]",
        "mov rbx, rsp",
        "and rsp, -16",
        "cld",
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
        "iretq",
        on_event = sym on_event,
    )
}

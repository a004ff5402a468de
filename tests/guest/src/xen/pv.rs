//! The PV kind: frame numbers are the machine's, page tables are changed by hypercall, an event
//! is delivered to a handler that Xen calls like an interrupt.

use super::HYPERCALL_PAGE;
use super::events::on_event;
use super::hypercall::hypercall;
use super::platform::{FrameNumbers, Platform, VcpuInfo};
use core::arch::naked_asm;
use core::sync::atomic::Ordering;
use xen_sys::{__HYPERVISOR_set_callbacks, __HYPERVISOR_set_gdt, __HYPERVISOR_update_va_mapping};

/// `UVMF_INVLPG` for the calling vCPU (`xen/include/public/xen.h`).
const FLUSH_THIS_PAGE: u64 = 2;

/// Present, writable, user, accessed, dirty: a data page of a 64-bit PV kernel.
const PTE_DATA: u64 = 0x67;

/// The same, but not writable.
const PTE_READ_ONLY: u64 = PTE_DATA & !2;

/// The instruction `syscall`, by which the hypercall page enters Xen.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// Descriptors in a page.
const DESCRIPTORS: u64 = 512;

/// Makes `frame` the guest's own page of segment descriptors, or takes it back; the segments that the
/// guest runs with are Xen's. Returns Xen's answer, 0 if done.
pub fn set_descriptor_table(frame: Option<u64>) -> i64 {
    let list = [frame.unwrap_or_default()];
    let count = if frame.is_some() { DESCRIPTORS } else { 0 };
    let arguments = [list.as_ptr().expose_provenance() as u64, count, 0, 0];
    // SAFETY: reads a list of one frame number. Xen checks the descriptors.
    unsafe { hypercall(__HYPERVISOR_set_gdt, arguments) }
}

/// Maps frame `frame` at `address`, not writable. Returns Xen's answer, 0 if done.
///
/// # Safety
/// As `Platform::set_mapping`; and nobody writes there.
pub unsafe fn set_read_only(address: usize, frame: u64) -> i64 {
    let arguments = [address as u64, frame << 12 | PTE_READ_ONLY, FLUSH_THIS_PAGE, 0];
    // SAFETY: takes no pointer; what it does to our address space is the caller's promise.
    unsafe { hypercall(__HYPERVISOR_update_va_mapping, arguments) }
}

/// A 64-bit PV guest.
pub(super) struct Pv;

impl Platform for Pv {
    fn name(&self) -> &'static str {
        "pv"
    }

    unsafe fn set_mapping(&self, address: usize, frame: Option<u64>) -> i64 {
        let entry = frame.map_or(0, |mfn| mfn << 12 | PTE_DATA);
        // SAFETY: takes no pointer; what it does to our address space is the caller's promise.
        unsafe {
            hypercall(__HYPERVISOR_update_va_mapping, [address as u64, entry, FLUSH_THIS_PAGE, 0])
        }
    }

    fn register_event_handler(&self) -> bool {
        let handler = event_entry as *const () as u64;
        // SAFETY: the handler keeps every register; the other two are for failed segment loads and
        // for system calls of user mode, which don't occur here.
        unsafe { hypercall(__HYPERVISOR_set_callbacks, [handler, handler, 0, 0]) == 0 }
    }

    fn let_events_in(&self, vcpu: &VcpuInfo, wanted: bool) {
        vcpu.upcall_mask.store(u8::from(!wanted), Ordering::SeqCst);
    }

    fn enters_xen(&self, code: [u8; 3]) -> bool {
        code.starts_with(&SYSCALL)
    }

    fn frame_numbers(&self) -> FrameNumbers {
        FrameNumbers::Machine
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

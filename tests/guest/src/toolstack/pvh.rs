//! How a PVH child's vCPUs begin: records of Xen's save format, and page tables for 64-bit mode.
//!
//! After `xen/include/public/hvm/save.h` and `xen/include/public/arch-x86/hvm/save.h`. A stream is a
//! header, which can't be made up and is taken from the domain's own state, a record for each vCPU,
//! and an end. Records are packed, each behind a descriptor.

use super::layout::{CODE, MAILBOXES, TABLES, address};
use super::puppet::STACK_OFFSET;
use super::window::Window;
use crate::give_up;
use crate::verdict::CaseResult;
use crate::xen::release::Release;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, Ordering};

/// `struct hvm_save_descriptor`: type, instance, bytes of the record that follows.
const DESCRIPTOR_BYTES: usize = 8;
/// `struct hvm_save_header`, with its descriptor in front.
const HEADER_BYTES: usize = DESCRIPTOR_BYTES + 24;
/// Type of a vCPU's record.
const TYPE_CPU: u16 = 2;
/// Type of the end's descriptor, which no record follows.
const TYPE_END: u16 = 0;

/// The parts of `struct hvm_hw_cpu` that are not zero, under the names of that header.
#[repr(C)]
struct Cpu {
    fpu_regs: [u8; 512],
    rax_to_rdi: [u64; 7],
    rsp: u64,
    r8_to_r15: [u64; 8],
    rip: u64,
    rflags: u64,
    cr0: u64,
    cr2: u64,
    cr3: u64,
    cr4: u64,
    dr0_to_dr3: [u64; 4],
    dr6: u64,
    dr7: u64,
    /// Of cs, ds, es, fs, gs, ss, tr, ldtr.
    selectors: [u32; 8],
    /// Of the same, then of idtr and gdtr.
    limits: [u32; 10],
    /// In the same order.
    bases: [u64; 10],
    /// In the order of the selectors.
    arbytes: [u32; 8],
    sysenter: [u64; 3],
    shadow_gs: u64,
    msr_flags: u64,
    msr_lstar: u64,
    msr_star: u64,
    msr_cstar: u64,
    msr_syscall_mask: u64,
    msr_efer: u64,
    msr_tsc_aux: u64,
    tsc: u64,
    pending_event: u32,
    error_code: u32,
    flags: u32,
    pad0: u32,
}

/// Bytes of a vCPU's record, with its descriptor.
const CPU_BYTES: usize = DESCRIPTOR_BYTES + size_of::<Cpu>();

const _: () = {
    assert!(size_of::<Cpu>() == 1032 && offset_of!(Cpu, rip) == 640);
    assert!(offset_of!(Cpu, cr0) == 656 && offset_of!(Cpu, selectors) == 736);
    assert!(offset_of!(Cpu, bases) == 808 && offset_of!(Cpu, arbytes) == 888);
    assert!(offset_of!(Cpu, msr_efer) == 992 && offset_of!(Cpu, flags) == 1024);
};

/// Protected mode, with the bit that every x87 has.
const CR0_PROTECTED: u64 = 0x11;
/// Paging.
const CR0_PAGING: u64 = 1 << 31;
/// Wide page-table entries.
const CR4_PAE: u64 = 1 << 5;
/// Long mode, enabled and active.
const EFER_LONG_MODE: u64 = 0x500;
/// Flat segments of kernel mode: code of 32 and of 64 bits, data; a task that is busy.
const CODE_32: u32 = 0xc9b;
const CODE_64: u32 = 0xa9b;
const DATA: u32 = 0xc93;
const BUSY_TASK: u32 = 0x8b;

/// A whole domain's state is some kilobytes.
const STATE_BYTES: usize = 64 << 10;

struct Scratch(UnsafeCell<[u8; STATE_BYTES]>);

// SAFETY: used by one call at a time, which `IN_USE` sees to.
unsafe impl Sync for Scratch {}

static SCRATCH: Scratch = Scratch(UnsafeCell::new([0; STATE_BYTES]));
static IN_USE: AtomicBool = AtomicBool::new(false);

/// Puts all vCPUs of a child at the program's start, each with its mailbox's stack.
///
/// # Errors
/// Error, if Xen refuses the state.
pub(super) fn start_vcpus(release: Release, domid: u16, vcpus: u32, wide: bool) -> CaseResult {
    if IN_USE.swap(true, Ordering::SeqCst) {
        give_up!("a vCPU's state is built while another is");
    }
    // SAFETY: `IN_USE` was false: nobody else has a reference.
    let scratch = unsafe { &mut *SCRATCH.0.get() };
    let result = build_and_load(release, domid, vcpus, wide, scratch);
    IN_USE.store(false, Ordering::SeqCst);
    result
}

fn build_and_load(
    release: Release,
    domid: u16,
    vcpus: u32,
    wide: bool,
    stream: &mut [u8; STATE_BYTES],
) -> CaseResult {
    match release.hvm_context(domid, stream) {
        Ok(bytes) if bytes >= HEADER_BYTES => {}
        Ok(bytes) => give_up!("the state of domain {domid} has only {bytes} bytes"),
        Err(answer) => give_up!("the state of domain {domid} can't be had: {answer}"),
    }
    let mut end = HEADER_BYTES;
    // The boot vCPU comes last: its record makes the domain's clock start.
    for vcpu in (0..vcpus).rev() {
        end = push(stream, end, TYPE_CPU, vcpu, as_bytes(&first_state(vcpu, wide)));
    }
    end = push(stream, end, TYPE_END, 0, &[]);
    let stream = stream.get(..end).unwrap_or_default();
    match release.set_hvm_context(domid, stream) {
        0 => Ok(()),
        answer => give_up!("the state of domain {domid} is refused: {answer}"),
    }
}

fn push(stream: &mut [u8], at: usize, kind: u16, instance: u32, record: &[u8]) -> usize {
    let mut descriptor = [0; DESCRIPTOR_BYTES];
    let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
    let fields = u64::from(kind) | u64::from(instance) << 16 | u64::from(length) << 32;
    descriptor.copy_from_slice(&fields.to_le_bytes());
    for (place, byte) in stream.iter_mut().skip(at).zip(descriptor.iter().chain(record)) {
        *place = *byte;
    }
    at + DESCRIPTOR_BYTES + record.len()
}

fn as_bytes(cpu: &Cpu) -> &[u8; CPU_BYTES - DESCRIPTOR_BYTES] {
    // SAFETY: plain numbers without padding, as the size says.
    unsafe { &*core::ptr::from_ref(cpu).cast() }
}

fn first_state(vcpu: u32, wide: bool) -> Cpu {
    let mailbox = address(MAILBOXES + vcpu as usize);
    let code = if wide { CODE_64 } else { CODE_32 };
    Cpu {
        fpu_regs: [0; 512],
        rax_to_rdi: [0; 7],
        rsp: mailbox + STACK_OFFSET,
        r8_to_r15: [0; 8],
        rip: address(CODE),
        rflags: 2,
        cr0: if wide { CR0_PROTECTED | CR0_PAGING } else { CR0_PROTECTED },
        cr2: 0,
        cr3: if wide { address(TABLES) } else { 0 },
        cr4: if wide { CR4_PAE } else { 0 },
        dr0_to_dr3: [0; 4],
        dr6: 0xffff_0ff0,
        dr7: 0x400,
        selectors: [0; 8],
        limits: [!0, !0, !0, !0, !0, !0, 0x67, 0, 0, 0],
        bases: [0; 10],
        arbytes: [code, DATA, DATA, DATA, DATA, DATA, BUSY_TASK, 0],
        sysenter: [0; 3],
        shadow_gs: 0,
        msr_flags: 0,
        msr_lstar: 0,
        msr_star: 0,
        msr_cstar: 0,
        msr_syscall_mask: 0,
        msr_efer: if wide { EFER_LONG_MODE } else { 0 },
        msr_tsc_aux: 0,
        tsc: 0,
        pending_event: 0,
        error_code: 0,
        flags: 0,
        pad0: 0,
    }
}

/// Present, writable, user, accessed, dirty; and the bit that makes an entry of the third level a
/// page of 2 MiB.
const TABLE_ENTRY: u64 = 0x67;
const LARGE: u64 = 0x80;

/// Fills a child's page tables for 64-bit mode: the first 2 MiB are mapped where they are.
///
/// # Errors
/// Error, if a window can't be opened.
pub(super) fn fill_tables(domid: u16) -> CaseResult {
    let entries = [address(TABLES + 1), address(TABLES + 2), LARGE];
    for (level, entry) in entries.into_iter().enumerate() {
        let window = Window::open(domid, (TABLES + level) as u64)?;
        window.write(0, &(entry | TABLE_ENTRY).to_le_bytes());
    }
    Ok(())
}

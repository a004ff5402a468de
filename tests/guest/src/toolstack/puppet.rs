//! The program that runs in a child: it takes calls from a mailbox, makes them, stores the answers.
//!
//! All decisions are made by whoever fills the mailbox, so a case with several domains runs the same
//! way each time. There is a program for callers in 64-bit mode and one for those in 32-bit mode;
//! both are position-independent and are copied into the child's memory. Each vCPU has a mailbox of
//! its own, and its stack at the end of that page: from the stack's address it knows the mailbox.

use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicI64, AtomicU32, AtomicU64};

/// In place of a hypercall's number: an act of the puppet's own on the page at the first argument. This
/// one fills it with a word: the second argument, and the index that steps added up.
pub(super) const FILL: u32 = 0x8000_0001;
/// Answers 1 if the page is as [`FILL`] with the same arguments would leave it, else 0.
pub(super) const SAME: u32 = 0x8000_0002;
/// Answers 1 if the page is full of one word whose upper half is that of the second argument, and which
/// is not less than the last time.
pub(super) const LATER: u32 = 0x8000_0003;
/// The same, whatever it was the last time.
pub(super) const WHOLE: u32 = 0x8000_0004;

/// Calls that a mailbox holds.
pub const CALLS: usize = 30;
/// Bytes of an operation block's place in a call.
pub(super) const BLOCK_BYTES: usize = 64;

/// One call, with what came of it. 128 bytes.
#[repr(C)]
pub struct Slot {
    /// Number of the hypercall.
    pub number: AtomicU32,
    /// Added to the block's index of a page after each time the call was made.
    pub step: AtomicU32,
    /// Arguments. A tmem operation has one: the others are the answers besides 1 that are not called
    /// strange.
    pub arguments: [AtomicU64; 5],
    /// The last answer.
    pub answer: AtomicI64,
    /// How often the answer was 1.
    pub successes: AtomicU32,
    /// How often it was anything else.
    pub others: AtomicU32,
    /// Room for an operation block, for the call to point to.
    pub block: [AtomicU64; BLOCK_BYTES / 8],
}

/// What a vCPU and the first domain share.
#[repr(C)]
pub struct Mailbox {
    /// Raised by one by the first domain when there is work.
    pub ticket: AtomicU32,
    /// Set to the ticket by the puppet when it has done the work.
    pub done: AtomicU32,
    /// Calls in the list.
    pub count: AtomicU32,
    /// How often the list is gone through; 0: until `stop` is set.
    pub rounds: AtomicU32,
    /// If not 0 the puppet ends its work after the round.
    pub stop: AtomicU32,
    /// Calls that were begun, in all.
    pub begun: AtomicU32,
    /// Calls that came back, in all.
    pub ended: AtomicU32,
    /// How often the puppet looks for work before it gives way to others.
    pub patience: AtomicU32,
    /// Where the page with Xen's code for hypercalls is, for the puppet.
    pub hypercall_page: AtomicU32,
    /// The same as a guest-physical address, if the puppet has to ask Xen for the code; 0 if not, or
    /// when it has. Only the first vCPU asks, since Xen writes the page anew: the others would run in
    /// it. They wait until it has the code.
    pub registers: AtomicU32,
    rounds_left: AtomicU32,
    place: AtomicU32,
    /// The last answer that was neither 1 nor among the call's others; see [`Slot::arguments`].
    pub strange_answer: AtomicI64,
    /// Where its slot is, in the low bits; 0 if there was none.
    pub strange_slot: AtomicU64,
    more_unused: [AtomicU64; 8],
    /// The list.
    pub slots: [Slot; CALLS],
    stack: [AtomicU64; 16],
}

const _: () = {
    assert!(size_of::<Slot>() == 128 && size_of::<Mailbox>() == 4096);
    // The numbers that the programs below use.
    assert!(offset_of!(Mailbox, slots) == 0x80 && offset_of!(Mailbox, rounds_left) == 0x28);
    assert!(offset_of!(Mailbox, hypercall_page) == 0x20 && offset_of!(Mailbox, begun) == 0x14);
    assert!(offset_of!(Mailbox, patience) == 0x1c && offset_of!(Mailbox, registers) == 0x24);
    assert!(offset_of!(Mailbox, strange_answer) == 0x30);
    assert!(offset_of!(Slot, arguments) == 8 && offset_of!(Slot, answer) == 0x30);
    assert!(offset_of!(Slot, successes) == 0x38 && offset_of!(Slot, block) == 0x40);
};

/// Where a vCPU's stack begins in its mailbox's page: below the last words.
pub(super) const STACK_OFFSET: u64 = 4096 - 16;

unsafe extern "C" {
    static puppet64: [u8; 0];
    static puppet64_end: [u8; 0];
    static puppet32: [u8; 0];
    static puppet32_end: [u8; 0];
}

/// The program for 64-bit mode, to be entered at its first byte.
pub(super) fn program_64() -> &'static [u8] {
    // SAFETY: the two symbols enclose bytes of this image's read-only data.
    unsafe { between(&raw const puppet64, &raw const puppet64_end) }
}

/// The program for 32-bit protected mode, to be entered at its first byte.
pub(super) fn program_32() -> &'static [u8] {
    // SAFETY: as above.
    unsafe { between(&raw const puppet32, &raw const puppet32_end) }
}

/// # Safety
/// `first` and `end` enclose bytes that nobody writes.
unsafe fn between(first: *const [u8; 0], end: *const [u8; 0]) -> &'static [u8] {
    let length = end.addr() - first.addr();
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(first.cast(), length) }
}

// Registers: r12 the mailbox, r13 the hypercall page, r14 the slot. Xen changes rax, rcx, r11 and
// the arguments. The hypercall page is asked for as `xen/include/public/arch-x86/cpuid.h` says: leaf
// 0x40000002 names the register that takes its address.
#[cfg(target_os = "none")]
global_asm!(
    r#"
    .pushsection .rodata.puppet64, "a", @progbits
    .global puppet64, puppet64_end
    puppet64:
        mov r12, rsp
        and r12, -4096
        mov r13d, [r12 + 0x20]
        cmp dword ptr [r12 + 0x24], 0
        je 21f
        mov eax, 0x40000002
        cpuid
        mov ecx, ebx
        mov eax, [r12 + 0x24]
        xor edx, edx
        wrmsr
        mov dword ptr [r12 + 0x24], 0
    21: // Until the first vCPU has the code.
        pause
        mov eax, {first_mailbox}
        cmp dword ptr [rax + 0x24], 0
        jne 21b
    2:  // Wait.
        mov ecx, [r12 + 0x1c]
    20: mov eax, [r12]
        cmp eax, [r12 + 0x04]
        jne 3f
        dec ecx
        jg 20b
        xor edi, edi
        xor esi, esi
        lea rax, [r13 + {sched_op} * 32]
        call rax
        jmp 2b
    3:  // Work.
        mov eax, [r12 + 0x0c]
        mov [r12 + 0x28], eax
    4:  // A round.
        mov dword ptr [r12 + 0x2c], 0
        lea r14, [r12 + 0x80]
    5:  // A call.
        mov eax, [r12 + 0x2c]
        cmp eax, [r12 + 0x08]
        jae 8f
        inc dword ptr [r12 + 0x14]
        mov eax, [r14]
        test eax, eax
        js 30f
        shl eax, 5
        add rax, r13
        mov rdi, [r14 + 0x08]
        mov rsi, [r14 + 0x10]
        mov rdx, [r14 + 0x18]
        mov r10, [r14 + 0x20]
        mov r8, [r14 + 0x28]
        call rax
    22: mov [r14 + 0x30], rax
        inc dword ptr [r12 + 0x18]
        cmp rax, 1
        jne 6f
        inc dword ptr [r14 + 0x38]
        jmp 7f
    6:  inc dword ptr [r14 + 0x3c]
        cmp rax, [r14 + 0x10]
        je 7f
        cmp rax, [r14 + 0x18]
        je 7f
        cmp rax, [r14 + 0x20]
        je 7f
        cmp rax, [r14 + 0x28]
        je 7f
        mov [r12 + 0x30], rax
        mov [r12 + 0x38], r14
    7:  mov eax, [r14 + 0x04]
        add [r14 + 0x60], eax
        sub r14, -128
        inc dword ptr [r12 + 0x2c]
        jmp 5b
    8:  // The round's end.
        cmp dword ptr [r12 + 0x10], 0
        jne 9f
        cmp dword ptr [r12 + 0x0c], 0
        je 4b
        dec dword ptr [r12 + 0x28]
        jnz 4b
    9:  mov eax, [r12]
        mov [r12 + 0x04], eax
        jmp 2b
    30: // An act of the puppet's own on a page.
        mov rdi, [r14 + 0x08]
        mov edx, [r14 + 0x60]
        add rdx, [r14 + 0x10]
        cmp eax, {fill}
        mov ecx, 512
        jne 31f
        mov rax, rdx
        rep stosq
        jmp 34f
    31: mov esi, eax
        mov rax, [rdi]
        repe scasq
        jne 35f
        mov rcx, rax
        shr rcx, 32
        cmp ecx, [r14 + 0x14]
        jne 35f
        cmp esi, {same}
        jne 32f
        cmp rax, rdx
        jne 35f
    32: cmp esi, {later}
        jne 34f
        cmp rax, [r14 + 0x18]
        jb 35f
        mov [r14 + 0x18], rax
    34: mov eax, 1
        jmp 22b
    35: xor eax, eax
        jmp 22b
    puppet64_end:
    .popsection

    .pushsection .rodata.puppet32, "a", @progbits
    .global puppet32, puppet32_end
    .code32
    puppet32:
        // ebp is the mailbox. The arguments take all other registers.
        mov ebp, esp
        and ebp, -4096
        cmp dword ptr [ebp + 0x24], 0
        je 21f
        mov eax, 0x40000002
        cpuid
        mov ecx, ebx
        mov eax, [ebp + 0x24]
        xor edx, edx
        wrmsr
        mov dword ptr [ebp + 0x24], 0
    21: // Until the first vCPU has the code.
        pause
        mov eax, {first_mailbox}
        cmp dword ptr [eax + 0x24], 0
        jne 21b
    2:  // Wait.
        mov edx, [ebp + 0x1c]
    20: mov eax, [ebp]
        cmp eax, [ebp + 0x04]
        jne 3f
        dec edx
        jg 20b
        xor ebx, ebx
        xor ecx, ecx
        mov eax, [ebp + 0x20]
        add eax, {sched_op} * 32
        call eax
        jmp 2b
    3:  // Work.
        mov eax, [ebp + 0x0c]
        mov [ebp + 0x28], eax
    4:  // A round.
        mov dword ptr [ebp + 0x2c], 0
    5:  // A call.
        mov eax, [ebp + 0x2c]
        cmp eax, [ebp + 0x08]
        jae 8f
        inc dword ptr [ebp + 0x14]
        shl eax, 7
        lea ebx, [eax + ebp + 0x80]
        mov eax, [ebx]
        test eax, eax
        js 30f
        shl eax, 5
        add eax, [ebp + 0x20]
        mov ecx, [ebx + 0x10]
        mov edx, [ebx + 0x18]
        mov esi, [ebx + 0x20]
        mov edi, [ebx + 0x28]
        mov ebx, [ebx + 0x08]
        call eax
        mov ebx, [ebp + 0x2c]
        shl ebx, 7
        lea ebx, [ebx + ebp + 0x80]
    22: cdq
        mov [ebx + 0x30], eax
        mov [ebx + 0x34], edx
        inc dword ptr [ebp + 0x18]
        cmp eax, 1
        jne 6f
        inc dword ptr [ebx + 0x38]
        jmp 7f
    6:  inc dword ptr [ebx + 0x3c]
        // An answer is as wide as a register.
        cmp eax, [ebx + 0x10]
        je 7f
        cmp eax, [ebx + 0x18]
        je 7f
        cmp eax, [ebx + 0x20]
        je 7f
        cmp eax, [ebx + 0x28]
        je 7f
        mov [ebp + 0x30], eax
        mov [ebp + 0x34], edx
        mov [ebp + 0x38], ebx
    7:  mov eax, [ebx + 0x04]
        add [ebx + 0x60], eax
        inc dword ptr [ebp + 0x2c]
        jmp 5b
    8:  // The round's end.
        cmp dword ptr [ebp + 0x10], 0
        jne 9f
        cmp dword ptr [ebp + 0x0c], 0
        je 4b
        dec dword ptr [ebp + 0x28]
        jnz 4b
    9:  mov eax, [ebp]
        mov [ebp + 0x04], eax
        jmp 2b
    30: // An act of the puppet's own on a page. esi:edx is the word.
        mov edi, [ebx + 0x08]
        mov edx, [ebx + 0x60]
        add edx, [ebx + 0x10]
        mov esi, [ebx + 0x14]
        mov ecx, 512
        cmp eax, {fill}
        jne 31f
    33: mov [edi], edx
        mov [edi + 4], esi
        add edi, 8
        dec ecx
        jnz 33b
        jmp 34f
    31: cmp eax, {same}
        je 32f
        mov edx, [edi]
    32: cmp [edi], edx
        jne 35f
        cmp [edi + 4], esi
        jne 35f
        add edi, 8
        dec ecx
        jnz 32b
        cmp eax, {later}
        jne 34f
        cmp edx, [ebx + 0x18]
        jb 35f
        mov [ebx + 0x18], edx
    34: mov eax, 1
        jmp 22b
    35: xor eax, eax
        jmp 22b
    puppet32_end:
    .code64
    .popsection
    "#,
    fill = const FILL,
    same = const SAME,
    later = const LATER,
    sched_op = const xen_sys::__HYPERVISOR_sched_op,
    first_mailbox = const super::layout::address(super::layout::MAILBOXES),
);
// The build machine runs no puppet; its unit tests link nevertheless.
#[cfg(not(target_os = "none"))]
global_asm!(
    ".pushsection .rodata",
    ".global puppet64, puppet64_end, puppet32, puppet32_end",
    "puppet64: puppet64_end: puppet32: puppet32_end: .byte 0",
    ".popsection"
);

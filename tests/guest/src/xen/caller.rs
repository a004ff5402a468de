//! The mode from which tmem calls are made. Xen reads 56 bytes for a caller in 64-bit mode and 52
//! for any other, whatever the guest is most of the time.
//!
//! A PVH guest leaves 64-bit mode for the length of one call: it lies below 4 GiB, each address at
//! the frame of the same number, so that code, stack and block are where they were.

use super::HYPERCALL_PAGE;
use super::hypercall::{ENTRY_BYTES, hypercall};
use super::pvh::{CODE_32, CODE_64, lets_events_in_with_call};
use core::arch::naked_asm;
use core::sync::atomic::{AtomicU8, Ordering};
use hypercall_abi::{OP_BYTES_32, OP_BYTES_64};

/// A mode to call from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// 64-bit mode.
    Bits64,
    /// A 32-bit code segment, paging as in 64-bit mode (compatibility mode).
    Bits32,
    /// 32-bit protected mode without paging, out of long mode altogether. Not with interrupts on.
    Unpaged,
}

static CALLER: AtomicU8 = AtomicU8::new(Caller::Bits64 as u8);

/// The mode from which calls are made now.
pub fn caller() -> Caller {
    match CALLER.load(Ordering::Relaxed) {
        0 => Caller::Bits64,
        1 => Caller::Bits32,
        _ => Caller::Unpaged,
    }
}

/// From now on calls are made from this mode. Any but the first needs a PVH guest.
pub fn set_caller(caller: Caller) {
    CALLER.store(caller as u8, Ordering::Relaxed);
}

/// CR0.PG.
const PAGING: u32 = 1 << 31;

impl Caller {
    /// Bytes that Xen reads of an operation's block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Bits64 => OP_BYTES_64,
            Self::Bits32 | Self::Unpaged => OP_BYTES_32,
        }
    }

    /// Whether a number, an address or a frame's, fits the caller's registers and blocks.
    pub const fn can_say(self, number: u64) -> bool {
        matches!(self, Self::Bits64) || number >> 32 == 0
    }

    /// Makes a hypercall of two arguments; of those that don't fit, only the low halves count.
    ///
    /// # Safety
    /// As for [`hypercall`].
    pub(super) unsafe fn call(self, number: u32, first: u64, second: u64) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "what a 32-bit caller can't say")]
        let narrow = |first: u64, second: u64, paging: u32| {
            let page = (&raw const HYPERCALL_PAGE).addr() as u32;
            let events = u32::from(lets_events_in_with_call());
            let entry = page + number * ENTRY_BYTES as u32;
            // SAFETY: the caller's promise; image and stack lie below 4 GiB.
            unsafe { call_from_32_bits(entry, first as u32, second as u32, paging, events) }
        };
        match self {
            // SAFETY: the caller's promise.
            Self::Bits64 => unsafe { hypercall(number, [first, second, 0, 0]) },
            Self::Bits32 => narrow(first, second, 0),
            Self::Unpaged => narrow(first, second, PAGING),
        }
    }
}

/// Calls `entry` of the hypercall page from a 32-bit code segment, with the bits `cr0_off` of CR0
/// cleared meanwhile and, if `events`, interrupts let in; extends the answer's sign.
///
/// # Safety
/// As for [`hypercall`]; image and stack must lie below 4 GiB, each address at the frame of the
/// same number. With paging off, interrupts must be too.
#[unsafe(naked)]
unsafe extern "C" fn call_from_32_bits(
    entry: u32,
    first: u32,
    second: u32,
    cr0_off: u32,
    events: u32,
) -> i64 {
    naked_asm!(
        // All of them: the upper halves are not kept outside 64-bit mode.
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov eax, edi",
        "mov ebx, esi",
        "mov ebp, ecx",
        "mov esi, r8d",
        "mov ecx, edx",
        // The way back, as a far pointer that a 32-bit `retf` takes: offset, selector.
        "lea r8, [rip + 5f]",
        "mov r9d, {code_64}",
        "shl r9, 32",
        "or r8, r9",
        "push r8",
        "lea r8, [rip + 2f]",
        "push {code_32}",
        "push r8",
        "retfq",
        ".code32",
        "2:",
        "test ebp, ebp",
        "jz 3f",
        "mov edx, cr0",
        "xor edx, ebp",
        "mov cr0, edx",
        "3:",
        "test esi, esi",
        "jz 6f",
        "sti",
        "6:",
        "call eax",
        "cli",
        "test ebp, ebp",
        "jz 4f",
        "mov edx, cr0",
        "xor edx, ebp",
        "mov cr0, edx",
        "4:",
        "retf",
        ".code64",
        "5:",
        "movsxd rax, eax",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
        code_64 = const CODE_64,
        code_32 = const CODE_32,
    )
}

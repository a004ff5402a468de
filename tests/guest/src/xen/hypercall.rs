//! The call itself: registers, clobbers, and the page that Xen fills with code.

use core::arch::asm;

/// Bytes of one entry of the hypercall page (`xen/include/public/arch-x86/xen.h`).
pub(super) const ENTRY_BYTES: usize = 32;

/// One page of code, an entry of 32 bytes for each hypercall number.
#[repr(C, align(4096))]
pub struct HypercallPage([u8; 4096]);

/// Filled by Xen's domain builder for a PV guest, which finds it by an ELF note, and on request for
/// a PVH guest; `ret` instructions until then.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".hypercall_page")]
pub static HYPERCALL_PAGE: HypercallPage = HypercallPage([0xc3; 4096]);

/// Calls Xen. Arguments that the hypercall does not take are ignored by it.
///
/// # Safety
/// Each argument must be what hypercall `number` takes, and memory that it writes must be such that
/// the compiler expects writes: reached through a pointer that was turned into one of `arguments`,
/// or whose address was exposed.
pub(super) unsafe fn hypercall(number: u32, arguments: [u64; 4]) -> i64 {
    let [first, second, third, fourth] = arguments;
    let entry = (&raw const HYPERCALL_PAGE).addr() + number as usize * ENTRY_BYTES;
    let answer: i64;
    // SAFETY: the entry is code of Xen's that clobbers rcx and r11 at most; a continuation may change
    // the argument registers, so they count as clobbered. The arguments are the caller's promise.
    unsafe {
        asm!(
            "call {entry}",
            entry = in(reg) entry,
            inlateout("rdi") first => _,
            inlateout("rsi") second => _,
            inlateout("rdx") third => _,
            inlateout("r10") fourth => _,
            lateout("rax") answer,
            lateout("r8") _,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    answer
}

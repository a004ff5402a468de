//! Asks Xen to fill the hypercall page: a CPUID leaf names the MSR that takes its address
//! (`xen/include/public/arch-x86/cpuid.h`).

use crate::xen::HYPERCALL_PAGE;
use core::arch::asm;
use core::arch::x86_64::__cpuid;

/// Where a hypervisor's leaves can begin, and how far apart.
const LEAVES: core::ops::Range<u32> = 0x4000_0000..0x4001_0000;
const STEP: usize = 0x100;

/// "XenVMMXenVMM".
const SIGNATURE: [u32; 3] = [0x566e_6558, 0x6558_4d4d, 0x4d4d_566e];

/// Fills the page; whether there is a Xen to do it.
pub(super) fn fill() -> bool {
    let base = LEAVES.step_by(STEP).find(|&leaf| {
        let found = __cpuid(leaf);
        [found.ebx, found.ecx, found.edx] == SIGNATURE
    });
    let Some(base) = base else { return false };
    let msr = __cpuid(base + 2).ebx;
    // Virtual address = guest physical address.
    let address = (&raw const HYPERCALL_PAGE).expose_provenance() as u64;
    // SAFETY: the MSR makes Xen write hypercall entries into a page that is there for them.
    unsafe {
        asm!(
            "wrmsr",
            in("ecx") msr,
            in("eax") address & 0xffff_ffff,
            in("edx") address >> 32,
            options(nostack),
        );
    }
    true
}

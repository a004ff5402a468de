//! The cycle counter. Under an emulator that counts instructions it counts those.

/// The counter now. It differs from run to run, unless the machine counts instructions.
#[cfg(target_arch = "x86_64")]
pub fn cycles() -> u64 {
    // SAFETY: every x86_64 has the instruction, and Xen lets a PV guest use it or emulates it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

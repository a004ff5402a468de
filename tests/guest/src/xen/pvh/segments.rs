//! The descriptor tables of a PVH guest: flat segments of both widths, and one interrupt gate.

use core::arch::asm;
use core::cell::UnsafeCell;

/// Selector of the 64-bit code segment.
pub const CODE_64: u16 = 8;
/// Selector of the flat data segment.
pub const DATA: u16 = 16;
/// Selector of the flat 32-bit code segment.
pub(in crate::xen) const CODE_32: u16 = 24;

/// The segments: null, and what the selectors above name. Accessed bits set, so that the CPU does
/// not write here.
pub static GDT: [u64; 4] = [0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_9b00_0000_ffff];

/// Gates, one for each vector.
const GATES: usize = 256;

#[repr(C, align(16))]
struct Idt(UnsafeCell<[[u64; 2]; GATES]>);

// SAFETY: one vCPU; changed by `set_interrupt_gate` only.
unsafe impl Sync for Idt {}

static IDT: Idt = Idt(UnsafeCell::new([[0; 2]; GATES]));

/// What `lidt` takes.
#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

/// Offset of the last byte of the table.
const LIMIT: u16 = 4095;

/// Present, 64-bit interrupt gate of ring 0.
const INTERRUPT_GATE: u64 = 0x8e00 << 32;

/// Makes `vector` enter `handler`, in 64-bit mode with interrupts off.
pub(super) fn set_interrupt_gate(vector: u8, handler: u64) {
    let low = handler & 0xffff
        | u64::from(CODE_64) << 16
        | INTERRUPT_GATE
        | (handler & 0xffff_0000) << 32;
    let gates: *mut [u64; 2] = IDT.0.get().cast();
    let gate = gates.wrapping_add(usize::from(vector));
    // SAFETY: inside the table, which has an entry for each value; nobody holds a reference.
    unsafe { gate.write_volatile([low, handler >> 32]) };
    let base = IDT.0.get().expose_provenance() as u64;
    let pointer = TablePointer { limit: LIMIT, base };
    // SAFETY: the table stays where it is. Gates that are not filled fault as before there was one.
    unsafe { asm!("lidt [{}]", in(reg) &raw const pointer, options(readonly, nostack)) };
}

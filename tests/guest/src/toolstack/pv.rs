//! How a PV child's vCPUs begin: page tables, and the register contexts of both widths.
//!
//! After `xen/include/public/arch-x86/xen.h`, `xen-x86_64.h` and `xen-x86_32.h`. The tables are made
//! through windows while they are ordinary pages; Xen makes page tables of them when a vCPU is given
//! the top level, so no window may be open on them then.

use super::layout::{CODE, END, MAILBOXES, PAGE_SHIFT, TABLES, address};
use super::puppet::STACK_OFFSET;
use super::window::Window;
use crate::give_up;
use crate::verdict::CaseResult;
use crate::xen::domctl::CONTEXT_BYTES;
use crate::xen::release::Release;

/// Present, writable, user, accessed, dirty.
const ENTRY: u64 = 0x67;
/// Present: all that an entry of a 32-bit domain's top level may say.
const TOP_ENTRY_32: u64 = 0x1;

/// Fills the tables of a 64-bit child: four levels, one page each, which map each of the child's
/// pages but the tables. `frames` are the machine frames of its pages.
///
/// # Errors
/// Error, if a window can't be opened.
pub(super) fn fill_tables_64(domid: u16, frames: &[u64; END]) -> CaseResult {
    let [top, third, second, first, _] = tables(frames);
    link(domid, top, third, 0, ENTRY)?;
    link(domid, third, second, 0, ENTRY)?;
    link(domid, second, first, 0, ENTRY)?;
    fill_first_level(domid, first, frames)
}

/// Fills the tables of a 32-bit child: three levels. Xen puts its own entries into the second-level
/// table of the last GiB, so that must be there and be one of its own.
///
/// # Errors
/// Error, if a window can't be opened.
pub(super) fn fill_tables_32(domid: u16, frames: &[u64; END]) -> CaseResult {
    let [top, second, first, last_second, _] = tables(frames);
    link(domid, top, second, 0, TOP_ENTRY_32)?;
    link(domid, top, last_second, 3, TOP_ENTRY_32)?;
    link(domid, second, first, 0, ENTRY)?;
    fill_first_level(domid, first, frames)
}

fn tables(frames: &[u64; END]) -> [u64; 5] {
    core::array::from_fn(|number| frames.get(TABLES + number).copied().unwrap_or_default())
}

fn link(domid: u16, table: u64, to: u64, place: usize, flags: u64) -> CaseResult {
    let window = Window::open(domid, table)?;
    window.write(place * size_of::<u64>(), &(to << PAGE_SHIFT | flags).to_le_bytes());
    Ok(())
}

fn fill_first_level(domid: u16, table: u64, frames: &[u64; END]) -> CaseResult {
    let window = Window::open(domid, table)?;
    for (page, frame) in frames.iter().enumerate().skip(CODE) {
        if !(TABLES..MAILBOXES).contains(&page) {
            let entry = frame << PAGE_SHIFT | ENTRY;
            window.write(page * size_of::<u64>(), &entry.to_le_bytes());
        }
    }
    Ok(())
}

/// `VGCF_in_kernel | VGCF_online`.
const CONTEXT_FLAGS: u64 = 1 << 2 | 1 << 5;
/// Interrupts on, as Xen has it for every PV guest.
const FLAGS_REGISTER: u64 = 0x202;

/// `struct vcpu_guest_context` of a 64-bit domain: offsets of the fields that are not zero.
mod offset_64 {
    pub(super) const FLAGS: usize = 512;
    pub(super) const RIP: usize = 520 + 128;
    pub(super) const CS: usize = 520 + 136;
    pub(super) const RFLAGS: usize = 520 + 144;
    pub(super) const RSP: usize = 520 + 152;
    pub(super) const SS: usize = 520 + 160;
    pub(super) const KERNEL_SS: usize = 4968;
    pub(super) const KERNEL_SP: usize = 4976;
    pub(super) const CR3: usize = 4984 + 3 * 8;
}

/// The same of a 32-bit domain, whose words have four bytes. Registers are 68 bytes, the 256 traps
/// eight each.
mod offset_32 {
    pub(super) const FLAGS: usize = 512;
    pub(super) const EIP: usize = 516 + 32;
    pub(super) const CS: usize = 516 + 36;
    pub(super) const EFLAGS: usize = 516 + 40;
    pub(super) const ESP: usize = 516 + 44;
    /// ss, es, ds, fs, gs: a word each.
    pub(super) const SS: usize = 516 + 48;
    pub(super) const ES: usize = 516 + 52;
    pub(super) const DS: usize = 516 + 56;
    const AFTER_TRAPS: usize = 516 + 68 + 256 * 8;
    /// Behind the LDT's two words and the GDT's seventeen.
    pub(super) const KERNEL_SS: usize = AFTER_TRAPS + 19 * 4;
    pub(super) const KERNEL_SP: usize = KERNEL_SS + 4;
    pub(super) const CR3: usize = KERNEL_SP + 4 + 3 * 4;
}

/// Segments that Xen provides: `FLAT_KERNEL_CS64`, `FLAT_KERNEL_SS64`, `FLAT_RING1_CS`,
/// `FLAT_RING1_DS`.
const CS_64: u64 = 0xe033;
const SS_64: u64 = 0xe02b;
const CS_32: u32 = 0xe019;
const DS_32: u32 = 0xe021;

/// Puts each vCPU at the program's start, with its mailbox's stack.
///
/// # Errors
/// Error, if Xen refuses a context: the page tables are wrong then.
pub(super) fn start_vcpus(
    release: Release,
    domid: u16,
    vcpus: u32,
    wide: bool,
    frames: &[u64; END],
) -> CaseResult {
    let [top, ..] = tables(frames);
    for vcpu in 0..vcpus {
        let stack = address(MAILBOXES + vcpu as usize) + STACK_OFFSET;
        let context = if wide { context_64(top, stack) } else { context_32(top, stack) };
        match release.set_vcpu_context(domid, vcpu, &context) {
            0 => {}
            answer => give_up!("the context of vCPU {vcpu} of domain {domid}: {answer}"),
        }
    }
    Ok(())
}

fn context_64(top: u64, stack: u64) -> [u8; CONTEXT_BYTES] {
    let fields = [
        (offset_64::FLAGS, CONTEXT_FLAGS),
        (offset_64::RIP, address(CODE)),
        (offset_64::CS, CS_64),
        (offset_64::RFLAGS, FLAGS_REGISTER),
        (offset_64::RSP, stack),
        (offset_64::SS, SS_64),
        (offset_64::KERNEL_SS, SS_64),
        (offset_64::KERNEL_SP, stack),
        (offset_64::CR3, top << PAGE_SHIFT),
    ];
    let mut context = [0; CONTEXT_BYTES];
    for (offset, value) in fields {
        put(&mut context, offset, &value.to_le_bytes());
    }
    context
}

fn context_32(top: u64, stack: u64) -> [u8; CONTEXT_BYTES] {
    // Everything is below 4 GiB but the frame of the top level, whose upper bits go to the lower end.
    let narrow = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap_or_default();
    let cr3 = narrow(top << PAGE_SHIFT) | narrow(top >> 20);
    let fields = [
        (offset_32::FLAGS, narrow(CONTEXT_FLAGS)),
        (offset_32::EIP, narrow(address(CODE))),
        (offset_32::CS, CS_32),
        (offset_32::EFLAGS, narrow(FLAGS_REGISTER)),
        (offset_32::ESP, narrow(stack)),
        (offset_32::SS, DS_32),
        (offset_32::ES, DS_32),
        (offset_32::DS, DS_32),
        (offset_32::KERNEL_SS, DS_32),
        (offset_32::KERNEL_SP, narrow(stack)),
        (offset_32::CR3, cr3),
    ];
    let mut context = [0; CONTEXT_BYTES];
    for (offset, value) in fields {
        put(&mut context, offset, &value.to_le_bytes());
    }
    context
}

fn put(context: &mut [u8; CONTEXT_BYTES], offset: usize, bytes: &[u8]) {
    for (place, byte) in context.iter_mut().skip(offset).zip(bytes) {
        *place = *byte;
    }
}

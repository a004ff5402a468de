//! What only the bare-metal image has: notes, the entry of a PV guest, panic handler. The entry of a
//! PVH guest is in `pvh`.

mod pvh;

use core::arch::global_asm;
use core::panic::PanicInfo;
use tmem_guest::runner;
use tmem_guest::xen::{HYPERCALL_PAGE, Start, StartInfo, console, shutdown};

// The notes that Xen's domain builder reads (`xen/include/public/elfnote.h`), all of owner "Xen".
global_asm!(
    r#"
    .macro xen_note type, directive, value:vararg
        .long 4, 2f - 1f, \type
        .asciz "Xen"
    1:  \directive \value
    2:  .balign 4
    .endm

    .pushsection .note.Xen, "a", @note
    .balign 4
    xen_note 1, .quad, guest_entry
    xen_note 2, .quad, {hypercall_page}
    xen_note 3, .quad, 0
    xen_note 4, .quad, 0
    xen_note 5, .asciz, "xen-3.0"
    xen_note 6, .asciz, "tmem-guest"
    xen_note 8, .asciz, "generic"
    xen_note 9, .asciz, "yes"
    xen_note 10, .asciz, "!writable_page_tables|pae_pgdir_above_4gb"
    xen_note 18, .long, guest_entry_pvh
    .popsection
    "#,
    hypercall_page = sym HYPERCALL_PAGE,
);

// Xen enters with rsi = start_info and a stack of one page; ours is larger.
global_asm!(
    r#"
    .pushsection .text.guest_entry, "ax", @progbits
    .global guest_entry
    guest_entry:
        lea rsp, [rip + guest_stack_top]
        xor ebp, ebp
        cld
        mov rdi, rsi
        call {rust_entry}
        ud2
    .popsection

    .pushsection .bss.guest_stack, "aw", @nobits
    .balign 4096
        .skip 131072
    .global guest_stack_top
    guest_stack_top:
    .popsection
    "#,
    rust_entry = sym rust_entry,
);

/// First Rust code: runs what the command line asks for, then reboots the machine.
extern "C" fn rust_entry(start_info: *const StartInfo) -> ! {
    // SAFETY: called once, by the entry code, with the pointer that Xen's domain builder gave.
    runner::main(unsafe { Start::read(start_info) });
    shutdown::reboot()
}

/// A panic is a fault of the guest's own: say where, and leave without the completion marker.
#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    console::print_line(format_args!("tmem-guest: panic: {info}"));
    shutdown::reboot()
}

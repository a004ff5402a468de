//! The entry of a PVH guest, from 32-bit protected mode without paging to Rust in 64-bit mode.

use core::arch::global_asm;
use tmem_guest::runner;
use tmem_guest::xen::pvh::{BOOT_TABLES, CODE_64, DATA, GDT};
use tmem_guest::xen::{HvmStartInfo, Start, shutdown};

// Xen enters with ebx = hvm_start_info and flat segments. The tables, one page each: level 4, 3, 2,
// and two that map 4 MiB page by page; the rest of the first gigabyte is mapped in pieces of 2 MiB.
global_asm!(
    r#"
    .pushsection .text.guest_entry_pvh, "ax", @progbits
    .code32
    .global guest_entry_pvh
    guest_entry_pvh:
        cld
        mov esp, offset guest_stack_top

        mov edi, offset {tables}
        lea eax, [edi + 0x1003]
        mov [edi], eax
        lea eax, [edi + 0x2003]
        mov [edi + 0x1000], eax

        mov eax, 0xe3
        xor ecx, ecx
    1:  mov [edi + 0x2000 + ecx * 8], eax
        add eax, 0x200000
        inc ecx
        cmp ecx, 512
        jb 1b
        lea eax, [edi + 0x3023]
        mov [edi + 0x2000], eax
        lea eax, [edi + 0x4023]
        mov [edi + 0x2008], eax

        mov eax, 0x63
        xor ecx, ecx
    2:  mov [edi + 0x3000 + ecx * 8], eax
        add eax, 0x1000
        inc ecx
        cmp ecx, 1024
        jb 2b

        mov eax, cr4
        or eax, 1 << 5
        mov cr4, eax
        mov cr3, edi
        mov ecx, 0xc0000080
        rdmsr
        or eax, 1 << 8
        wrmsr
        mov eax, cr0
        or eax, 1 << 31 | 1 << 16
        mov cr0, eax

        lgdt [guest_gdt_pointer]
        push {code_64}
        mov eax, offset guest_entry_pvh_64
        push eax
        retf
    .code64
    guest_entry_pvh_64:
        mov eax, {data}
        mov ds, eax
        mov es, eax
        mov ss, eax
        xor eax, eax
        mov fs, eax
        mov gs, eax
        lea rsp, [rip + guest_stack_top]
        xor ebp, ebp
        mov edi, ebx
        call {rust_entry}
        ud2
    .popsection

    .pushsection .rodata.guest_gdt_pointer, "a", @progbits
    .balign 8
    guest_gdt_pointer:
        .word {gdt_limit}
        .quad {gdt}
    .popsection
    "#,
    tables = sym BOOT_TABLES,
    gdt = sym GDT,
    gdt_limit = const size_of_val(&GDT) - 1,
    code_64 = const CODE_64,
    data = const DATA,
    rust_entry = sym rust_entry,
);

/// First Rust code: runs what the command line asks for, then reboots the machine.
extern "C" fn rust_entry(start_info: *const HvmStartInfo) -> ! {
    // SAFETY: called once, by the entry code, with the pointer that Xen's domain builder gave.
    if let Some(start) = unsafe { Start::read_pvh(start_info) } {
        runner::main(start);
    }
    shutdown::reboot()
}

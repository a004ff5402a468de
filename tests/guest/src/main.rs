//! The entry point: ELF notes for Xen's domain builder, the boot stack, the panic handler.
//!
//! On any other target than `x86_64-unknown-none` this is an empty program: the library is what
//! lints and unit tests look at.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod bare;

#[cfg(not(target_os = "none"))]
fn main() {}

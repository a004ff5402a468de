//! Hands the guest's linker script to the linker; nothing to do for a build of the host's.

use std::env::var;

fn main() {
    println!("cargo::rerun-if-changed=guest.ld");
    println!("cargo::rerun-if-changed=build.rs");
    if var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let folder = var("CARGO_MANIFEST_DIR").unwrap_or_default();
    // The target's default is a position independent executable, which nobody would relocate here.
    for argument in ["--no-pie", "--no-dynamic-linker", "--build-id=none", "-znognustack"] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    println!("cargo::rustc-link-arg-bins=-T{folder}/guest.ld");
}

//! `cargo xtask`: builds Xen with tmem and the test guest, boots them, judges, checks.
//!
//! Depends on none of our crates, so that it runs when they do not build. Start with [`cli`].
#![forbid(unsafe_code)]

mod bench;
mod cargo;
mod cases;
mod check_abi;
mod check_object;
mod clean;
mod cli;
mod cold;
mod coverage;
mod doctor;
mod dom0;
mod everything;
mod fuzz;
mod guest;
mod hash;
mod host_tests;
mod judge;
mod loom;
mod machine;
mod matrix;
mod paths;
mod pins;
mod price;
mod process;
mod progress;
mod qemu;
mod qemu_run;
mod qemu_test;
mod results;
mod running;
mod shim;
mod space;
mod toolchain;
mod tsan;
mod xen;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match running::end_children_on_interrupt().and_then(|()| cli::run(arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

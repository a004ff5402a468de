//! The console tool against the service itself: what is tested there against a fake hypervisor of
//! its own is tested here against the one that Xen runs; on a terminal too.

mod commands;
mod far;
mod memory;
mod terminal;
mod top;
mod wanted;
mod xen;

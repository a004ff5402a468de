//! The end: a panic of Rust becomes a panic of Xen.
//!
//! A panic here is a fault of ours: no guest may cause one (`panics.toml` lists every place that
//! could come here, each with the argument why it can't run).

/// Tells the console where it happened and stops the machine.
///
/// The place only: formatting the message would pull in code that calls through pointers.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    match info.location() {
        Some(place) => crate::ffi::stop(place.file(), place.line()),
        None => crate::ffi::stop("unknown", 0),
    }
}

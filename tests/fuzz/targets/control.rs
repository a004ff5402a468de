//! The target `control` for libFuzzer; see [`tmem_fuzz::control`].
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(
    // Panics unwind before they end the process, so that the world can tell the calls before.
    init: drop(std::panic::take_hook()),
    |data: &[u8]| tmem_fuzz::control(data)
);

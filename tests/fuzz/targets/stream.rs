//! The target `stream` for libFuzzer; see [`tmem_fuzz::stream`].
#![no_main]
#![forbid(unsafe_code)]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tmem_fuzz::stream(data));

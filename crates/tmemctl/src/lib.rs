//! The operator's console tool, as a library: `main.rs` only calls it.
//!
//! Holds the stream that carries a domain's tmem ([`stream`]).
//!
//! Must not know: the engine and the service. All that it has of the hypervisor is the wire, which
//! `hypercall-abi` describes.
#![deny(unsafe_code)]

pub mod stream;

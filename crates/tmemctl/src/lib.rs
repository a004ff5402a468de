//! The operator's console tool, as a library: `main.rs` only calls it.
//!
//! Holds the command line ([`cli`]), what its commands do with a [`hypervisor::Hypervisor`], and the
//! stream that carries a domain's tmem ([`stream`]). Start with [`run()`].
//!
//! Must not know: the engine and the service. All that it has of the hypervisor is the wire, which
//! `hypercall-abi` describes.
#![deny(unsafe_code)]

pub mod stream;

#[cfg(feature = "tool")]
pub mod cli;
#[cfg(feature = "tool")]
mod commands;
#[cfg(feature = "tool")]
pub mod failure;
#[cfg(feature = "tool")]
pub mod figures;
#[cfg(feature = "tool")]
pub mod host;
#[cfg(feature = "tool")]
pub mod hypervisor;
#[cfg(feature = "tool")]
mod interrupt;
#[cfg(feature = "tool")]
mod metrics;
#[cfg(feature = "tool")]
mod migration;
#[cfg(feature = "tool")]
mod output;
#[cfg(feature = "tool")]
mod privcmd;
#[cfg(feature = "tool")]
mod probe;
#[cfg(feature = "tool")]
mod table;
#[cfg(all(test, feature = "tool"))]
mod tests;
#[cfg(feature = "tool")]
pub mod top;
#[cfg(feature = "tool")]
mod transfer;
#[cfg(feature = "tool")]
mod units;

#[cfg(feature = "tool")]
pub use commands::{main, main_on, run};

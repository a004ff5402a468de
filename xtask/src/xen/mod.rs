//! Xen: its source, a build tree of it with our hooks, and the image that comes out.
//!
//! Must not know what the Rust object does or how it is booted.

pub(crate) mod apt;
pub(crate) mod build;
pub(crate) mod config;
pub(crate) mod policy;
pub(crate) mod source;
pub(crate) mod sources_list;
pub(crate) mod tree;

#[cfg(test)]
mod tree_tests;

//! Helpers that know nothing of Xen and need no allocator.

pub mod args;
pub mod content;
pub mod rng;
pub mod table;
pub mod text;

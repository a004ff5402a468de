//! The test guest: everything but its entry point.
//!
//! - [`plain`]: command line, pseudo-random numbers, page contents, tables. Knows nothing of Xen;
//!   unit-tested on the build machine.
//! - [`xen`]: the guest's side of Xen's interface, as little of it as is needed.
//! - [`rig`]: what a case works with: pages to put and to get into, and tmem operations on them.
//! - [`toolstack`]: builds other domains, and makes them call tmem as a case says.
//! - [`verdict`], [`runner`]: the five results, and how cases are chosen, run and cleaned up after.
//! - [`cases`]: one file a case.
//! - [`client`]: what the guest is under a real toolstack: a domain that uses tmem until it is ended.
//!
//! Must not know: the engine, the service, host-sim. It sees tmem through hypercall 38 alone.
#![cfg_attr(not(test), no_std)]

pub mod cases;
pub mod client;
pub mod plain;
pub mod rig;
pub mod runner;
pub mod toolstack;
pub mod verdict;
pub mod xen;

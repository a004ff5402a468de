//! Races of a few calls on the engine's own code, each through every interleaving; named after the
//! rules that it asserts.
#![cfg(loom)]

mod page;

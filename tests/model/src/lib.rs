//! What the host tests share: a guest that makes calls, a reference model of the contract, a world
//! that keeps the service and the model in step, a small script language, and random scripts.
//!
//! The tests themselves are in `tests/`, one file a theme, each named after what it proves; the
//! numbers R and P are those of the contract's rules and of the original's defects.
//!
//! Must not know: how the engine does it. Start with [`check`] and [`World`].
#![forbid(unsafe_code)]

mod guest;
mod memory;
mod model;
mod random;
mod rng;
mod script;
mod toolstack;
mod world;

pub use guest::{Guest, at, destroy_domain, run_to_end};
pub use memory::Buffer;
pub use model::{EVICTED_PER_PUT_MAX, FREED_PER_SLICE_MAX, Model, Seen};
pub use random::{OBJECTS, Plan, run_random};
pub use rng::Rng;
pub use script::{check, check_in, play_in};
pub use toolstack::{BUFFER, Toolstack};
pub use world::{BAD_GFN, Block, READ_ONLY_GFN, SOURCE_GFN, TARGET_GFN, World};

/// How much a stress test does: `nr`, times the environment's `TMEM_LONG` in a long run.
///
/// # Panics
/// If the variable holds no number.
pub fn scaled(nr: u32) -> u32 {
    let factor = std::env::var("TMEM_LONG").ok();
    let factor = factor.map_or(1, |factor| factor.parse().expect("TMEM_LONG holds a number"));
    nr.saturating_mul(factor)
}

/// A service over a simulated host.
pub type SimService = tmem_service::Service<tmem_host_sim::SimHost>;

/// The answers that a guest sees, by the names that their causes have; the numbers are written out
/// here a second time on purpose, since the tests are to notice a change in `hypercall-abi`.
pub mod answer {
    /// Done; for a get: hit.
    pub const SUCCESS: i64 = 1;
    /// A get missed, or a destroy named no pool.
    pub const NOTHING: i64 = 0;
    /// Refused flags, no free pool id, no room for a shared pool.
    pub const NOT_PERMITTED: i64 = -1;
    /// No memory for something new; nothing changed.
    pub const NO_MEMORY: i64 = -12;
    /// Bad frame.
    pub const BAD_ADDRESS: i64 = -14;
    /// No such pool, or the caller is dying.
    pub const NO_DEVICE: i64 = -19;
    /// A duplicate put failed for memory; the old page is gone.
    pub const NO_SPACE: i64 = -28;
    /// Unknown or retired command.
    pub const NOT_IMPLEMENTED: i64 = -38;
    /// Control command.
    pub const NOT_SUPPORTED: i64 = -95;
    /// The pool's owner is frozen.
    pub const FROZEN: i64 = -1000;
    /// A get on a pool without pages.
    pub const EMPTY: i64 = -1001;
}

/// The flags words that a guest can send for a pool.
pub mod flags {
    /// Private and ephemeral.
    pub const EPHEMERAL: u32 = 0x0100_0000;
    /// Private and persistent.
    pub const PERSISTENT: u32 = 0x0100_0001;
    /// Shared and ephemeral.
    pub const SHARED: u32 = 0x0100_0002;
}

//! The reference model: the contract, as plainly as it can be written.
//!
//! The model does not predict; it judges. After each call it is told what the guest saw and what
//! the host had to report meanwhile (evictions, refusals), says whether the contract allows that,
//! and goes to the state that follows. It is strict: a page may be missing only if its eviction was
//! reported, eviction takes the oldest page (with weights: or the oldest of one who has a weight),
//! memory may be lacking only if the host refused some.
//!
//! Must not know: the engine.

mod data;
mod eviction;
mod lifecycle;
mod save;
mod shared;
mod state;
mod totals;

pub use eviction::EVICTED_PER_PUT_MAX;
pub use state::{FREED_PER_SLICE_MAX, Model};

use tmem_host_sim::{Content, Fault, Refusals};

/// Whether the contract allows what was seen; if not, why not.
pub(crate) type Verdict = Result<(), String>;

/// What could be seen of one slice of a call.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The answer; `None`: more slices are needed.
    pub answer: Option<i64>,
    /// For a get: what the target frame holds afterwards; `None` for no known content.
    pub content: Option<Content>,
    /// Evictions that the host heard of, in order.
    pub evicted: Vec<tmem_engine::EvictedPage>,
    /// What the host refused.
    pub refusals: Refusals,
    /// Frames that it has given back, beyond those that it took.
    pub nr_freed: usize,
}

impl Seen {
    /// Whether the host refused anything of this kind.
    pub(crate) fn refused(&self, kind: Fault) -> bool {
        self.refusals.of(kind) > 0
    }

    /// Judges an answer that has to be exactly `expected`.
    pub(crate) fn expect(&self, expected: i64) -> Verdict {
        self.expect_one_of(&[expected])
    }

    /// Judges an answer that may be any of `allowed`.
    pub(crate) fn expect_one_of(&self, allowed: &[i64]) -> Verdict {
        match self.answer {
            Some(answer) if allowed.contains(&answer) => Ok(()),
            answer => Err(format!(
                "answer {answer:?}, allowed {allowed:?}; {} evicted; {:?}",
                self.evicted.len(),
                self.refusals
            )),
        }
    }
}

//! First in, first out, without weights: the simplest policy, to measure others against.

use super::{Age, Event, Policy, Share, Victim};

/// Age counts from the put that created the page, whatever happens to it.
#[derive(Clone, Copy, Debug)]
pub struct Fifo;

impl Policy for Fifo {
    fn age(_: Event) -> Age {
        Age::Unchanged
    }

    fn victim(_: Share) -> Victim {
        Victim::Host
    }
}

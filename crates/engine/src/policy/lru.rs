//! Least recently used, with weights: what the contract asks for (R42, R45).

use super::{Age, Event, Policy, Share, Victim};

/// Age counts from the put that created the page. A duplicate put does not refresh it, a get in a
/// shared pool does. A client that holds more than its share pays with its own oldest page, and for
/// those that hold less than theirs.
///
/// An exclusive get removes the page, so in private pools this is first in, first out.
#[derive(Clone, Copy, Debug)]
pub struct Lru;

impl Policy for Lru {
    fn age(event: Event) -> Age {
        match event {
            Event::Created | Event::Hit => Age::Youngest,
            Event::Replaced => Age::Unchanged,
        }
    }

    fn victim(share: Share) -> Victim {
        if share.is_exceeded() { Victim::Requester } else { Victim::Exceeding }
    }
}

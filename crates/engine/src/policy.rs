//! The policy of eviction: what makes a page old, and whose oldest page goes.
//!
//! The engine keeps the pages of each shard in an order of age and finds the host's oldest by
//! stamps (`evict.rs`). A policy says where in this order an event puts a page, and whether the
//! victim is the host's oldest page or the requester's own. It decides from what it is told and
//! keeps nothing, so another policy is one more file like `lru.rs`.

mod fifo;
mod lru;

pub use fifo::Fifo;
pub use lru::Lru;

/// What happens to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A put creates it.
    Created,
    /// A get delivers it and leaves it where it is (shared pools).
    Hit,
    /// A duplicate put gives it new content.
    Replaced,
}

/// Where a page goes in the order of age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Behind all others: it is evicted last.
    Youngest,
    /// Where it is. For a page that is created it means the same as `Youngest`.
    Unchanged,
}

/// What a client holds of the host's ephemeral memory, and what its weight entitles it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Pages in the ephemeral pools that the client owns.
    pub held_pages: u64,
    /// Pages in all ephemeral pools, as of each pool's last eviction: approximate.
    pub all_pages: u64,
    /// The client's weight.
    pub weight: u32,
    /// Sum of all clients' weights; not 0.
    pub weight_sum: u64,
}

impl Share {
    /// Whether the client holds more than its weight's part of all.
    pub fn is_exceeded(&self) -> bool {
        let held = u128::from(self.held_pages) * u128::from(self.weight_sum);
        held > u128::from(self.all_pages) * u128::from(self.weight)
    }
}

/// Whose oldest page is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The oldest of all.
    Host,
    /// The oldest in the pools of the client that asks for a frame.
    Requester,
    /// The oldest in the pools of another client that would have to pay itself if it asked now, if
    /// one is known; else the oldest of all.
    ///
    /// Who holds less than its share could not grow otherwise: where all put at the same rate the
    /// oldest page of all is its own as often as it is theirs.
    Exceeding,
}

/// A policy.
pub trait Policy {
    /// Where `event` puts the page.
    fn age(event: Event) -> Age;

    /// Whose page goes when a client with this share needs a frame. Asked only where weights are in
    /// use and the client has a weight beside others that have one.
    fn victim(share: Share) -> Victim;
}

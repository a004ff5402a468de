//! Who is in a shared pool, as the data path asks it: is the domain that used this object last
//! still there?

use crate::block::Membership;
use crate::client::{Clients, SlotState, SlotWord};
use crate::sync::atomic::Ordering::{Acquire, Relaxed};

/// The members of one pool, seen by one of them.
#[derive(Clone, Copy)]
pub(crate) struct Members<'a> {
    clients: &'a Clients,
    pool: u32,
    own: Membership,
    /// Whether somebody has left and what it used is not swept yet.
    somebody_left: bool,
}

impl<'a> Members<'a> {
    pub(crate) const fn new(
        clients: &'a Clients,
        pool: u32,
        own: Membership,
        somebody_left: bool,
    ) -> Self {
        Self { clients, pool, own, somebody_left }
    }

    /// The stay of the domain that asks.
    pub(crate) const fn own(&self) -> Membership {
        self.own
    }

    /// Whether any stay may have ended whose blocks are not swept yet.
    pub(crate) const fn has_somebody_left(&self) -> bool {
        self.somebody_left
    }

    /// Whether this stay goes on.
    pub(crate) fn is_alive(&self, member: Membership) -> bool {
        !self.somebody_left || self.is_listed(member)
    }

    fn is_listed(&self, member: Membership) -> bool {
        self.clients.get(u32::from(member.client)).is_some_and(|client| {
            client.slots.iter().any(|slot| {
                let word = SlotWord(slot.word.load(Acquire));
                word.state() == SlotState::Live
                    && word.pool() == self.pool
                    && slot.epoch.load(Relaxed) == member.epoch
            })
        })
    }
}

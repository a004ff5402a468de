//! Names of pages that two calls may share, and which pages may be found under each.

use crate::step::Step;
use hypercall_abi::Handle;
use std::collections::{BTreeMap, BTreeSet};
use tmem_model_tests::{at, flags};

/// The kinds of a domain's pools, by their ids.
pub(crate) const KINDS: [u32; 3] = [flags::PERSISTENT, flags::EPHEMERAL, flags::SHARED];
const EPHEMERAL_SLOT: u8 = 1;
const SHARED_SLOT: u8 = 2;

/// A page's name: few of them, so that calls meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    /// Whose it is; 0 for a shared page, which all know by the same name.
    domain: u16,
    slot: u8,
    object: u8,
    index: u8,
}

impl Name {
    pub(crate) fn of(step: &Step) -> Self {
        let slot = u8::try_from(step.pool_id() % 3).unwrap_or(0);
        let domain = if slot == SHARED_SLOT { 0 } else { step.domain() };
        Self { domain, slot, object: step.object % 2, index: step.arg % 4 }
    }

    pub(crate) fn handle(&self) -> Handle {
        at(self.slot(), self.object(), u32::from(self.index))
    }

    pub(crate) fn slot(&self) -> u32 {
        u32::from(self.slot)
    }

    pub(crate) fn object(&self) -> u64 {
        u64::from(self.object)
    }

    /// Whether a hit removes the page.
    fn is_exclusive(&self) -> bool {
        self.slot == EPHEMERAL_SLOT
    }

    pub(crate) fn is_in_pool_of(&self, other: &Self) -> bool {
        (self.domain, self.slot) == (other.domain, other.slot)
    }

    pub(crate) fn is_in_object_of(&self, other: &Self) -> bool {
        self.is_in_pool_of(other) && self.object == other.object
    }

    pub(crate) fn is_private_to(&self, domain: u16) -> bool {
        self.domain == domain
    }
}

/// Which pages, by their numbers, a get may find. Numbers grow from put to put.
#[derive(Default)]
pub(crate) struct Pages {
    nr_puts: u32,
    possible: BTreeMap<Name, BTreeSet<u32>>,
    /// Puts that have begun and not ended.
    pending: BTreeSet<u32>,
    /// Pages that an exclusive get has handed out: nobody may get one again (R6).
    taken: BTreeSet<u32>,
}

impl Pages {
    /// A put begins; its page's number.
    pub(crate) fn begin_put(&mut self, name: Name) -> u32 {
        self.nr_puts += 1;
        self.possible.entry(name).or_default().insert(self.nr_puts);
        self.pending.insert(self.nr_puts);
        self.nr_puts
    }

    /// The put has ended: whatever was there before it is gone, even if it failed (R5). What was put
    /// meanwhile may have come before it or after it.
    pub(crate) fn end_put(&mut self, name: Name, number: u32, is_stored: bool) {
        self.pending.remove(&number);
        let pending = &self.pending;
        self.possible.entry(name).or_default().retain(|&other| {
            other > number || pending.contains(&other) || is_stored && other == number
        });
    }

    /// Pages of these names are gone, but for puts that have not ended.
    pub(crate) fn forget(&mut self, is_gone: impl Fn(&Name) -> bool) {
        let pending = &self.pending;
        for (_, numbers) in self.possible.iter_mut().filter(|(name, _)| is_gone(name)) {
            numbers.retain(|number| pending.contains(number));
        }
    }

    pub(crate) fn possible(&self, name: Name) -> BTreeSet<u32> {
        self.possible.get(&name).cloned().unwrap_or_default()
    }

    /// A get has hit; false: somebody had taken the page before.
    pub(crate) fn hit(&mut self, name: Name, number: u32) -> bool {
        !name.is_exclusive() || self.taken.insert(number)
    }
}

//! The age list: a shard's ephemeral pages from oldest to youngest, in the order of their stamps.

use super::State;
use crate::slab::SlotId;

impl State {
    /// Makes a page the youngest.
    #[inline]
    pub(super) fn age_append(&mut self, id: SlotId, stamp: u64) {
        let last = self.youngest;
        let aged = self.ages.get_mut(id);
        aged.stamp = stamp;
        (aged.older, aged.younger) = (last, SlotId::NONE);
        match last.some() {
            Some(last) => self.ages.get_mut(last).younger = id,
            None => self.oldest = id,
        }
        self.youngest = id;
    }

    #[inline]
    pub(super) fn age_unlink(&mut self, id: SlotId) {
        let aged = self.ages.get(id);
        let (older, younger) = (aged.older, aged.younger);
        match older.some() {
            Some(older) => self.ages.get_mut(older).younger = younger,
            None => self.oldest = younger,
        }
        match younger.some() {
            Some(younger) => self.ages.get_mut(younger).older = older,
            None => self.youngest = older,
        }
    }
}

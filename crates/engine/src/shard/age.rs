//! The age list: a shard's ephemeral pages from oldest to youngest, in the order of their stamps.

use super::State;
use crate::slab::SlotId;

impl State {
    /// Makes a page, which is not in the list, the youngest.
    #[inline(always)]
    pub(super) fn age_append(&mut self, id: SlotId, stamp: u64) {
        let last = self.youngest;
        self.ages.get_mut(id).make_youngest(last, stamp);
        match last.some() {
            Some(last) => self.ages.get_mut(last).set_younger(id),
            None => (self.oldest, self.oldest_stamp) = (id, stamp),
        }
        self.youngest = id;
    }

    /// Takes a page out of the list.
    #[inline(always)]
    pub(super) fn age_unlink(&mut self, id: SlotId) {
        let aged = self.ages.get(id);
        let (older, younger) = (aged.older(), aged.younger());
        let younger_stamp = match younger.some() {
            Some(younger) => {
                let aged = self.ages.get_mut(younger);
                aged.set_older(older);
                aged.stamp()
            }
            None => {
                self.youngest = older;
                u64::MAX
            }
        };
        match older.some() {
            Some(older) => self.ages.get_mut(older).set_younger(younger),
            None => (self.oldest, self.oldest_stamp) = (younger, younger_stamp),
        }
    }
}

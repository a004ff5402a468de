//! The age list: a shard's hooked ephemeral pages from oldest to youngest, in the order of their
//! stamps.

use super::State;
use crate::slab::SlotId;

impl State {
    pub(super) fn age_append(&mut self, id: SlotId) {
        let last = self.youngest;
        let page = self.pages.get_mut(id);
        (page.older, page.younger) = (last, SlotId::NONE);
        match last.some() {
            Some(last) => self.pages.get_mut(last).younger = id,
            None => self.oldest = id,
        }
        self.youngest = id;
    }

    pub(super) fn age_insert_after(&mut self, older: SlotId, id: SlotId) {
        let younger = core::mem::replace(&mut self.pages.get_mut(older).younger, id);
        let page = self.pages.get_mut(id);
        (page.older, page.younger) = (older, younger);
        match younger.some() {
            Some(younger) => self.pages.get_mut(younger).older = id,
            None => self.youngest = id,
        }
    }

    pub(super) fn age_unlink(&mut self, id: SlotId) {
        let page = self.pages.get(id);
        let (older, younger) = (page.older, page.younger);
        match older.some() {
            Some(older) => self.pages.get_mut(older).younger = younger,
            None => self.oldest = younger,
        }
        match younger.some() {
            Some(younger) => self.pages.get_mut(younger).older = older,
            None => self.youngest = older,
        }
    }
}

//! The ages of pages, under the shard's lock: what the log of ages leaves to who knows the pages.

use super::{Pinned, State};
use crate::age_log::{AgeSupply, ThinPair};
use crate::broken;
use crate::frame::FrameId;
use crate::index::Lead;
use crate::page::Standing;
use crate::slab::{SlabNeed, SlotId};
use crate::stock::{Need, Stock};

impl State {
    /// Whether a page can be made young, or be added, without metadata for its age.
    pub(crate) const fn is_age_ready(&self) -> bool {
        self.ages.is_ready()
    }

    /// Sees to it that the age of one page can be added.
    ///
    /// # Errors
    /// The block of metadata that `supply` lacks.
    pub(super) fn prepare_age(&mut self, supply: &mut AgeSupply) -> Result<(), SlabNeed> {
        if !self.ages.is_ready()
            && let Some(thin) = self.ages.open(supply)?
        {
            self.merge_ages(thin);
        }
        Ok(())
    }

    /// Takes the record of a page that goes out of the log.
    #[inline(always)]
    pub(super) fn forget_age(&mut self, record: SlotId) {
        if self.ages.remove(record) {
            self.see_to_ages(record);
        }
    }

    #[cold]
    #[inline(never)]
    fn see_to_ages(&mut self, record: SlotId) {
        if let Some(thin) = self.ages.see_to(record) {
            self.merge_ages(thin);
        }
        self.has_news |= self.ages.has_excess();
    }

    /// Merges two chunks of the log and tells the pages their records' new numbers.
    fn merge_ages(&mut self, thin: ThinPair) {
        let Self { ages, blocks, maps, .. } = self;
        ages.merge(thin, |(block, place), record| {
            let pages = blocks.get_mut(block).pages_mut();
            match pages.and_then(|pages| pages.get_mut(place, maps)) {
                Some(page) => page.set_record(record),
                None => broken::no_such_page(),
            }
        });
        self.has_news = true;
    }

    /// Makes a page the youngest. There [is](Self::is_age_ready) room for its age.
    pub(super) fn refresh(&mut self, lead: Lead, place: u8, record: SlotId, stamp: u64) {
        self.forget_age(record);
        let record = self.ages.add(lead.block(), place, stamp);
        if let Some(page) = self.page_mut(lead, place) {
            page.set_record(record);
        }
    }

    /// Makes a page that was got the youngest, if it is still there.
    ///
    /// # Errors
    /// The block of metadata that `stock` lacks.
    pub(crate) fn make_youngest(
        &mut self,
        pinned: Pinned,
        stamp: impl FnOnce() -> u64,
        stock: &mut Stock,
    ) -> Result<(), Need> {
        let Pinned { lead, place, frame, .. } = pinned;
        if self.record_of(lead, place, frame).is_none() {
            return Ok(());
        }
        self.prepare_age(&mut stock.ages).map_err(Need::Ages)?;
        // Which may have given it another record.
        if let Some(record) = self.record_of(lead, place, frame) {
            self.refresh(lead, place, record, stamp());
        }
        Ok(())
    }

    /// The record of the page in `frame`, if it can be found and is where `lead` leads to. Nobody
    /// holds it there any more: what is there may be of another block, but then its record says so.
    fn record_of(&mut self, lead: Lead, place: u8, frame: FrameId) -> Option<SlotId> {
        let mut record = None;
        self.with_entry(lead, place, |page| {
            let is_it = page.frame_id() == Some(frame) && page.standing() == Standing::Hooked;
            record = is_it.then(|| page.record());
            is_it
        });
        record.filter(|record| self.ages.page(*record) == (lead.block(), place))
    }
}

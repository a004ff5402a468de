//! Get, under the shard's lock: before the copy, and after it.

use super::{Aging, PageName, State};
use crate::block::{Block, Membership};
use crate::frame::{Frame, FrameId};
use crate::hash::HashKey;
use crate::host::Host;
use crate::index::Lead;
use crate::member::Members;
use crate::page::{Entry, Standing};
use crate::slab::SlotId;

/// How a get takes the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    /// A hit removes the page (private ephemeral).
    Exclusive,
    /// A hit leaves it (persistent).
    Keeping,
    /// A hit leaves it and makes it the youngest (shared ephemeral).
    Refreshing,
    /// A hit leaves it as old as it is (shared ephemeral, if the policy says so).
    Leaving,
}

impl Taking {
    #[inline(always)]
    const fn aging(self) -> Aging {
        match self {
            Self::Keeping => Aging::Ageless,
            Self::Exclusive | Self::Refreshing | Self::Leaving => Aging::Aged,
        }
    }
}

/// A page that a get is copying out: where it was, and its frame, which stays as it is meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pinned {
    pub(super) lead: Lead,
    pub(super) place: u8,
    /// In ephemeral pools.
    record: SlotId,
    pub(crate) frame: FrameId,
}

impl Pinned {
    /// A page of a persistent pool that was pinned otherwise than by
    /// [`begin_get`](State::begin_get).
    pub(super) const fn kept(lead: Lead, place: u8, frame: FrameId) -> Self {
        Self { lead, place, record: SlotId::NONE, frame }
    }
}

impl State {
    /// Finds the page and keeps its frame in place until [`finish_get`](Self::finish_get).
    #[inline(always)]
    pub(crate) fn begin_get(
        &mut self,
        name: &PageName,
        members: Option<&Members<'_>>,
        taking: Taking,
    ) -> Option<Pinned> {
        // Small files, which private ephemeral pools are full of, are not worth a guess.
        let lead = match taking {
            Taking::Exclusive => self.find_block(name)?,
            Taking::Keeping | Taking::Refreshing | Taking::Leaving => self.guess_block(name)?,
        };
        let place = name.place;
        if !self.is_kept(lead.block(), members) {
            return None;
        }
        let entry = self.page_mut(lead, place)?;
        let frame = entry.frame_id()?;
        if !entry.is_idle(taking.aging()) && !entry.is_readable(taking.aging()) {
            return None;
        }
        entry.pin(taking.aging(), taking == Taking::Exclusive);
        let record = match taking {
            Taking::Keeping => SlotId::NONE,
            Taking::Exclusive | Taking::Refreshing | Taking::Leaving => entry.record(),
        };
        Some(Pinned { lead, place, record, frame })
    }

    /// Tells `host` what the removal of the page is going to change, so that it comes while the page is
    /// copied. `number`: of the page's block in its object.
    #[inline(always)]
    pub(crate) fn foresee_removal<H: Host>(&self, pinned: Pinned, number: u32, host: &H) {
        if number > 0
            && let Block::Further { head, .. } = self.blocks.get(pinned.lead.block())
        {
            host.prefetch(self.blocks.get(*head));
        }
    }

    /// Ends what [`begin_get`](Self::begin_get) began. `copied`: whether the guest has the page;
    /// `user`: who used the block last now, if it still is in the pool and is not alone in it. A frame
    /// that nobody needs any more is handed over.
    ///
    /// A page that is to be the youngest stays as old as it is where there [is no
    /// room](Self::is_age_ready) for its age.
    #[inline(always)]
    pub(crate) fn finish_get(
        &mut self,
        key: &HashKey,
        pinned: Pinned,
        taking: Taking,
        copied: bool,
        user: Membership,
        stamp: impl FnOnce() -> u64,
    ) -> Option<Frame> {
        let aging = taking.aging();
        let Pinned { lead, place, record, frame } = pinned;
        // As it was left, in nearly all cases.
        let left = Entry::pinned_once(aging, taking == Taking::Exclusive, record);
        if taking == Taking::Exclusive {
            let mut taken = None;
            let take = |entry: &mut Entry| {
                let is_left = entry.is(frame, left);
                if is_left {
                    taken = core::mem::take(entry).take_frame();
                }
                is_left
            };
            if copied && self.with_entry(lead, place, take) {
                self.stats.hits += 1;
                self.taken(key, lead, record, aging);
                return taken;
            }
            return self.finish_rare_get(key, lead, place, frame, taking, copied, user, stamp);
        }
        let young = if taking == Taking::Refreshing { self.ages.next_record() } else { None };
        let unpin = |entry: &mut Entry| {
            let is_left = entry.is(frame, left);
            if is_left {
                entry.clear_pins(aging);
                if let Some(young) = young {
                    entry.set_record(young);
                }
            }
            is_left
        };
        if copied && self.with_entry(lead, place, unpin) {
            self.stats.hits += 1;
        } else {
            return self.finish_rare_get(key, lead, place, frame, taking, copied, user, stamp);
        }
        if young.is_some() {
            self.ages.add(lead.block(), place, stamp());
            self.forget_age(record);
        }
        if user != Membership::NOBODY {
            self.blocks.get_mut(lead.block()).set_last_user(user);
        }
        None
    }

    /// The same where the copy failed or others were at the page meanwhile.
    #[cold]
    #[inline(never)]
    #[expect(clippy::too_many_arguments, reason = "in registers they cost the common way nothing")]
    fn finish_rare_get(
        &mut self,
        key: &HashKey,
        mut lead: Lead,
        place: u8,
        frame: FrameId,
        taking: Taking,
        copied: bool,
        user: Membership,
        stamp: impl FnOnce() -> u64,
    ) -> Option<Frame> {
        self.stats.hits += u64::from(copied);
        let aging = taking.aging();
        let block = lead.block();
        // The page may be gone, and its block, and others may be there now: but not in this frame,
        // which is ours until we are done. Or it may have moved between the block and its map.
        let is_it = |entry: &&mut Entry| entry.frame_id() == Some(frame);
        let in_map = lead.map().and_then(|map| self.maps.try_get_mut(map)?.page_mut(place));
        let entry = match in_map.filter(is_it) {
            Some(entry) => entry,
            None => {
                let pages = self.blocks.try_get_mut(block).and_then(|block| block.pages_mut());
                lead = Lead::new(block, pages.as_ref().map_or(SlotId::NONE, |pages| pages.map()));
                match pages.and_then(|pages| pages.get_mut(place, &mut self.maps)).filter(is_it) {
                    Some(entry) => entry,
                    None => return self.orphans.unpin(frame),
                }
            }
        };
        entry.unpin(aging);
        let is_read = entry.nr_pins(aging) > 0;
        let goes = match entry.standing() {
            Standing::Doomed => !is_read,
            Standing::Claimed => {
                entry.stand(Standing::Hooked);
                copied
            }
            Standing::Hooked => {
                if copied && taking == Taking::Refreshing && self.ages.is_ready() {
                    let record = entry.record();
                    self.refresh(lead, place, record, stamp());
                }
                if copied && user != Membership::NOBODY {
                    self.blocks.get_mut(block).set_last_user(user);
                }
                false
            }
        };
        if goes { self.remove(key, lead, place, aging)?.frame() } else { None }
    }
}

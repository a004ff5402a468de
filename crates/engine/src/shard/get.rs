//! Get, under the shard's lock: before the copy, and after it.

use super::{Aging, PageName, State};
use crate::block::Membership;
use crate::broken;
use crate::frame::FrameId;
use crate::garbage::Garbage;
use crate::hash::HashKey;
use crate::member::Members;
use crate::page::Standing;
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
}

impl State {
    /// Finds the page and keeps its frame in place until [`finish_get`](Self::finish_get).
    pub(crate) fn begin_get(
        &mut self,
        name: &PageName,
        members: &Members<'_>,
        taking: Taking,
    ) -> Option<(SlotId, FrameId)> {
        let id = self.find_page(name, members)?;
        let page = self.pages.get_mut(id);
        if page.standing != Standing::Hooked {
            page.standing = Standing::Missed;
            return None;
        }
        // One call per CPU, so pins are few; a host of 65,535 CPUs would miss here.
        page.nr_pins = page.nr_pins.checked_add(1)?;
        if taking == Taking::Exclusive {
            page.standing = Standing::Claimed;
        }
        Some((id, page.frame.as_ref()?.id()))
    }

    /// Ends what [`begin_get`](Self::begin_get) began. `copied`: whether the guest has the page;
    /// `user`: who used the block last now, if it still is in the pool.
    #[expect(clippy::too_many_arguments, reason = "the whole context of one get, used once")]
    pub(crate) fn finish_get<const F: usize>(
        &mut self,
        key: &HashKey,
        id: SlotId,
        taking: Taking,
        copied: bool,
        user: Option<Membership>,
        stamp: impl FnOnce() -> u64,
        garbage: &mut Garbage<F>,
    ) {
        self.stats.hits += u64::from(copied);
        let aging = if taking == Taking::Keeping { Aging::Ageless } else { Aging::Aged };
        let page = self.pages.get_mut(id);
        page.nr_pins -= 1;
        match page.standing {
            Standing::Orphan => {
                if page.nr_pins == 0 {
                    self.nr_orphans -= 1;
                    self.free(id, garbage);
                }
            }
            Standing::Missed => self.remove(key, id, aging, garbage),
            Standing::Claimed if copied => self.remove(key, id, aging, garbage),
            Standing::Claimed => page.standing = Standing::Hooked,
            Standing::Hooked => {
                if copied && taking == Taking::Refreshing {
                    page.stamp = stamp();
                    let block = page.block;
                    self.age_unlink(id);
                    self.age_append(id);
                    if let Some(user) = user {
                        self.blocks.get_mut(block).set_last_user(user);
                    }
                }
            }
            Standing::Vacant => broken::freed_while_read(),
        }
    }
}

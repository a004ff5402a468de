//! The search for the next page of a save, under the shard's lock.

use super::get::Pinned;
use super::{Aging, FullName, State};
use crate::page::Standing;
use crate::slab::{Scanned, SlotId};

/// Where a search stands in a shard: at a place of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) block: SlotId,
    pub(crate) place: u8,
}

impl Place {
    /// Before all pages.
    pub(crate) const FIRST: Self = Self { block: SlotId(0), place: 0 };

    /// The place behind this one.
    pub(crate) const fn next(self) -> Self {
        Self { place: self.place + 1, ..self }
    }
}

/// What a search came to.
#[derive(Debug)]
pub(crate) enum NextPage {
    /// This page, whose frame stays in place until `finish_get`.
    Pinned(Place, Pinned, FullName),
    /// Go on from here.
    Unfinished(Place),
    /// No further page in this shard.
    End,
}

impl State {
    /// Finds the first reachable page of a persistent pool at or after `from` and pins it. Looks at
    /// no more than `steps` blocks and chunks without any, which it counts down.
    ///
    /// A block keeps its slot and a page its place in the block as long as they live, whatever happens to
    /// others: so a search that goes through slots and places in their order meets each page that
    /// stays once.
    pub(crate) fn pin_next(&mut self, mut from: Place, steps: &mut usize) -> NextPage {
        loop {
            let block = match self.blocks.next_used(from.block, steps) {
                Scanned::Found(block) => block,
                Scanned::Unfinished(block) if block == from.block => {
                    return NextPage::Unfinished(from);
                }
                Scanned::Unfinished(block) => {
                    return NextPage::Unfinished(Place { block, place: 0 });
                }
                Scanned::End => return NextPage::End,
            };
            if block != from.block {
                from = Place { block, place: 0 };
            }
            if let Some((found, pinned, name)) = self.pin_in_block(from) {
                return NextPage::Pinned(found, pinned, name);
            }
            from = Place { block: SlotId(block.0 + 1), place: 0 };
        }
    }

    /// Pins the first page of a live block at or after a place of it.
    fn pin_in_block(&mut self, Place { block, place }: Place) -> Option<(Place, Pinned, FullName)> {
        // Dead blocks and heads have no names, and their pages are gone.
        self.name_of(block, 0)?;
        let lead = self.lead_to(block);
        let mut at = place;
        loop {
            at = self.blocks.get(block).pages()?.next(at, &self.maps)?;
            let entry = self.page_mut(lead, at)?;
            // One that is doomed is gone; that so many calls read a page is impossible.
            if entry.standing() == Standing::Hooked && entry.is_readable(Aging::Ageless) {
                let frame = entry.frame_id()?;
                entry.pin(Aging::Ageless, false);
                let name = self.name_of(block, at)?;
                return Some((Place { block, place: at }, Pinned::kept(lead, at, frame), name));
            }
            at += 1;
        }
    }
}

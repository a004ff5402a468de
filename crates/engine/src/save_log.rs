//! What was removed from a domain's persistent pools while it was saved as it ran.
//!
//! Whoever restores the domain has got some of these pages already and is to drop them again. A record
//! is written for a removal that found something, and nothing comes in while a save goes on, so
//! there are no more records than there were pages. They lie in frames of 128, allocated as all
//! metadata is and charged to the domain, which has just got a page back for each.

use crate::client::Caller;
use crate::engine::Engine;
use crate::garbage::{Boxed, Garbage};
use crate::host::Host;
use crate::meta::{Payer, SLICE_PAGES_MAX, boxed, pay, refund};
use crate::paged::{Leaf, Paged, PagedNeed, PagedSupply, Root};
use crate::save::Saving;
use alloc::boxed::Box;

/// Records in a frame.
const RECORDS_PER_BLOCK: usize = 128;
/// Blocks' addresses in a frame.
pub(crate) const BLOCKS_PER_LEAF: usize = 512;

/// A frame of records, each a removal's words.
pub(crate) type LogBlock = Box<[[u64; 4]; RECORDS_PER_BLOCK]>;
/// The addresses of such.
type Blocks = Paged<Option<LogBlock>, 1, 1, BLOCKS_PER_LEAF>;
/// What an append may need.
type Supply = PagedSupply<Option<LogBlock>, BLOCKS_PER_LEAF>;

/// Something that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// A page.
    Page {
        /// The client's id of its pool.
        pool_id: u32,
        /// The object's id.
        oid: [u64; 3],
        /// The page's index.
        index: u32,
    },
    /// All pages of an object.
    Object {
        /// The client's id of its pool.
        pool_id: u32,
        /// The object's id.
        oid: [u64; 3],
    },
    /// A pool with all that was in it.
    Pool {
        /// The id that the client had for it.
        pool_id: u32,
    },
}

/// Kinds of records, in the bits above the pool's id.
const PAGE: u64 = 0;
const OBJECT: u64 = 1 << 4;
const POOL: u64 = 2 << 4;

impl Removal {
    fn words(self) -> [u64; 4] {
        match self {
            Self::Page { pool_id, oid: [a, b, c], index } => {
                [a, b, c, u64::from(index) << 32 | PAGE | u64::from(pool_id)]
            }
            Self::Object { pool_id, oid: [a, b, c] } => [a, b, c, OBJECT | u64::from(pool_id)],
            Self::Pool { pool_id } => [0, 0, 0, POOL | u64::from(pool_id)],
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "takes a word apart")]
    const fn from_words([a, b, c, last]: [u64; 4]) -> Self {
        let (pool_id, oid, index) = (last as u32 & 15, [a, b, c], (last >> 32) as u32);
        match last & (OBJECT | POOL) {
            PAGE => Self::Page { pool_id, oid, index },
            OBJECT => Self::Object { pool_id, oid },
            _ => Self::Pool { pool_id },
        }
    }
}

/// The block that an append is short of.
#[derive(Clone, Copy)]
enum Need {
    Block,
    Blocks(PagedNeed),
}

/// The log of one client.
#[derive(Debug)]
pub(crate) struct SaveLog {
    blocks: Blocks,
    /// Records.
    len: u32,
    /// Frames, all told.
    nr_blocks: u32,
    /// Whether something could not be recorded: the save is worth nothing.
    is_lost: bool,
}

impl Default for SaveLog {
    fn default() -> Self {
        Self { blocks: Blocks::new(), len: 0, nr_blocks: 0, is_lost: false }
    }
}

impl SaveLog {
    /// Frames that it takes.
    pub(crate) const fn nr_blocks(&self) -> u32 {
        self.nr_blocks
    }

    /// Whether all that was removed is in it.
    pub(crate) const fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Whether it is as it was at first.
    pub(crate) const fn is_empty(&self) -> bool {
        self.nr_blocks == 0 && self.len == 0 && !self.is_lost
    }

    /// Record `at`, if there are so many.
    pub(crate) fn get(&self, at: u32) -> Option<Removal> {
        if at >= self.len {
            return None;
        }
        let block = self.blocks.owned(at as usize / RECORDS_PER_BLOCK)?;
        block.get(at as usize % RECORDS_PER_BLOCK).copied().map(Removal::from_words)
    }

    /// Whether the next record needs a frame.
    fn is_full(&self) -> bool {
        (self.len as usize).is_multiple_of(RECORDS_PER_BLOCK)
    }

    /// Adds a record, out of `block` and `supply` if it takes frames.
    fn push(
        &mut self,
        removal: Removal,
        block: &mut Option<LogBlock>,
        supply: &mut Supply,
    ) -> Result<(), Need> {
        let at = self.len as usize / RECORDS_PER_BLOCK;
        if self.is_full() {
            let before = supply.nr_blocks();
            let ensured = self.blocks.ensure(at, supply);
            self.nr_blocks += before - supply.nr_blocks();
            ensured.map_err(Need::Blocks)?;
            let fresh = block.take().ok_or(Need::Block)?;
            if let Some(place) = self.blocks.get_mut(at) {
                *place = Some(fresh);
                self.nr_blocks += 1;
            }
        }
        let record = self
            .blocks
            .owned_mut(at)
            .and_then(|b| b.get_mut(self.len as usize % RECORDS_PER_BLOCK));
        if let Some(record) = record {
            *record = removal.words();
            self.len += 1;
        }
        Ok(())
    }

    /// Hands one frame of the log to the garbage. `true` when none is left.
    fn dismantle<const F: usize>(&mut self, garbage: &mut Garbage<F>) -> bool
    where
        Boxed: From<LogBlock>
            + From<Leaf<Option<LogBlock>, BLOCKS_PER_LEAF>>
            + From<Root<Option<LogBlock>, BLOCKS_PER_LEAF>>,
    {
        while self.len > 0 {
            let last = (self.len as usize - 1) / RECORDS_PER_BLOCK;
            #[expect(clippy::cast_possible_truncation, reason = "no more than before")]
            let left = (last * RECORDS_PER_BLOCK) as u32;
            self.len = left;
            if let Some(block) = self.blocks.get_mut(last).and_then(Option::take) {
                garbage.push_box(block);
                self.nr_blocks -= 1;
                return false;
            }
        }
        match self.blocks.dismantle() {
            Some(block) => {
                garbage.push_box(block);
                self.nr_blocks -= 1;
                false
            }
            None => {
                self.is_lost = false;
                true
            }
        }
    }
}

impl<H: Host> Engine<H> {
    /// Whether the next record of a removal takes memory.
    pub(crate) fn wants_log_block(&self, caller: Caller) -> bool {
        self.client(caller.client).is_some_and(|client| client.save_log.lock(&self.host).is_full())
    }

    /// Records a removal from a domain that is being saved while it runs. If there is no memory for
    /// the record, the save is marked as lost; the domain notices nothing.
    #[cold]
    #[inline(never)]
    pub(crate) fn log_removal(&self, caller: Caller, removal: Removal) {
        let Some(client) = self.client(caller.client) else { return };
        let payer = Payer { domain: Some(caller.domain), nr_metadata: None };
        let (mut block, mut supply) = (None, Supply::default());
        loop {
            let mut log = client.save_log.lock(&self.host);
            // Who ends the save says so first and takes the lock then.
            if client.saving() != Saving::Live || log.is_lost {
                break;
            }
            if log.len as usize / RECORDS_PER_BLOCK >= Blocks::LEN_MAX {
                log.is_lost = true;
                break;
            }
            let Err(need) = log.push(removal, &mut block, &mut supply) else { break };
            drop(log);
            if !self.fetch_log_block(need, &mut block, &mut supply, payer) {
                client.save_log.lock(&self.host).is_lost = true;
                break;
            }
        }
        let unused = supply.nr_blocks() + u32::from(block.is_some());
        supply.clear();
        drop(block);
        refund(&self.host, payer, unused);
    }

    fn fetch_log_block(
        &self,
        need: Need,
        block: &mut Option<LogBlock>,
        supply: &mut Supply,
        payer: Payer<'_>,
    ) -> bool {
        if pay(&self.host, payer).is_err() {
            return false;
        }
        let is_fetched = match need {
            Need::Block => {
                *block = boxed();
                block.is_some()
            }
            Need::Blocks(need) => supply.fetch(need),
        };
        if !is_fetched {
            refund(&self.host, payer, 1);
        }
        is_fetched
    }

    /// Frees a slice of the log of a save that is over. `true` when nothing of it is left, or a new
    /// save has begun.
    #[inline(never)]
    pub(crate) fn drain_save_log(&self, caller: Caller) -> bool {
        let Some(client) = self.client(caller.client) else { return true };
        let payer = Payer { domain: Some(caller.domain), nr_metadata: None };
        for _ in 0..SLICE_PAGES_MAX {
            let mut garbage = Garbage::<0>::new();
            let mut log = client.save_log.lock(&self.host);
            if client.saving().is_on() {
                return true;
            }
            let is_empty = log.dismantle(&mut garbage);
            drop(log);
            garbage.free(&self.host, payer);
            if is_empty {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_survives_the_way_into_a_record_and_back() {
        let (pool_id, oid) = (15, [1, u64::MAX, 1 << 63]);
        for removal in [
            Removal::Page { pool_id, oid, index: u32::MAX },
            Removal::Page { pool_id: 0, oid: [0; 3], index: 0 },
            Removal::Object { pool_id, oid },
            Removal::Pool { pool_id },
        ] {
            assert_eq!(Removal::from_words(removal.words()), removal);
        }
    }
}

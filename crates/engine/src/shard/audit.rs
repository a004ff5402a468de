//! The shard's part of the audit.

use super::{Aging, State};
use crate::audit::{AuditError, ShardAudit};
use crate::block::Block;
use crate::hash::HashKey;
use crate::page_set::PageSet;
use crate::slab::{Scanned, SlotId};

/// What the walk of the blocks counts.
#[derive(Default)]
struct Blocks {
    indexed: u64,
    heads: u64,
    dead: u64,
    /// Pages of live blocks, of dead ones, and those that the heads say they have.
    live_pages: u64,
    dead_pages: u64,
    headed_pages: u64,
    further_pages: u64,
    maps: u64,
}

impl State {
    /// Compares everything that is said twice. See [`crate::Engine::audit`].
    pub(crate) fn audit(&mut self, key: &HashKey, aging: Aging) -> Result<ShardAudit, AuditError> {
        let mut found = ShardAudit::default();
        let (ages, age_blocks) = self.audit_ages()?;
        let blocks = self.audit_blocks(key, &mut found)?;
        let (entries, index_blocks) = self.index.recount().ok_or(AuditError::Counters)?;
        let (_, block_blocks) = self.blocks.recount();
        let (maps, map_blocks) = self.maps.recount();
        let frames = index_blocks + age_blocks + block_blocks + map_blocks;
        let pages = blocks.live_pages + blocks.dead_pages;
        found.pages = blocks.live_pages;
        found.metadata_frames = u64::from(frames);
        found.frames = pages + u64::from(self.nr_orphans());
        let sums = [
            (u64::from(self.nr_live), blocks.live_pages),
            (u64::from(self.nr_dead_pages), blocks.dead_pages),
            (u64::from(ages), if aging == Aging::Aged { pages } else { 0 }),
            (u64::from(self.nr_heads), blocks.heads),
            (u64::from(self.nr_dead), blocks.dead),
            (blocks.maps, u64::from(maps)),
            (entries as u64, blocks.indexed),
            (blocks.headed_pages, blocks.further_pages),
        ];
        // What was stored and is not there has been removed.
        let has_more_than_stored = self.stats.puts_stored < pages;
        if has_more_than_stored || sums.iter().any(|(said, counted)| said != counted) {
            return Err(AuditError::Counters);
        }
        Ok(found)
    }

    fn audit_blocks(
        &mut self,
        key: &HashKey,
        found: &mut ShardAudit,
    ) -> Result<Blocks, AuditError> {
        let mut blocks = Blocks::default();
        let (mut at, mut unbounded) = (SlotId(0), usize::MAX);
        while let Scanned::Found(id) = self.blocks.next_used(at, &mut unbounded) {
            at = SlotId(id.0 + 1);
            if let Some(hash) = self.hash_of(key, id) {
                blocks.indexed += 1;
                let lead =
                    self.index.probe(hash.0).into_iter().flatten().find(|lead| lead.block() == id);
                let map = self.blocks.get(id).pages().map_or(SlotId::NONE, PageSet::map);
                if lead.is_none_or(|lead| lead.map() != map.some()) {
                    return Err(AuditError::BlockNotIndexed);
                }
            }
            let record = self.blocks.get(id);
            let mut nr_pages = 0;
            if let Some(pages) = record.pages() {
                nr_pages = u64::from(pages.len());
                blocks.maps += u64::from(pages.map().some().is_some());
                if nr_pages == 0 || pages.recount(&self.maps) != pages.len() {
                    return Err(AuditError::PageCount);
                }
            }
            match *record {
                Block::First { .. } => {
                    found.objects += 1;
                    blocks.live_pages += nr_pages;
                }
                Block::Head { first, .. } => {
                    // One that also has its first block here counts twice, as one does that is
                    // spread over several shards.
                    found.objects += 1;
                    blocks.heads += 1;
                    let headed = self.headed_pages(id).map_or(0, core::cell::Cell::get);
                    blocks.headed_pages += u64::from(headed);
                    self.audit_list(id, first)?;
                }
                Block::Further { head, ref pages, .. } => match self.blocks.get(head) {
                    Block::Head { oid, .. } => {
                        if pages.label().is_some_and(|label| label != *oid) {
                            return Err(AuditError::BlockList);
                        }
                        blocks.live_pages += nr_pages;
                        blocks.further_pages += nr_pages;
                    }
                    Block::DeadHead { .. } => blocks.dead_pages += nr_pages,
                    _ => return Err(AuditError::BlockList),
                },
                Block::Dead { .. } => {
                    blocks.dead += 1;
                    blocks.dead_pages += nr_pages;
                }
                Block::DeadHead { first, .. } => {
                    blocks.dead += 1;
                    blocks.heads += 1;
                    self.audit_list(id, first)?;
                }
                Block::Vacant => return Err(AuditError::VacantBlock),
            }
        }
        Ok(blocks)
    }

    /// That a head's list is not empty and holds its own blocks, linked both ways.
    fn audit_list(&self, head: SlotId, first: SlotId) -> Result<(), AuditError> {
        let (mut before, mut at) = (SlotId::NONE, first);
        loop {
            match *self.blocks.get(at) {
                Block::Further { head: owner, links, .. }
                    if owner == head && links.prev == before =>
                {
                    (before, at) = (at, links.next);
                }
                _ => return Err(AuditError::BlockList),
            }
            if at == SlotId::NONE {
                return Ok(());
            }
        }
    }

    /// That the log of ages names each page once that names it, in the order of the stamps. Records,
    /// and frames of metadata.
    fn audit_ages(&self) -> Result<(u32, u32), AuditError> {
        let (nr_all, nr_blocks) = self.ages.recount().ok_or(AuditError::AgeLog)?;
        let (mut nr_aged, mut at) = (0, self.ages.oldest());
        while let Some(id) = at {
            let (block, place) = self.ages.page(id);
            let pages = self.blocks.get(block).pages();
            let entry = pages.and_then(|pages| pages.get(place, &self.maps));
            if entry.is_none_or(|entry| entry.record() != id) {
                return Err(AuditError::PageNotInBlock);
            }
            if !self.ages.is_in_place(id) {
                return Err(AuditError::AgeLog);
            }
            nr_aged += 1;
            at = self.ages.younger(id);
        }
        if nr_aged == nr_all { Ok((nr_all, nr_blocks)) } else { Err(AuditError::AgeLog) }
    }
}

//! The shard's part of the audit.

use super::{Aging, State};
use crate::audit::{AuditError, ShardAudit};
use crate::block::Block;
use crate::hash::HashKey;
use crate::page::Standing;
use crate::slab::SlotId;

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
}

impl State {
    /// Compares everything that is said twice. See [`crate::Engine::audit`].
    pub(crate) fn audit(&mut self, key: &HashKey, aging: Aging) -> Result<ShardAudit, AuditError> {
        let mut found = ShardAudit::default();
        let (mut hooked, mut orphans) = (0, 0);
        let mut at = SlotId(0);
        while let Some(id) = self.pages.next_used(at) {
            at = SlotId(id.0 + 1);
            let page = self.pages.get(id);
            match page.standing {
                Standing::Orphan => orphans += 1,
                Standing::Vacant => return Err(AuditError::VacantPage),
                Standing::Hooked | Standing::Claimed | Standing::Missed => {
                    hooked += 1;
                    let pages = self.blocks.get(page.block).pages();
                    if pages.and_then(|pages| pages.get(page.place, &self.maps)) != Some(id) {
                        return Err(AuditError::PageNotInBlock);
                    }
                }
            }
            found.frames += u64::from(page.frame.is_some());
        }
        let blocks = self.audit_blocks(key, &mut found)?;
        self.audit_ages(aging, hooked)?;
        let (entries, index_blocks) = self.index.recount();
        let (pages, page_blocks) = self.pages.recount();
        let (_, block_blocks) = self.blocks.recount();
        let (maps, map_blocks) = self.maps.recount();
        found.pages = blocks.live_pages;
        let frames = index_blocks + page_blocks + block_blocks + map_blocks;
        found.metadata_frames = u64::from(frames);
        let sums = [
            (u64::from(self.nr_live), blocks.live_pages),
            (u64::from(self.nr_orphans), orphans),
            (u64::from(self.pages.len()), u64::from(pages)),
            (hooked, blocks.live_pages + blocks.dead_pages),
            (u64::from(self.nr_heads), blocks.heads),
            (u64::from(self.nr_dead), blocks.dead),
            (u64::from(self.maps.len()), u64::from(maps)),
            (entries as u64, blocks.indexed),
            (blocks.headed_pages, blocks.further_pages),
            (self.stats.puts_stored, hooked + self.stats.removed),
        ];
        if sums.iter().any(|(said, counted)| said != counted) {
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
        let mut at = SlotId(0);
        while let Some(id) = self.blocks.next_used(at) {
            at = SlotId(id.0 + 1);
            if let Some(hash) = self.hash_of(key, id) {
                blocks.indexed += 1;
                if self.index.find(hash.0, |entry| entry == id).is_none() {
                    return Err(AuditError::BlockNotIndexed);
                }
            }
            let record = self.blocks.get(id);
            let nr_pages = record.pages().map(|pages| u64::from(pages.len()));
            if nr_pages == Some(0) {
                return Err(AuditError::EmptyBlock);
            }
            let nr_pages = nr_pages.unwrap_or(0);
            match *record {
                Block::First { .. } => {
                    found.objects += 1;
                    blocks.live_pages += nr_pages;
                }
                Block::Head { first, nr_pages, .. } => {
                    // One that also has its first block here counts twice, as one does that is
                    // spread over several shards.
                    found.objects += 1;
                    blocks.heads += 1;
                    blocks.headed_pages += u64::from(nr_pages);
                    self.audit_list(id, first)?;
                }
                Block::Further { head, .. } => match self.blocks.get(head) {
                    Block::Head { .. } => {
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

    fn audit_ages(&self, aging: Aging, hooked: u64) -> Result<(), AuditError> {
        let (mut aged, mut stamp, mut page) = (0, 0, self.oldest);
        while let Some(id) = page.some() {
            let this = self.pages.get(id);
            if this.stamp < stamp || aged > hooked {
                return Err(AuditError::AgeList);
            }
            (aged, stamp, page) = (aged + 1, this.stamp, this.younger);
        }
        if aging == Aging::Aged && aged != hooked || aging == Aging::Ageless && aged != 0 {
            return Err(AuditError::AgeList);
        }
        Ok(())
    }
}

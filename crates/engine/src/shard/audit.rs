//! The shard's part of the audit.

use super::{Aging, State};
use crate::audit::{AuditError, ShardAudit};
use crate::hash::HashKey;
use crate::index::Entry;
use crate::object::Name;
use crate::page::Standing;
use crate::slab::SlotId;

impl State {
    /// Compares everything that is said twice. See [`crate::Engine::audit`].
    pub(crate) fn audit(&mut self, key: &HashKey, aging: Aging) -> Result<ShardAudit, AuditError> {
        let mut found = ShardAudit::default();
        let (mut hooked, mut orphans, mut dead_objects) = (0, 0, 0);
        let mut at = SlotId(0);
        while let Some(id) = self.pages.next_used(at) {
            at = SlotId(id.0 + 1);
            let page = self.pages.get(id);
            match page.standing {
                Standing::Orphan => orphans += 1,
                Standing::Vacant => return Err(AuditError::VacantPage),
                Standing::Hooked | Standing::Claimed | Standing::Missed => {
                    hooked += 1;
                    let hash = self.object_hash(key, page.object).page(page.index);
                    if self.index.find(hash.0, |entry| entry == Entry::page(id)).is_none() {
                        return Err(AuditError::PageNotIndexed);
                    }
                }
            }
            found.frames += u64::from(page.frame.is_some());
        }
        at = SlotId(0);
        while let Some(id) = self.objects.next_used(at) {
            at = SlotId(id.0 + 1);
            let object = self.objects.get(id);
            match object.name {
                Name::Dead { .. } => dead_objects += 1,
                Name::Live { oid, .. } => {
                    found.objects += 1;
                    found.pages += u64::from(object.nr_pages);
                    let hash = key.object(oid);
                    if self.index.find(hash.0, |entry| entry == Entry::object(id)).is_none() {
                        return Err(AuditError::ObjectNotIndexed);
                    }
                }
            }
            let (mut listed, mut page) = (0, object.pages);
            while let Some(id) = page.some() {
                if self.pages.get(id).object != SlotId(at.0 - 1) || listed > object.nr_pages {
                    return Err(AuditError::ObjectList);
                }
                listed += 1;
                page = self.pages.get(id).object_next;
            }
            if listed != object.nr_pages || listed == 0 {
                return Err(AuditError::ObjectList);
            }
        }
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
        let (entries, index_blocks) = self.index.recount();
        let (pages, page_blocks) = self.pages.recount();
        let (objects, object_blocks) = self.objects.recount();
        found.metadata_frames = u64::from(index_blocks + page_blocks + object_blocks);
        let sums = [
            (u64::from(self.nr_live), found.pages),
            (u64::from(self.nr_orphans), orphans),
            (u64::from(self.pages.len()), u64::from(pages)),
            (u64::from(self.objects.len()), u64::from(objects)),
            (u64::from(objects), found.objects + dead_objects),
            (entries as u64, hooked + found.objects),
        ];
        if sums.iter().any(|(said, counted)| said != counted) {
            return Err(AuditError::Counters);
        }
        Ok(found)
    }
}

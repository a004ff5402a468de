//! Saving a client and restoring one, judged: R62 to R67.
//!
//! The model keeps what the toolstack has got of a save. At any moment that, with the log of what was
//! removed replayed on it, must be what is still there of it; and when an iteration ends, all that is
//! there must have come.

use super::state::{Grave, Model, PageKey, PoolKey, SLOTS, Slot};
use super::{Seen, Verdict};
use crate::answer;
use hypercall_abi::control::Removed;
use hypercall_abi::{Handle, PageIndex};
use std::collections::{BTreeMap, BTreeSet};
use tmem_host_sim::{Content, Fault};
use tmem_service::DomainId;

/// The pages of a pool.
type Pages = BTreeMap<PageKey, Content>;

/// A save that goes on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Save {
    is_live: bool,
    /// The persistent pools that there were at its beginning, by slot.
    pools: BTreeMap<usize, PoolKey>,
    /// What the toolstack has got, by slot.
    got: BTreeMap<usize, Pages>,
    /// Which pages the present iteration over each slot has met.
    met: BTreeMap<usize, BTreeSet<PageKey>>,
    /// Pages and pools that there were at its beginning: there are no more removals.
    nr_removals_max: usize,
    /// The host has refused memory meanwhile, which the log may have asked for.
    may_be_lost: bool,
}

fn page_key(handle: &Handle) -> PageKey {
    (handle.object, handle.index.0)
}

fn expect(what: &str, answer: i64, expected: i64) -> Verdict {
    if answer == expected {
        return Ok(());
    }
    Err(format!("{what}: answer {answer}, expected {expected}"))
}

impl Model {
    /// Whether a save of this client goes on.
    pub fn is_saved(&self, domain: DomainId) -> bool {
        self.save_of(domain).is_some()
    }

    fn save_of(&self, domain: DomainId) -> Option<&Save> {
        self.clients.get(&domain)?.save.as_ref()
    }

    /// Whether a pool's pages are being saved while its guest runs.
    pub(crate) fn is_saved_live(&self, key: PoolKey) -> bool {
        let save = self.save_of(self.pools[&key].owner);
        save.is_some_and(|save| save.is_live && save.pools.values().any(|&saved| saved == key))
    }

    /// The ids of a client's persistent pools.
    pub fn persistent_pools(&self, domain: DomainId) -> Vec<u32> {
        let is_persistent =
            |&id: &u32| self.pool_key(domain, id).is_some_and(|key| self.pools[&key].is_persistent);
        (0..16).filter(is_persistent).collect()
    }

    /// The pages that a domain can get, in whatever pool.
    pub fn pages(&self, domain: DomainId) -> Vec<(Handle, Content)> {
        let pools = (0..16).filter_map(|id| Some((id, self.pool_key(domain, id)?)));
        let pages = pools.flat_map(|(pool_id, key)| {
            self.pools[&key].pages.iter().map(move |(&(object, index), stored)| {
                (Handle { pool_id, object, index: PageIndex(index) }, stored.content)
            })
        });
        pages.collect()
    }

    /// Memory that was refused may have been a log's.
    pub(crate) fn note_refusals(&mut self, seen: &Seen) {
        if seen.refused(Fault::Metadata) || seen.refused(Fault::Charge) {
            let saves = self.clients.values_mut().filter_map(|client| client.save.as_mut());
            saves.for_each(|save| save.may_be_lost = true);
        }
    }

    /// Judges SAVE_BEGIN.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn begin_save(&mut self, domain: DomainId, is_live: bool, answer: i64) -> Verdict {
        let Some(client) = self.clients.get_mut(&domain) else {
            return expect("the save of no client", answer, -2);
        };
        if client.save.is_some() {
            return expect("a second save", answer, -16);
        }
        let live = client.slots.iter().enumerate().filter_map(|(slot, state)| match state {
            Slot::Live(key) => Some((slot, *key)),
            Slot::Free | Slot::Leaving => None,
        });
        let live: BTreeMap<_, _> = live.collect();
        if live.is_empty() {
            return expect("the save of a client without pools", answer, -2);
        }
        let is_saved = |key: &PoolKey| self.pools[key].is_persistent;
        let pools: BTreeMap<_, _> =
            live.iter().map(|(&slot, &key)| (slot, key)).filter(|(_, key)| is_saved(key)).collect();
        let nr_pages: usize = pools.values().map(|key| self.pools[key].pages.len()).sum();
        let nr_removals_max = nr_pages + live.len();
        client.save = Some(Save { is_live, pools, nr_removals_max, ..Save::default() });
        expect("the beginning of a save", answer, 0)
    }

    /// Judges a step of an iteration over a pool's pages that began at its first.
    ///
    /// # Errors
    /// A page that is not there, came before, or was left out; a wrong answer.
    pub fn next_page(
        &mut self,
        domain: DomainId,
        pool_id: u32,
        answer: i64,
        page: Option<(Handle, Content)>,
    ) -> Verdict {
        let key = self.pool_key(domain, pool_id);
        let Some(save) = self.clients.get_mut(&domain).and_then(|client| client.save.as_mut())
        else {
            return expect("a page of no save", answer, -2);
        };
        let slot = usize::try_from(pool_id).unwrap_or(SLOTS);
        let met = save.met.entry(slot).or_default();
        let pool = key.map(|key| &self.pools[&key]).filter(|pool| pool.is_persistent);
        let Some((handle, content)) = page else {
            expect("the end of the pages", answer, -1)?;
            let left_out = pool.and_then(|pool| pool.pages.keys().find(|page| !met.contains(page)));
            let verdict = left_out.map_or(Ok(()), |page| Err(format!("{page:?} was left out")));
            met.clear();
            return verdict;
        };
        let page = page_key(&handle);
        let stored = pool.and_then(|pool| pool.pages.get(&page)).map(|stored| stored.content);
        if handle.pool_id != pool_id || stored != Some(content) {
            return Err(format!("saved {handle:?} of {content:?}, stored was {stored:?}"));
        }
        if !met.insert(page) {
            return Err(format!("{handle:?} came twice"));
        }
        save.got.entry(slot).or_default().insert(page, content);
        expect("a page", answer, 1)
    }

    /// Judges the log, read from its first record to its last.
    ///
    /// # Errors
    /// A log with which what the toolstack has got does not become what is there.
    pub fn removals(&self, domain: DomainId, told: &Result<Vec<Removed>, i64>) -> Verdict {
        let Some(save) = self.save_of(domain) else {
            return expect("the log of no save", told.as_ref().err().copied().unwrap_or(1), -2);
        };
        let removals = match told {
            Ok(removals) => removals,
            Err(-12) if save.is_live && save.may_be_lost => return Ok(()),
            Err(other) => return Err(format!("the log can't be read: {other}")),
        };
        if !save.is_live {
            // It does not run, so nobody asks.
            return expect("removals", i64::try_from(removals.len()).unwrap_or(1), 0);
        }
        if removals.len() > save.nr_removals_max {
            return Err(format!("{} removals of {}", removals.len(), save.nr_removals_max));
        }
        let mut copy = save.got.clone();
        let mut gone = BTreeSet::new();
        let slot_of = |pool_id: &u32| usize::try_from(*pool_id).unwrap_or(SLOTS);
        for removed in removals {
            match removed {
                Removed::Page(handle) => {
                    let pages = copy.get_mut(&slot_of(&handle.pool_id));
                    pages.and_then(|pages| pages.remove(&page_key(handle)));
                }
                Removed::Object { pool_id, object } => {
                    let pages = copy.get_mut(&slot_of(pool_id));
                    pages.into_iter().for_each(|pages| pages.retain(|page, _| page.0 != *object));
                }
                Removed::Pool { pool_id } => {
                    gone.insert(slot_of(pool_id));
                }
            }
        }
        for (&slot, key) in &save.pools {
            let is_there = self.clients[&domain].slots[slot] == Slot::Live(*key);
            if is_there == gone.contains(&slot) {
                return Err(format!("pool {slot} is there: {is_there}, and the log has it"));
            }
            let (Some(got), true) = (save.got.get(&slot), is_there) else { continue };
            let pages = &self.pools[key].pages;
            let kept = got.keys().filter_map(|page| Some((*page, pages.get(page)?.content)));
            let kept: Pages = kept.collect();
            if copy[&slot] != kept {
                return Err(format!("pool {slot}: {:?} after the replay, {kept:?}", copy[&slot]));
            }
        }
        Ok(())
    }

    /// Judges a domain that was restored from a save of another, the log replayed: of the pools that
    /// the save found it has those that are still there, with the same pages.
    ///
    /// # Errors
    /// A pool or page that differs.
    pub fn is_restored(&self, source: DomainId, target: DomainId) -> Verdict {
        let save = self.save_of(source).ok_or("the save is over")?;
        let pages_of = |key: &PoolKey| -> Pages {
            let pages = self.pools[key].pages.iter();
            pages.map(|(page, stored)| (*page, stored.content)).collect()
        };
        for (&slot, key) in &save.pools {
            let is_there = self.clients[&source].slots[slot] == Slot::Live(*key);
            let copy = match self.clients[&target].slots[slot] {
                Slot::Live(copy) => Some(pages_of(&copy)),
                Slot::Free | Slot::Leaving => None,
            };
            let wanted = is_there.then(|| pages_of(key));
            if copy != wanted {
                return Err(format!("pool {slot}: {wanted:?} became {copy:?}"));
            }
        }
        Ok(())
    }

    /// Judges SAVE_END, carried to its end.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn end_save(&mut self, domain: DomainId, answer: i64) -> Verdict {
        let save = self.clients.get_mut(&domain).and_then(|client| client.save.take());
        expect("the end of a save", answer, if save.is_some() { 0 } else { -2 })
    }

    /// Judges RESTORE_BEGIN.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn begin_restore(&mut self, domain: DomainId, seen: &Seen) -> Verdict {
        self.evict(domain, seen)?;
        if self.dying.contains(&domain) {
            return seen.expect(-22);
        }
        if self.clients.contains_key(&domain) {
            return seen.expect(-17);
        }
        if seen.answer == Some(answer::NO_MEMORY) && seen.refused(Fault::Metadata) {
            return Ok(());
        }
        self.clients.entry(domain).or_default();
        seen.expect(0)
    }

    /// Judges SET_POOLS of one persistent pool.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn set_pool(&mut self, domain: DomainId, pool_id: u32, seen: &Seen) -> Verdict {
        self.evict(domain, seen)?;
        if self.dying.contains(&domain) {
            return seen.expect(-22);
        }
        if seen.answer == Some(answer::NO_MEMORY) && seen.refused(Fault::Metadata) {
            return Ok(());
        }
        let slots = self.clients.entry(domain).or_default().slots;
        let slot = usize::try_from(pool_id).unwrap_or(SLOTS);
        if slots.get(slot) != Some(&Slot::Free) {
            return seen.expect(answer::NOT_PERMITTED);
        }
        self.add_persistent_pool(domain, slot);
        seen.expect(1)
    }

    /// Judges RESTORE_PUT_PAGE.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn restore_put(
        &mut self,
        domain: DomainId,
        handle: Handle,
        content: Content,
        seen: &Seen,
    ) -> Verdict {
        let key = self.pool_key(domain, handle.pool_id);
        if key.is_none_or(|key| self.is_saved_live(key)) {
            return seen.expect(answer::NOT_PERMITTED);
        }
        self.put(domain, handle, content, false, seen)
    }

    /// Judges RESTORE_FLUSH_PAGE, carried to its end.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn restore_remove(&mut self, domain: DomainId, removed: Removed, seen: &Seen) -> Verdict {
        let (Removed::Page(Handle { pool_id, .. })
        | Removed::Object { pool_id, .. }
        | Removed::Pool { pool_id }) = removed;
        if let Removed::Pool { .. } = removed {
            let is_there = self.clients.get(&domain).is_some_and(|client| {
                let slot = usize::try_from(pool_id).unwrap_or(SLOTS);
                client.slots.get(slot).is_some_and(|state| *state != Slot::Free)
            });
            return if is_there && !self.dying.contains(&domain) {
                self.destroy(domain, pool_id, seen)
            } else {
                seen.expect(answer::NOT_PERMITTED)
            };
        }
        let Some(key) = self.pool_key(domain, pool_id) else {
            return seen.expect(answer::NOT_PERMITTED);
        };
        match removed {
            Removed::Page(_) if self.is_saved_live(key) => {
                return seen.expect(answer::NOT_PERMITTED);
            }
            Removed::Page(handle) => drop(self.remove(key, page_key(&handle))),
            Removed::Object { object, .. } => {
                drop(self.remove_all(key, |_, page| page.0 == object));
                self.close(Grave::Object(key, object));
            }
            Removed::Pool { .. } => {}
        }
        seen.expect(if self.is_frozen(key) { answer::FROZEN } else { answer::SUCCESS })
    }
}

//! Put, get and flush, judged.

use super::state::{Grave, Model, PageKey, PoolKey};
use super::{Seen, Verdict};
use crate::answer;
use hypercall_abi::{Handle, ObjectId};
use tmem_host_sim::{Content, Fault};
use tmem_service::DomainId;

/// Pages that one get may evict.
const EVICTED_PER_GET_MAX: usize = 1;

fn page_key(handle: Handle) -> PageKey {
    (handle.object, handle.index.0)
}

impl Model {
    /// Judges a put of `content`; `is_bad`: the frame cannot be read.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn put(
        &mut self,
        caller: DomainId,
        handle: Handle,
        content: Content,
        is_bad: bool,
        seen: &Seen,
    ) -> Verdict {
        let page = page_key(handle);
        let key = self.pool_key(caller, handle.pool_id);
        let had = key.is_some_and(|key| self.has(key, page));
        self.evict(caller, seen)?;
        let Some(key) = key else {
            return self.expect_no_pool(caller, seen);
        };
        if self.is_saved_live(key) {
            // Nothing comes in, and what is there goes; of the frame nobody asks (R64).
            let _ = self.remove(key, page);
            return seen.expect(if had { answer::NO_SPACE } else { answer::FROZEN });
        }
        // The old page may be evicted while room is made for the new one; whether the put then
        // counts as a duplicate is the engine's choice.
        let has = self.has(key, page);
        let mut allowed = Vec::new();
        if has || had {
            allowed.extend(self.answers_to_duplicate_put(is_bad, seen));
        }
        if !has {
            allowed.extend(self.answers_to_new_put(key, is_bad, seen));
        }
        seen.expect_one_of(&allowed)?;
        if seen.answer == Some(answer::SUCCESS) {
            self.store(key, page, content);
            self.note_user(key, handle.object, caller);
        } else {
            let _ = self.remove(key, page);
        }
        Ok(())
    }

    fn answers_to_new_put(&self, key: PoolKey, is_bad: bool, seen: &Seen) -> Vec<i64> {
        if self.is_frozen(key) {
            return vec![answer::FROZEN];
        }
        let mut allowed = vec![if is_bad { answer::BAD_ADDRESS } else { answer::SUCCESS }];
        // A bad frame is found out whenever there is a frame to copy to, even the spare.
        let is_refused = if is_bad {
            self.is_out_of_frames(seen)
        } else {
            seen.refused(Fault::Charge) || self.is_out_of_memory(seen)
        };
        if is_refused {
            allowed.push(answer::NO_MEMORY);
        }
        allowed
    }

    fn answers_to_duplicate_put(&self, is_bad: bool, seen: &Seen) -> Vec<i64> {
        let mut allowed = vec![if is_bad { answer::BAD_ADDRESS } else { answer::SUCCESS }];
        if self.is_out_of_frames(seen) {
            allowed.push(answer::NO_SPACE);
        }
        allowed
    }

    /// Judges a get; `before` is what the target frame held, `is_bad`: it cannot be written.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn get(
        &mut self,
        caller: DomainId,
        handle: Handle,
        before: Option<Content>,
        is_bad: bool,
        seen: &Seen,
    ) -> Verdict {
        let page = page_key(handle);
        let key = self.pool_key(caller, handle.pool_id);
        let is_hit = seen.answer == Some(answer::SUCCESS);
        if !is_hit && !seen.evicted.is_empty() {
            return Err("a get without a hit evicted pages".into());
        }
        if !is_hit && seen.content != before {
            return Err(format!("no hit, but the frame changed to {:?}", seen.content));
        }
        let Some(key) = key else {
            return self.expect_no_pool(caller, seen);
        };
        let pool = &self.pools[&key];
        if pool.pages.is_empty() {
            // What a sharer that is leaving in slices has left may still count as pages.
            let is_exact = pool.uuid.is_none() || self.is_settled();
            let also = if is_exact { answer::EMPTY } else { answer::NOTHING };
            return seen.expect_one_of(&[answer::EMPTY, also]);
        }
        let Some(stored) = pool.pages.get(&page).copied() else {
            return seen.expect(answer::NOTHING);
        };
        if is_bad {
            return seen.expect(answer::BAD_ADDRESS);
        }
        let (is_persistent, is_shared) = (pool.is_persistent, pool.uuid.is_some());
        seen.expect(answer::SUCCESS)?;
        if seen.content != Some(stored.content) {
            return Err(format!("got {:?}, stored was {:?}", seen.content, stored.content));
        }
        if is_shared {
            // The new age may want metadata, for which the oldest page makes room: that may be this one.
            let nr_evicted = seen.evicted.len();
            if nr_evicted > EVICTED_PER_GET_MAX {
                return Err(format!("a get evicted {nr_evicted} pages"));
            }
            self.note_user(key, handle.object, caller);
            self.evict(caller, seen)?;
            // Without metadata the page stays as old as it is.
            if seen.refusals.of(Fault::Metadata) <= nr_evicted as u64 && self.has(key, page) {
                self.refresh(key, page);
            }
            return Ok(());
        }
        if !seen.evicted.is_empty() {
            return Err("a get evicted pages".into());
        }
        if !is_persistent {
            let _ = self.remove(key, page);
        }
        Ok(())
    }

    /// Judges a flush of one page.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn flush(&mut self, caller: DomainId, handle: Handle, seen: &Seen) -> Verdict {
        self.evict(caller, seen)?;
        let Some(key) = self.pool_key(caller, handle.pool_id) else {
            return self.expect_no_pool(caller, seen);
        };
        let _ = self.remove(key, page_key(handle));
        seen.expect(self.answer_to_flush(key))
    }

    /// Judges one slice of a flush of an object.
    ///
    /// # Errors
    /// What the contract forbids.
    pub fn flush_object(
        &mut self,
        caller: DomainId,
        pool_id: u32,
        object: ObjectId,
        seen: &Seen,
    ) -> Verdict {
        self.evict(caller, seen)?;
        let Some(key) = self.pool_key(caller, pool_id) else {
            return self.expect_no_pool(caller, seen);
        };
        let removed = self.remove_all(key, |_, page| page.0 == object);
        let grave = Grave::Object(key, object);
        if seen.answer.is_none() {
            self.bury(grave, removed);
            return Ok(());
        }
        self.close(grave);
        seen.expect(self.answer_to_flush(key))
    }

    fn answer_to_flush(&self, key: PoolKey) -> i64 {
        if self.is_frozen(key) { answer::FROZEN } else { answer::SUCCESS }
    }

    /// Judges the answer to a call that names no pool that the caller can use.
    pub(crate) fn expect_no_pool(&mut self, caller: DomainId, seen: &Seen) -> Verdict {
        if self.dying.contains(&caller) {
            return seen.expect(answer::NO_DEVICE);
        }
        let is_client = self.clients.contains_key(&caller);
        if !is_client && seen.refused(Fault::Metadata) {
            return seen.expect_one_of(&[answer::NO_DEVICE, answer::NO_MEMORY]);
        }
        seen.expect(answer::NO_DEVICE)
    }
}

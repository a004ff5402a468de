//! Saves and restores: the toolstack's calls, judged.

use super::{Step, World};
use crate::model::Seen;
use crate::toolstack::Toolstack;
use hypercall_abi::Handle;
use hypercall_abi::control::Removed;
use std::sync::Arc;
use tmem_host_sim::Content;
use tmem_service::DomainId;

impl World {
    /// Has the toolstack make a call, and notes it.
    fn toolstack<T: core::fmt::Debug>(
        &mut self,
        what: impl core::fmt::Display,
        call: impl FnOnce(&Toolstack<'_>) -> T,
    ) -> (T, Seen) {
        let service = Arc::clone(&self.service);
        let (result, seen) = self.watch(|| call(&Toolstack::new(&service)));
        self.trace.note(Step::Other(format!("{what} -> {result:?}")));
        (result, seen)
    }

    fn operate(
        &mut self,
        what: impl core::fmt::Display,
        call: impl FnOnce(&Toolstack<'_>) -> i64,
    ) -> (i64, Seen) {
        let (answer, mut seen) = self.toolstack(what, call);
        seen.answer = Some(answer);
        (answer, seen)
    }

    /// SAVE_BEGIN.
    pub fn save_begin(&mut self, domain: u16, live: bool) -> i64 {
        let what = format!("d{domain} is to be saved, live: {live}");
        let (answer, _) = self.operate(what, |toolstack| toolstack.begin(domain, live));
        if answer == 0 {
            self.cursors.retain(|&(of, _), _| of != domain);
        }
        let verdict = self.model.begin_save(DomainId(domain), live, answer);
        self.require(verdict);
        answer
    }

    /// SAVE_GET_NEXT_PAGE: the next page of this save of the pool; after the last the first again.
    pub fn save_page(&mut self, domain: u16, pool_id: u32) -> (i64, Option<(Handle, Content)>) {
        let cursor = self.cursors.get(&(domain, pool_id)).copied().unwrap_or(0);
        let what = format!("d{domain} pool {pool_id} from {cursor:#x}");
        let ((answer, next, page), _) =
            self.toolstack(what, |toolstack| toolstack.next_page(domain, pool_id, cursor));
        self.cursors.insert((domain, pool_id), if page.is_some() { next } else { 0 });
        let verdict = self.model.next_page(DomainId(domain), pool_id, answer, page);
        self.require(verdict);
        (answer, page)
    }

    /// SAVE_GET_NEXT_INV, from the first to the last.
    ///
    /// # Errors
    /// The answer in place of a removal.
    pub fn save_removals(&mut self, domain: u16) -> Result<Vec<Removed>, i64> {
        let what = format!("d{domain} removals");
        let (removals, _) = self.toolstack(what, |toolstack| toolstack.removals(domain));
        let verdict = self.model.removals(DomainId(domain), &removals);
        self.require(verdict);
        removals
    }

    /// SAVE_END.
    pub fn save_end(&mut self, domain: u16) -> i64 {
        let what = format!("d{domain} save ends");
        let (answer, _) = self.operate(what, |toolstack| toolstack.end(domain));
        let verdict = self.model.end_save(DomainId(domain), answer);
        self.require(verdict);
        answer
    }

    /// RESTORE_BEGIN.
    pub fn restore_begin(&mut self, domain: u16) -> i64 {
        let what = format!("d{domain} is to be restored");
        let (answer, seen) = self.operate(what, |toolstack| toolstack.begin_restore(domain));
        let verdict = self.model.begin_restore(DomainId(domain), &seen);
        self.require(verdict);
        answer
    }

    /// SET_POOLS of one persistent pool.
    pub fn restore_pool(&mut self, domain: u16, pool_id: u32) -> i64 {
        let what = format!("d{domain} pool {pool_id} is restored");
        let (answer, seen) = self.operate(what, |toolstack| {
            toolstack.set_pool(domain, pool_id, crate::flags::PERSISTENT)
        });
        let verdict = self.model.set_pool(DomainId(domain), pool_id, &seen);
        self.require(verdict);
        answer
    }

    /// RESTORE_PUT_PAGE.
    pub fn restore_put(&mut self, domain: u16, handle: Handle, content: Content) -> i64 {
        let what = format!("d{domain} {handle:x?} of {content:?} is restored");
        let (answer, seen) = self.operate(what, |toolstack| toolstack.put(domain, handle, content));
        let verdict = self.model.restore_put(DomainId(domain), handle, content, &seen);
        self.require(verdict);
        answer
    }

    /// RESTORE_FLUSH_PAGE.
    pub fn restore_remove(&mut self, domain: u16, removed: Removed) -> i64 {
        let what = format!("d{domain} {removed:x?} is replayed");
        let (answer, seen) = self.operate(what, |toolstack| toolstack.remove(domain, removed));
        let verdict = self.model.restore_remove(DomainId(domain), removed, &seen);
        self.require(verdict);
        answer
    }
}

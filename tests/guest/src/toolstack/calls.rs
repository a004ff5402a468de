//! tmem operations of a child, made on its first vCPU: numbers in, a status out, contents checked.
//!
//! Of the child's pages for cases the first is what puts are made from, the third what gets are made
//! into, between two guards.

use super::child::Child;
use super::window::Window;
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, statuses};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::{Handle, NewPool, Op, Uuid};

/// Numbers of the pages.
const SOURCE: usize = 0;
const GUARDS: [usize; 2] = [1, 3];
const TARGET: usize = 2;

/// What the target and its guards hold before a get: no put stores these.
const POISON: Content = Content(0x7e57_ab1e_0bad_f00d);
const GUARD: Content = Content(0x6a5d_0000_6a5d_0001);

impl Child {
    /// Makes an operation; the raw answer.
    ///
    /// # Errors
    /// If the child can't make it.
    pub fn op(&self, op: &Op) -> CaseResult<i64> {
        self.run(0, &[self.tmem_call(op)?])?;
        self.answer(0, 0)
    }

    /// NEW_POOL with any flags and uuid; the raw answer.
    ///
    /// # Errors
    /// If the child can't make the call.
    pub fn try_new_pool(&self, flags: u32, uuid: Uuid) -> CaseResult<i64> {
        self.op(&Op::NewPool(NewPool { flags, uuid }))
    }

    /// A new private pool; its id.
    ///
    /// # Errors
    /// Failure, if the host does not give one.
    pub fn new_pool(&self, kind: Kind) -> CaseResult<u32> {
        let answer = self.try_new_pool(kind.flags(), Uuid::default())?;
        match u32::try_from(answer) {
            Ok(id) if id < hypercall_abi::POOLS_PER_DOMAIN_MAX => Ok(id),
            _ => fail!("{:?}: NEW_POOL ({kind:?}): answered {answer}", self.caller()),
        }
    }

    /// DESTROY_POOL; the raw answer.
    ///
    /// # Errors
    /// If the child can't make the call.
    pub fn destroy_pool(&self, pool_id: u32) -> CaseResult<i64> {
        self.op(&Op::DestroyPool { pool_id })
    }

    /// The frame that puts are made from.
    pub fn source_frame(&self) -> u64 {
        self.frame(SOURCE)
    }

    /// The frame that gets are made into.
    pub fn target_frame(&self) -> u64 {
        self.frame(TARGET)
    }

    /// Their numbers among the child's own pages, in this order.
    pub fn own_numbers(&self) -> [u64; 2] {
        [SOURCE, TARGET].map(|page| self.own_number(page))
    }

    /// Overwrites the page that puts are made from.
    ///
    /// # Errors
    /// If it can't be mapped.
    pub fn fill_source(&self, content: Content) -> CaseResult {
        self.open(SOURCE)?.fill(content);
        Ok(())
    }

    /// PUT of a page with this content; the raw answer.
    ///
    /// # Errors
    /// If the child can't make the call.
    pub fn try_put(&self, handle: Handle, content: Content) -> CaseResult<i64> {
        self.fill_source(content)?;
        self.op(&Op::PutPage { handle, cmfn: self.source_frame() })
    }

    /// PUT that must be accepted.
    ///
    /// # Errors
    /// Failure, if it is not.
    pub fn put(&self, handle: Handle, content: Content) -> CaseResult {
        expect("a child's put", self.try_put(handle, content)?, statuses::SUCCESS)
    }

    /// GET into a poisoned target; the answer. After a hit the target holds what Xen delivered.
    ///
    /// # Errors
    /// Failure, if the pages beside the target changed, or the target did without a hit (R3).
    pub fn try_get(&self, handle: Handle) -> CaseResult<i64> {
        self.open(TARGET)?.fill(POISON);
        for guard in GUARDS {
            self.open(guard)?.fill(GUARD);
        }
        let answer = self.op(&Op::GetPage { handle, cmfn: self.target_frame() })?;
        for guard in GUARDS {
            if self.open(guard)?.difference(GUARD).is_some() {
                fail!("{:?}: get (answer {answer}) wrote beside its page", self.caller());
            }
        }
        if answer != statuses::SUCCESS && self.open(TARGET)?.difference(POISON).is_some() {
            fail!("{:?}: get answered {answer} and wrote all the same", self.caller());
        }
        Ok(answer)
    }

    /// GET that must hit and deliver this content.
    ///
    /// # Errors
    /// Failure, if it misses or any byte is wrong.
    pub fn get_hit(&self, handle: Handle, content: Content) -> CaseResult {
        expect("a child's get of a stored page", self.try_get(handle)?, statuses::SUCCESS)?;
        self.check_target(handle, content)
    }

    /// The target, after a hit, must hold this content in all its 4096 bytes.
    ///
    /// # Errors
    /// Failure, with the first wrong word.
    pub fn check_target(&self, handle: Handle, content: Content) -> CaseResult {
        self.check_page(&self.open(TARGET)?, handle, content)
    }

    /// A page that was got into must hold this content in all its 4096 bytes.
    ///
    /// # Errors
    /// Failure, with the first wrong word.
    pub fn check_page(&self, page: &Window, handle: Handle, content: Content) -> CaseResult {
        if let Some(found) = page.difference(content) {
            fail!(
                "domain {}: wrong data: pool {} index {}: byte {} is {:#x}, not {:#x}",
                self.domid(),
                handle.pool_id,
                handle.index.0,
                found.offset,
                found.got,
                found.want
            );
        }
        Ok(())
    }

    /// The target, after a hit, must hold nothing but zeroes.
    ///
    /// # Errors
    /// Failure, with the first other word.
    pub fn check_zeroes(&self, handle: Handle) -> CaseResult {
        let window = self.open(TARGET)?;
        for offset in (0..4096).step_by(8) {
            let word = window.word(offset);
            if word != 0 {
                fail!("index {}: byte {offset} is {word:#x}, not zero", handle.index.0);
            }
        }
        Ok(())
    }

    /// GET that must answer `want`, which is no hit, for the reason `what`.
    ///
    /// # Errors
    /// Failure, if it answers anything else.
    pub fn get_none(&self, what: &str, handle: Handle, want: i64) -> CaseResult {
        expect(what, self.try_get(handle)?, want)
    }

    /// FLUSH_PAGE; the raw answer.
    ///
    /// # Errors
    /// If the child can't make the call.
    pub fn flush_page(&self, handle: Handle) -> CaseResult<i64> {
        self.op(&Op::FlushPage { handle })
    }

    /// FLUSH_OBJECT of the handle's object; the raw answer.
    ///
    /// # Errors
    /// If the child can't make the call.
    pub fn flush_object(&self, handle: Handle) -> CaseResult<i64> {
        self.op(&Op::FlushObject { pool_id: handle.pool_id, object: handle.object })
    }
}

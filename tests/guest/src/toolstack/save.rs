//! Saving and restoring domains, as a toolstack asks for it. An answer below 0 is an errno, negated.

use super::control::Control;
use crate::plain::content::{Content, Page, WORDS};
use crate::verdict::CaseResult;
use crate::{fail, give_up};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use hypercall_abi::control::{
    ClientId, ControlOp, HANDLE_BYTES, Removed, SAVED_PAGE_BYTES, SaveOp, decode_handle,
};
use hypercall_abi::{Handle, PAGE_SIZE_BYTES};

/// Words of a page's name in the buffer.
const NAME_WORDS: usize = HANDLE_BYTES / size_of::<u64>();

/// A page with its name, as Xen writes it.
#[derive(Clone, Debug)]
#[repr(C, align(8))]
pub struct SavedPage([u64; NAME_WORDS + WORDS]);

const _: () = assert!(size_of::<SavedPage>() == SAVED_PAGE_BYTES);

/// An address that no guest may have Xen write to: the direct map's.
const XEN_ADDRESS: u64 = 0xffff_8300_0010_0000;

/// Pages that [`Shelf`] keeps.
const SHELF_PAGES: usize = 64;

/// Where saved pages are kept while their domain does not exist.
pub struct Shelf([[AtomicU64; NAME_WORDS + WORDS]; SHELF_PAGES]);

/// The one shelf, for one case at a time.
static SHELF: Shelf =
    Shelf([const { [const { AtomicU64::new(0) }; NAME_WORDS + WORDS] }; SHELF_PAGES]);

impl Shelf {
    /// The shelf, whatever it holds.
    pub fn get() -> &'static Self {
        &SHELF
    }

    /// Keeps a page as number `number`.
    ///
    /// # Errors
    /// Error, if there is no such place.
    pub fn keep(&self, number: usize, page: &SavedPage) -> CaseResult {
        let Some(place) = self.0.get(number) else { give_up!("the shelf is full") };
        for (word, &value) in place.iter().zip(&page.0) {
            word.store(value, Relaxed);
        }
        Ok(())
    }

    /// The page that is kept as number `number`.
    ///
    /// # Errors
    /// Error, if there is no such place.
    pub fn page(&self, number: usize) -> CaseResult<SavedPage> {
        let Some(place) = self.0.get(number) else { give_up!("there is no page {number}") };
        let mut page = SavedPage::EMPTY;
        for (value, word) in page.0.iter_mut().zip(place) {
            *value = word.load(Relaxed);
        }
        Ok(page)
    }
}

impl SavedPage {
    /// Room for one.
    pub const EMPTY: Self = Self([0; NAME_WORDS + WORDS]);

    /// Its name.
    pub fn handle(&self) -> Handle {
        let mut bytes = [0; HANDLE_BYTES];
        for (place, word) in bytes.chunks_exact_mut(8).zip(&self.0) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        decode_handle(&bytes)
    }

    /// That it holds `content`, byte for byte.
    ///
    /// # Errors
    /// Failure, with the first difference.
    pub fn check(&self, content: Content) -> CaseResult {
        let mut page = Page::ZERO;
        let (_, words) = self.0.split_at(NAME_WORDS);
        page.0.copy_from_slice(words);
        match page.difference(content) {
            None => Ok(()),
            Some(difference) => fail!("{:?} was saved wrong: {difference:?}", self.handle()),
        }
    }
}

impl Control {
    /// SAVE_BEGIN.
    pub fn begin_save(self, domid: u16, live: bool) -> i64 {
        self.send(&ControlOp::Save(SaveOp::Begin { who: ClientId::One(domid), live }))
    }

    /// SAVE_END.
    pub fn end_save(self, domid: u16) -> i64 {
        self.send(&ControlOp::Save(SaveOp::End { who: ClientId::One(domid) }))
    }

    /// SAVE_GET_NEXT_PAGE, from `cursor` on, which then is where to go on.
    pub fn next_page(
        self,
        domid: u16,
        pool_id: u32,
        cursor: &mut u64,
        into: &mut SavedPage,
    ) -> i64 {
        let buffer = into.0.as_mut_ptr().expose_provenance() as u64;
        let len = u32::try_from(SAVED_PAGE_BYTES).unwrap_or_default();
        let who = ClientId::One(domid);
        let op = SaveOp::NextPage { who, pool_id, cursor: *cursor, len, buffer };
        let mut block = op.encode();
        let answer = self.send_block(&mut block);
        if let Ok(ControlOp::Save(SaveOp::NextPage { cursor: next, .. })) =
            ControlOp::decode(&block)
        {
            *cursor = next;
        }
        answer
    }

    /// The same with a buffer in Xen's own part of the address space.
    pub fn next_page_to_nowhere(self, domid: u16, pool_id: u32, cursor: u64) -> i64 {
        let len = u32::try_from(SAVED_PAGE_BYTES).unwrap_or_default();
        let (who, buffer) = (ClientId::One(domid), XEN_ADDRESS);
        self.send_block(&mut SaveOp::NextPage { who, pool_id, cursor, len, buffer }.encode())
    }

    /// SAVE_GET_NEXT_INV, in the same way; on 1 what was removed.
    ///
    /// # Errors
    /// Xen's other answer.
    pub fn next_removed(self, domid: u16, cursor: &mut u64) -> Result<Removed, i64> {
        let mut record = [0; HANDLE_BYTES];
        let buffer = record.as_mut_ptr().expose_provenance() as u64;
        let len = u32::try_from(HANDLE_BYTES).unwrap_or_default();
        let who = ClientId::One(domid);
        let mut block = SaveOp::NextRemoved { who, cursor: *cursor, len, buffer }.encode();
        let answer = self.send_block(&mut block);
        match (answer, ControlOp::decode(&block)) {
            (1, Ok(ControlOp::Save(SaveOp::NextRemoved { cursor: next, .. }))) => {
                *cursor = next;
                Ok(Removed::decode(&record))
            }
            _ => Err(answer),
        }
    }

    /// RESTORE_BEGIN.
    pub fn begin_restore(self, domid: u16) -> i64 {
        self.send(&ControlOp::Save(SaveOp::RestoreBegin { who: ClientId::One(domid) }))
    }

    /// RESTORE_PUT_PAGE.
    pub fn restore_page(self, domid: u16, page: &SavedPage) -> i64 {
        let handle = page.handle();
        let buffer = page.0.as_ptr().expose_provenance() as u64 + HANDLE_BYTES as u64;
        let len = u32::try_from(PAGE_SIZE_BYTES).unwrap_or_default();
        let who = ClientId::One(domid);
        self.send(&ControlOp::Save(SaveOp::RestorePut { who, handle, len, buffer }))
    }

    /// RESTORE_FLUSH_PAGE.
    pub fn restore_removal(self, domid: u16, removed: Removed) -> i64 {
        self.send(&ControlOp::Save(SaveOp::RestoreRemove { who: ClientId::One(domid), removed }))
    }
}

//! A toolstack that saves domains and restores them, as the service sees it: bytes in, a number out.

use crate::SimService;
use core::cell::Cell;
use hypercall_abi::control::{
    CONTROL_BYTES, ClientId, ControlOp, HANDLE_BYTES, PoolInfo, Removed, SAVED_PAGE_BYTES, SaveOp,
    decode_handle,
};
use hypercall_abi::{Handle, Uuid};
use tmem_host_sim::{Content, SimHost, SimToolstack};
use tmem_service::ControlOutcome;

/// Where its buffer lies.
pub const BUFFER: u64 = 0x7000;

/// Slices that any operation of a save may take in a test: more means that it does not end.
const SLICES_MAX: u32 = 10_000;

/// See the module's head.
pub struct Toolstack<'a> {
    service: &'a SimService,
    /// Its buffer, with room for a page and its name.
    pub memory: SimToolstack<'a>,
    /// The most slices that an operation took.
    pub nr_slices: Cell<u32>,
}

impl<'a> Toolstack<'a> {
    /// A toolstack of `service`.
    pub fn new(service: &'a SimService) -> Self {
        let memory = SimToolstack::new(service.platform(), BUFFER, &[0xaa; SAVED_PAGE_BYTES]);
        Self { service, memory, nr_slices: Cell::new(0) }
    }

    /// Carries an operation out to its end; its result, and what its bytes are then.
    ///
    /// # Panics
    /// If it does not end, or ends with a lock held.
    pub fn control(&self, op: SaveOp) -> (i64, [u8; CONTROL_BYTES]) {
        self.carry_out(ControlOp::Save(op))
    }

    fn carry_out(&self, op: ControlOp) -> (i64, [u8; CONTROL_BYTES]) {
        let mut block = op.encode();
        for nr_slices in 1_u32.. {
            assert!(nr_slices <= SLICES_MAX, "{op:?} does not end");
            let outcome = self.service.control(&mut block, &self.memory);
            assert_eq!(SimHost::nr_locks_held(), 0, "{op:?} ended with a lock held");
            if let ControlOutcome::Done(status) = outcome {
                self.nr_slices.set(self.nr_slices.get().max(nr_slices));
                return (status.encode(), block);
            }
        }
        unreachable!("an operation ends");
    }

    /// SAVE_BEGIN.
    pub fn begin(&self, domain: u16, live: bool) -> i64 {
        self.control(SaveOp::Begin { who: ClientId::One(domain), live }).0
    }

    /// SAVE_END.
    pub fn end(&self, domain: u16) -> i64 {
        self.control(SaveOp::End { who: ClientId::One(domain) }).0
    }

    /// RESTORE_BEGIN.
    pub fn begin_restore(&self, domain: u16) -> i64 {
        self.control(SaveOp::RestoreBegin { who: ClientId::One(domain) }).0
    }

    /// SAVE_GET_NEXT_PAGE: the result, the next cursor and, on 1, the page.
    ///
    /// # Panics
    /// If a page was delivered that no test wrote.
    pub fn next_page(
        &self,
        domain: u16,
        pool_id: u32,
        cursor: u64,
    ) -> (i64, u64, Option<(Handle, Content)>) {
        let who = ClientId::One(domain);
        let len = u32::try_from(SAVED_PAGE_BYTES).unwrap_or(u32::MAX);
        let op = SaveOp::NextPage { who, pool_id, cursor, len, buffer: BUFFER };
        let (answer, block) = self.control(op);
        let next = match ControlOp::decode(&block) {
            Ok(ControlOp::Save(SaveOp::NextPage { cursor: next, .. })) => next,
            other => unreachable!("the operation is {other:?} afterwards"),
        };
        if answer != 1 {
            return (answer, next, None);
        }
        let bytes = self.memory.bytes();
        let (handle, page) = bytes.split_first_chunk::<HANDLE_BYTES>().expect("a name");
        let content = Content::recognise(page.try_into().expect("a page"));
        (1, next, Some((decode_handle(handle), content.expect("the page is whole"))))
    }

    /// All pages of a pool from `cursor` on, and the result that ended them.
    pub fn pages_from(
        &self,
        domain: u16,
        pool_id: u32,
        mut cursor: u64,
    ) -> (Vec<(Handle, Content)>, i64) {
        let mut pages = Vec::new();
        loop {
            let (answer, next, page) = self.next_page(domain, pool_id, cursor);
            let Some(page) = page else { return (pages, answer) };
            pages.push(page);
            cursor = next;
        }
    }

    /// All pages of a pool.
    ///
    /// # Panics
    /// If their end is another than "no more".
    pub fn pages(&self, domain: u16, pool_id: u32) -> Vec<(Handle, Content)> {
        let (pages, answer) = self.pages_from(domain, pool_id, 0);
        assert_eq!(answer, -1, "the end of the pages");
        pages
    }

    /// SAVE_GET_NEXT_INV, to the end: all removals, or the result that ended them too early.
    pub fn removals(&self, domain: u16) -> Result<Vec<Removed>, i64> {
        let (mut removals, mut cursor) = (Vec::new(), 0);
        loop {
            let who = ClientId::One(domain);
            let len = u32::try_from(HANDLE_BYTES).unwrap_or(u32::MAX);
            let op = SaveOp::NextRemoved { who, cursor, len, buffer: BUFFER };
            let (answer, block) = self.control(op);
            match (answer, ControlOp::decode(&block)) {
                (0, _) => return Ok(removals),
                (1, Ok(ControlOp::Save(SaveOp::NextRemoved { cursor: next, .. }))) => {
                    let bytes = self.memory.bytes();
                    removals.push(Removed::decode(bytes.first_chunk().expect("a record")));
                    cursor = next;
                }
                _ => return Err(answer),
            }
        }
    }

    /// SET_POOLS of one pool.
    pub fn set_pool(&self, domain: u16, id: u32, flags: u32) -> i64 {
        let record = PoolInfo { flags, id, n_pages: 0, uuid: Uuid::default() }.encode();
        self.memory.fill(&record);
        let len = u32::try_from(record.len()).unwrap_or(u32::MAX);
        let who = ClientId::One(domain);
        self.carry_out(ControlOp::SetPools { who, len, buffer: BUFFER }).0
    }

    /// RESTORE_PUT_PAGE.
    pub fn put(&self, domain: u16, handle: Handle, content: Content) -> i64 {
        let mut page = [0; hypercall_abi::PAGE_SIZE_BYTES];
        content.write(&mut page);
        self.memory.fill(&page);
        let who = ClientId::One(domain);
        self.control(SaveOp::RestorePut { who, handle, len: 4096, buffer: BUFFER }).0
    }

    /// RESTORE_FLUSH_PAGE.
    pub fn remove(&self, domain: u16, removed: Removed) -> i64 {
        self.control(SaveOp::RestoreRemove { who: ClientId::One(domain), removed }).0
    }
}

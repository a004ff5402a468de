//! SAVE: the pages of a domain's swap area read out one by one, and put into another domain's.

use super::{Bench, host_frames, service};
use crate::floor::Kind;
use crate::guest::{Guest, LeanService, Page};
use crate::report::Row;
use anyhow::{Result, ensure};
use core::cell::Cell;
use core::sync::atomic::Ordering::Relaxed;
use hypercall_abi::control::{
    CONTROL_BYTES, ClientId, ControlOp, ControlStatus, HANDLE_BYTES, SAVED_PAGE_BYTES, SaveOp,
};
use hypercall_abi::{Handle, ObjectId, PAGE_SIZE_BYTES, PageIndex, PoolFlags};
use tmem_host_sim::LeanToolstack;
use tmem_service::ControlOutcome;

/// Words of a page's name in the buffer, before the content.
const NAME_WORDS: usize = HANDLE_BYTES / size_of::<u64>();
/// The source and the destination.
const SOURCE: ClientId = ClientId::One(1);
const TARGET: ClientId = ClientId::One(2);

/// Saves half of the workload's pages, and restores as many.
///
/// # Errors
/// When an answer or a page's stamp is wrong.
pub fn run(bench: &Bench<'_>) -> Result<Vec<Row>> {
    // Both domains have room beside each other.
    let nr_pages = bench.nr_pages / 2;
    let service = service(host_frames(bench.nr_pages))?;
    let mut meter = bench.meter(&service)?;
    let guests = [Guest::new(&service, 1)?, Guest::new(&service, 2)?];
    let toolstack = LeanToolstack::new(service.platform());
    let pool = guests[0].new_pool(PoolFlags::PERSIST, [0; 2])?;
    ensure!(guests[1].new_pool(PoolFlags::PERSIST, [0; 2])? == pool, "the pools differ");
    for nth in 0..nr_pages {
        let page = Page { pool, object: 1, index: u32::try_from(nth)? };
        guests[0].put(nth, page, [nth as u64, 1])?;
    }
    let mut block = SaveOp::Begin { who: SOURCE, live: false }.encode();
    ensure!(control(&service, &mut block, &toolstack) == ControlStatus::Done(0), "no save begins");

    let len = u32::try_from(SAVED_PAGE_BYTES)?;
    let next = SaveOp::NextPage { who: SOURCE, pool_id: pool, cursor: 0, len, buffer: 0 };
    let block = Cell::new(next.encode());
    let sum = Cell::new(0_u64);
    let read = |_| {
        let mut op = block.get();
        let status = control(&service, &mut op, &toolstack);
        ensure!(status == ControlStatus::Done(1), "SAVE_GET_NEXT_PAGE: {status:?}");
        block.set(op);
        let words = toolstack.words();
        let (index, stamp) = (words[0].load(Relaxed) >> 32, words[NAME_WORDS].load(Relaxed));
        ensure!(index == stamp, "page {index} holds page {stamp}");
        sum.set(sum.get() + index);
        Ok(())
    };
    let mut rows = Vec::new();
    let mut row = |op, cost| rows.push(bench.row("SAVE", op, cost));
    row("next_page", meter.run(Kind::ReadSerialised, nr_pages, read)?);
    let all = nr_pages as u64 * (nr_pages as u64 - 1) / 2;
    ensure!(sum.get() == all, "some page came twice or never");
    let mut op = block.get();
    let end = control(&service, &mut op, &toolstack);
    ensure!(end == ControlStatus::NotPermitted, "after the last page: {end:?}");

    let len = u32::try_from(PAGE_SIZE_BYTES)?;
    let restore = |nth: usize| {
        let index = PageIndex(u32::try_from(nth)?);
        let handle = Handle { pool_id: pool, object: ObjectId([1, 0, 0]), index };
        let buffer = HANDLE_BYTES as u64;
        let op = ControlOp::Save(SaveOp::RestorePut { who: TARGET, handle, len, buffer });
        let status = control(&service, &mut op.encode(), &toolstack);
        ensure!(status == ControlStatus::Done(1), "RESTORE_PUT_PAGE: {status:?}");
        Ok(())
    };
    row("restore_page", meter.run(Kind::WriteSerialised, nr_pages, restore)?);
    Ok(rows)
}

/// Carries out an operation to its end.
fn control(
    service: &LeanService,
    block: &mut [u8; CONTROL_BYTES],
    toolstack: &LeanToolstack<'_>,
) -> ControlStatus {
    loop {
        if let ControlOutcome::Done(status) = service.control(block, toolstack) {
            return status;
        }
    }
}

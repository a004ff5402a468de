//! **Checks** tmem operations inside a multicall, of 64-bit and of 32-bit PV domains: each gets its own
//! answer, and one in the middle that takes long and is put off between two slices is taken up again at
//! its place (R7, R22, P29, P73).
//!
//! **Why:** a call that is put off inside a multicall is resumed by changing the list in the guest's
//! memory, where the answer has to go, too.
//!
//! **A broken host** loses the answers behind the long call, makes the calls before it again, or stores
//! the mark of the interruption as an answer.

use super::super::Case;
use super::fill_pool;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{NO_DEVICE, NOTHING, SUCCESS},
};
use crate::toolstack::{Call, Caller, Child, Plan, Window};
use crate::verdict::{CaseResult, expect};
use crate::xen::foreign::rest;
use crate::{fail, give_up};
use core::sync::atomic::Ordering;
use hypercall_abi::{HYPERVISOR_TMEM_OP, Op};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "multicall-domains",
    "operations in a multicall get their answers, also behind one that is interrupted",
    run,
);

/// `__HYPERVISOR_multicall`.
const MULTICALL: u32 = 13;
/// Pages of the pool that is destroyed in the middle.
const PAGES: u32 = 8000;
/// How often the domain may be too quick for us.
const ATTEMPTS: u32 = 40;
/// Pages for the list and for the blocks that it names.
const LIST: usize = 8;
const BLOCKS: usize = 9;
/// Bytes between two blocks.
const STRIDE: usize = 64;

fn run(_rig: &mut Rig) -> CaseResult {
    converse(Caller::Pv64)
}

/// Multicalls of a PV domain of this width, until one was interrupted in the middle.
pub(super) fn converse(caller: Caller) -> CaseResult {
    let child = Child::build(Plan::new(caller, u64::from(PAGES) + 1000))?;
    let kept = child.new_pool(Kind::Persistent)?;
    for _ in 0..ATTEMPTS {
        if converse_once(&child, kept)? {
            return child.destroy();
        }
    }
    give_up!("{caller:?}: no multicall was interrupted")
}

/// A multicall with a long call in its middle; whether it was interrupted.
fn converse_once(child: &Child, kept: u32) -> CaseResult<bool> {
    let dying = child.new_pool(Kind::Ephemeral)?;
    fill_pool(child, dying, PAGES)?;
    child.fill_source(Content(1))?;
    let (source, target) = (child.source_frame(), child.target_frame());
    let (first, second) = (at(kept, 1, 1), at(kept, 1, 2));
    let calls = [
        (Op::PutPage { handle: first, cmfn: source }, SUCCESS),
        (Op::GetPage { handle: at(kept, 1, 9), cmfn: target }, NOTHING),
        (Op::DestroyPool { pool_id: dying }, SUCCESS),
        (Op::GetPage { handle: at(dying, 0, 0), cmfn: target }, NO_DEVICE),
        (Op::PutPage { handle: second, cmfn: source }, SUCCESS),
        (Op::GetPage { handle: first, cmfn: target }, SUCCESS),
        (Op::DestroyPool { pool_id: dying }, NOTHING),
    ];
    let list = child.open(LIST)?;
    let blocks = child.open(BLOCKS)?;
    list.clear();
    for (number, (op, _)) in calls.iter().enumerate() {
        let call = child.tmem_call(op)?;
        blocks.write(number * STRIDE, call.block.as_ref().map_or(&[], |block| block.as_slice()));
        let block = child.address(BLOCKS) + (number * STRIDE) as u64;
        write_entry(child, &list, number, block);
    }

    let mailbox = child.mailbox(0)?;
    let begun = mailbox.begun.load(Ordering::SeqCst);
    let multicall = Call::raw(MULTICALL, [child.address(LIST), calls.len() as u64, 0, 0, 0]);
    child.start(0, &[multicall], 1)?;
    while mailbox.begun.load(Ordering::SeqCst) == begun {
        rest();
    }
    // Stopped for sure, so that what is seen is what Xen left between two slices.
    child.set_running(false)?;
    let is_interrupted = !child.is_done(0)? && answer(child, &list, 0) == SUCCESS;
    child.set_running(true)?;
    child.wait(0)?;

    expect("the multicall", child.answer(0, 0)?, 0)?;
    for (number, (op, want)) in calls.iter().enumerate() {
        let got = answer(child, &list, number);
        if got != *want {
            fail!("{:?}: {op:?} in a multicall: {got}, not {want}", child.caller());
        }
    }
    child.get_hit(first, Content(1))?;
    child.get_hit(second, Content(1))?;
    expect("flush", child.flush_object(first)?, SUCCESS)?;
    Ok(is_interrupted)
}

/// `struct multicall_entry`: number, answer, six arguments, all of the domain's width.
fn write_entry(child: &Child, list: &Window, number: usize, block: u64) {
    let operation = u64::from(HYPERVISOR_TMEM_OP);
    if child.caller().is_wide() {
        list.write(number * 64, &operation.to_le_bytes());
        list.write(number * 64 + 16, &block.to_le_bytes());
    } else {
        // Addresses are below 4 GiB: the upper halves are the zeroes of the next word.
        list.write(number * 32, &operation.to_le_bytes());
        list.write(number * 32 + 8, &block.to_le_bytes());
    }
}

fn answer(child: &Child, list: &Window, number: usize) -> i64 {
    if child.caller().is_wide() {
        list.word(number * 64 + 8).cast_signed()
    } else {
        let upper = u32::try_from(list.word(number * 32) >> 32).unwrap_or_default();
        i64::from(upper.cast_signed())
    }
}

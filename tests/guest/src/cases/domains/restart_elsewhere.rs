//! **Checks** that a long call which Xen interrupted goes on in order where it did not begin (R7, R22,
//! R49, P29): on another processor, to which the vCPU is moved again and again; and on another vCPU,
//! which makes the call when the first one, in the middle of it, has turned to something else. A pool's
//! destruction and an object's flush answer 1, nothing can be got any more, and all of the room is
//! there, to the frame.
//!
//! **Why:** Xen reads the operation anew for each slice. What a host keeps by processor or by vCPU of a
//! call that it interrupted is not there then, or belongs to another call.
//!
//! **A broken host** answers 0 or never, frees a page twice, or loses what the first had not freed.

use super::super::Case;
use super::{available_pages, fill_pool};
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{EMPTY, NO_DEVICE, SUCCESS},
};
use crate::toolstack::{Call, Caller, Child, Plan};
use crate::verdict::{CaseResult, expect};
use crate::{fail, give_up, say};
use core::sync::atomic::Ordering;
use hypercall_abi::{Handle, Op};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::DomainsFour],
    "restart-elsewhere",
    "a long call goes on in order on another processor and on another vCPU",
    |rig| {
        let moves: [(Long, Way); 4] = [
            (Long::Destroy, on_another_processor),
            (Long::Destroy, on_another_vcpu),
            (Long::Flush, on_another_processor),
            (Long::Flush, on_another_vcpu),
        ];
        [Caller::Pv64, Caller::Pvh64]
            .into_iter()
            .try_for_each(|caller| move_long_calls(rig, caller, &moves))
    },
);

/// Pages of the pool and of its one object.
const PAGES: u32 = 6000;
/// Frames that the domain's maximum leaves.
const ROOM: u32 = PAGES + 400;
/// A page that is not concerned.
const OTHER: Handle = at(0, 1, 1);
/// The pool, by id.
const POOL: u32 = 1;
/// How often the call may be over before it is moved.
const ATTEMPTS: u32 = 60;
/// Moves of a vCPU in the middle of its call that make an attempt.
const MOVES: u32 = 3;
/// Processors that a vCPU is moved between.
const PROCESSORS: [u64; 2] = [1, 2];
const ALL_PROCESSORS: u64 = 0xf;

/// The calls that take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Long {
    /// A pool's destruction.
    Destroy,
    /// The flush of an object.
    Flush,
}

impl Long {
    fn call(self, child: &Child) -> CaseResult<Call> {
        child.tmem_call(&match self {
            Self::Destroy => Op::DestroyPool { pool_id: POOL },
            Self::Flush => Op::FlushObject { pool_id: POOL, object: at(POOL, 0, 0).object },
        })
    }
}

/// Long calls of domains of one kind, each moved in a way.
///
/// # Errors
/// Failure, if one is not carried out to its end, or a frame is lost.
pub(super) fn move_long_calls(rig: &Rig, caller: Caller, moves: &[(Long, Way)]) -> CaseResult {
    let bystander = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    rig.put(bystander, Content(1))?;
    for &(long, way) in moves {
        until_in_the_middle(caller, long, way)?;
    }
    rig.get_hit(bystander, Content(1))
}

/// A way to have a call go on elsewhere; whether it was in the middle then.
pub(super) type Way = fn(&Child, Long) -> CaseResult<bool>;

fn until_in_the_middle(caller: Caller, long: Long, way: Way) -> CaseResult {
    for attempt in 1..=ATTEMPTS {
        let child = Child::build(Plan::new(caller, ROOM.into()).with_vcpus(2))?;
        expect("the first pool", child.new_pool(Kind::Persistent)?.into(), 0)?;
        child.put(OTHER, Content(7))?;
        expect("the second pool", child.new_pool(Kind::Persistent)?.into(), POOL.into())?;
        fill_pool(&child, POOL, PAGES)?;
        let in_the_middle = way(&child, long)?;
        check(child, long)?;
        if in_the_middle {
            say!("{caller:?} {long:?}: moved in the middle at attempt {attempt}");
            return Ok(());
        }
    }
    give_up!("{caller:?} {long:?}: {ATTEMPTS} times the call was over before it could be moved");
}

/// Nothing of the pool's or the object's is there, and all of the room.
fn check(child: Child, long: Long) -> CaseResult {
    let gone = if long == Long::Destroy { NO_DEVICE } else { EMPTY };
    for index in [0, PAGES / 2, PAGES - 1] {
        child.get_none("get of what is gone", at(POOL, 0, index), gone)?;
    }
    child.get_hit(OTHER, Content(7))?;
    if long == Long::Destroy {
        expect("the id", child.new_pool(Kind::Persistent)?.into(), POOL.into())?;
    }
    child.get_none("get of what is gone", at(POOL, 0, 1), EMPTY)?;
    fill_pool(&child, POOL, PAGES)?;
    for pool in [POOL, OTHER.pool_id] {
        expect("destroy", child.destroy_pool(pool)?, SUCCESS)?;
    }
    child.start(1, &[child.populate_call(1, 0, 0x1_0000)?], ROOM + 10)?;
    child.wait(1)?;
    expect("frames of room in the end", child.counts(1, 0)?.0.into(), ROOM.into())?;
    child.destroy()
}

/// On another processor, to which the vCPU is moved.
pub(super) fn on_another_processor(child: &Child, long: Long) -> CaseResult<bool> {
    let mut moves = 0;
    pin(child, 1 << PROCESSORS[0])?;
    child.start(0, &[long.call(child)?], 1)?;
    for processor in PROCESSORS.into_iter().cycle().skip(1).take(1_000_000) {
        pin(child, 1 << processor)?;
        if child.is_done(0)? {
            break;
        }
        moves += 1;
    }
    pin(child, ALL_PROCESSORS)?;
    child.wait(0)?;
    expect("the call that was moved", child.answer(0, 0)?, SUCCESS)?;
    Ok(moves >= MOVES)
}

fn pin(child: &Child, processors: u64) -> CaseResult {
    match child.release().pin(child.domid(), 0, processors) {
        0 => Ok(()),
        answer => give_up!("setting a vCPU's processors to {processors:#x}: {answer}"),
    }
}

/// On another vCPU, when the first one has turned to something else.
pub(super) fn on_another_vcpu(child: &Child, long: Long) -> CaseResult<bool> {
    let before = available_pages()?;
    let begun = &child.mailbox(0)?.begun;
    let at_first = begun.load(Ordering::SeqCst);
    child.start(0, &[long.call(child)?], 1)?;
    child.wait_for(|| Ok(begun.load(Ordering::SeqCst) != at_first))?;
    child.set_running(false)?;
    let freed = available_pages()?.saturating_sub(before);
    let in_the_middle = !child.is_done(0)? && (1..u64::from(PAGES)).contains(&freed);

    // The first one turns to something else.
    child.open(2)?.fill(Content(0));
    let get = Op::GetPage { handle: OTHER, cmfn: child.target_frame() };
    let is_done = child.is_done(0)?;
    child.replace_block(0, 0, &child.tmem_call(&get)?)?;
    let probe = Op::GetPage { handle: at(POOL, 0, PAGES - 1), cmfn: child.frame(5) };
    child.start(1, &[child.tmem_call(&probe)?, long.call(child)?], 1)?;
    // It waits for the first one as well.
    child.wait_for(|| child.is_done(0))?;
    child.wait(1)?;
    if in_the_middle && child.answer(1, 0)? == SUCCESS {
        fail!("{long:?}: a page was got in the middle of it");
    }
    if !is_done {
        expect("what the first one turned to", child.answer(0, 0)?, SUCCESS)?;
        // Unless it had not been interrupted, but was over.
        if in_the_middle {
            child.check_target(OTHER, Content(7))?;
        }
    }
    let answer = child.answer(1, 1)?;
    if in_the_middle || long == Long::Flush {
        expect("the call on the other vCPU", answer, SUCCESS)?;
    }
    Ok(in_the_middle)
}

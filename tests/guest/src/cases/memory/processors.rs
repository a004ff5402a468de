//! **Checks** that a processor that is taken out of use gives back the frames that it kept for tmem, so
//! that none is lost; that tmem works on meanwhile with all that was stored; and that on a full host, of
//! which nothing is free, it can be taken into use again, for which Xen needs blocks of eight pages, and
//! serves calls.
//!
//! **Why:** each processor keeps up to 65 frames, and up to eight pages of metadata. What is in its
//! memory is gone when it is.
//!
//! **A broken host** forgets these frames, or uses what a processor kept after its memory was freed.

use super::super::Case;
use super::super::domains::holdings;
use super::{FullHost, Hoard, available_pages, build, free_pages};
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{NOTHING, SUCCESS},
};
use crate::toolstack::{Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use crate::xen::memory::DOMAIN_0;
use crate::xen::release::Release;
use crate::{fail, give_up, say, skip};
use hypercall_abi::Op;

pub(in super::super) const CASE: Case = Case::full(
    &[Boot::MemorySmp],
    "processors",
    "processors with stocks of frames go and come, no frame is lost, calls go on",
    run,
);

/// Processors that go; the first one can't.
const MOVING: core::ops::Range<u32> = 1..4;
/// Pages that are put and flushed on each: more than it keeps.
const PAGES: u32 = 300;
/// Pages of a child that are looked at in between.
const SOME: u32 = 8;
/// What each keeps then at least: it is up to twice as much, and one.
const BATCH: u64 = 32;
/// Frames that Xen may have more or fewer of by chance, for reasons of its own.
const NOISE: u64 = 8;

fn run(rig: &mut Rig) -> CaseResult {
    let Some(release) = Release::running() else {
        skip!("this guest does not know the toolstack's interface of this Xen");
    };
    if release.processors() != Ok(4) {
        skip!("wants a machine of four processors, this one has {:?}", release.processors());
    }
    let result = with_everything_pinned(rig, release);
    // However it ended, the next case finds all of them.
    for processor in MOVING {
        let _is_there_at_best = release.set_online(processor, true);
    }
    let _runs_all_the_same = release.pin(DOMAIN_0, 0, !0);
    result
}

fn with_everything_pinned(rig: &Rig, release: Release) -> CaseResult {
    expect("pinning this guest", release.pin(DOMAIN_0, 0, 1), 0)?;
    let child = build(Plan { vcpus: 4, ..Plan::new(Caller::Pv64, 0) })?;
    let pool = child.new_pool(Kind::Ephemeral)?;
    let stored = rig.new_pool(Kind::Persistent)?;
    for index in 0..PAGES {
        rig.put(at(stored, 0, index), Content::of(5, index.into()))?;
    }
    // What Xen keeps or frees of its own when a processor goes, it does now.
    set_all(release, false)?;
    set_all(release, true)?;
    fill_own_stock(rig)?;
    let before = available_pages()?;

    fill_stocks(&child, pool)?;
    let filled = available_pages()?;
    if filled + 3 * BATCH > before {
        fail!("{before} frames available, {filled} when all processors are to have kept some");
    }
    let control = Control::new()?;
    holdings::check(control)?;
    set_all(release, false)?;
    // Frames and pages of metadata alike: what a processor that is gone had is nobody's stock.
    holdings::check(control)?;
    // On the processor that is left all goes on.
    expect("destroy", child.destroy_pool(pool)?, SUCCESS)?;
    let pool = child.new_pool(Kind::Ephemeral)?;
    check_calls(rig, &child, pool, stored)?;
    expect("destroy", child.destroy_pool(pool)?, SUCCESS)?;
    set_all(release, true)?;
    fill_own_stock(rig)?;
    let after = available_pages()?;
    say!("available: {before} at first, {filled} with stocks filled, {after} at the end");
    if after + BATCH + NOISE < before {
        fail!("{} frames are lost with three processors", before - after);
    }

    // Processors come although the host is full, has been busy, and nothing is free; and they serve.
    set_all(release, false)?;
    let host = FullHost::fill(rig)?;
    let mut hoard = Hoard::build()?;
    host.fill_again(rig)?;
    host.shuffle(rig)?;
    hoard.grow(free_pages()?)?;
    set_all(release, true)?;
    let pool = child.new_pool(Kind::Ephemeral)?;
    fill_stocks(&child, pool)?;
    check_calls(rig, &child, pool, stored)?;
    host.check(rig)?;
    child.destroy()
}

/// Takes processors into use or out of use.
fn set_all(release: Release, online: bool) -> CaseResult {
    for processor in MOVING {
        let answer = release.set_online(processor, online);
        if answer != 0 {
            fail!("processor {processor} online = {online}: answered {answer}");
        }
    }
    Ok(())
}

/// The same on the first processor, where this guest runs, so that it keeps about as many each time.
fn fill_own_stock(rig: &Rig) -> CaseResult {
    let pool = rig.new_pool(Kind::Ephemeral)?;
    for index in 0..PAGES {
        rig.put(at(pool, 0, index), Content(9))?;
    }
    expect("destroy", rig.destroy_pool(pool), SUCCESS)
}

/// On each of the processors a vCPU puts pages and flushes them: their frames stay with it.
fn fill_stocks(child: &Child, pool: u32) -> CaseResult {
    child.fill_source(Content(9))?;
    for vcpu in MOVING {
        let answer = child.release().pin(child.domid(), vcpu, 1 << vcpu);
        if answer != 0 {
            give_up!("pinning vCPU {vcpu}: {answer}");
        }
        let object = at(pool, u64::from(vcpu), 0);
        let put = Op::PutPage { handle: object, cmfn: child.source_frame() };
        child.start(vcpu as usize, &[child.tmem_call(&put)?.stepping()], PAGES)?;
        child.wait(vcpu as usize)?;
        expect("puts", child.counts(vcpu as usize, 0)?.0.into(), PAGES.into())?;
        let flush = Op::FlushObject { pool_id: pool, object: object.object };
        child.run(vcpu as usize, &[child.tmem_call(&flush)?])?;
        expect("flush", child.answer(vcpu as usize, 0)?, SUCCESS)?;
    }
    Ok(())
}

/// A child's pages come and go, and what was stored before is there.
fn check_calls(rig: &Rig, child: &Child, pool: u32, stored: u32) -> CaseResult {
    for index in 0..SOME {
        child.put(at(pool, 9, index), Content::of(6, index.into()))?;
    }
    for index in 0..SOME {
        child.get_hit(at(pool, 9, index), Content::of(6, index.into()))?;
    }
    child.put(at(pool, 9, 0), Content(1))?;
    child.get_none("get of a page that was taken", at(pool, 9, 1), NOTHING)?;
    for index in 0..PAGES {
        rig.get_hit(at(stored, 0, index), Content::of(5, index.into()))?;
    }
    Ok(())
}

//! **Checks** that on a full host of which nothing is free a PVH domain whose memory comes on demand gets
//! what it needs: Xen fills a cache for it, one page at a time and by blocks, with the domain's own locks
//! held (P19); pages are found in it when a put reads them, a get writes them, or another hypercall does;
//! and that a cache that is too big is refused with everything that was to stay still there (R11).
//!
//! **Why:** the hook of Xen's allocator evicts with whatever lock its caller holds, and a put's look-up
//! of its page changes the domain's memory map in the middle of the put.
//!
//! **A broken host** locks up or refuses, or a put stores something that was never in the page.

use super::super::Case;
use super::{FullHost, Hoard, available_pages, build, free_pages};
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::SUCCESS};
use crate::toolstack::{Call, Caller, Child, Plan, Window};
use crate::verdict::{CaseResult, expect};
use crate::xen::memory::{OnDemand, Where, populate_blocks, set_on_demand};
use crate::{fail, say};
use hypercall_abi::Op;

pub(in super::super) const CASE: Case = Case::full(
    &[Boot::Memory],
    "full-on-demand",
    "on a full host a domain gets memory when it touches it, also by a put or a get",
    run,
);

/// Pages that come on demand one by one; the domain's page tables reach them.
const SINGLES: core::ops::Range<u64> = 0x80..0x180;
/// Those that come by blocks of 2 MiB.
const BLOCKS: [u64; 4] = [0x4000, 0x4200, 0x4400, 0x4600];
const BIG: u32 = 9;
/// More of them than the host has memory for.
const TOO_MANY: u64 = 100;
const TOO_MANY_FROM: u64 = 0x10_0000;
/// Xen's answer when there is no memory.
const NO_MEMORY: i64 = -12;
/// `xen_version`, and its command that writes a text of 16 bytes (`XENVER_extraversion`).
const XEN_VERSION: u32 = 17;
const EXTRA_VERSION: u64 = 1;

fn run(rig: &mut Rig) -> CaseResult {
    let host = FullHost::fill(rig)?;
    let mut hoard = Hoard::build()?;
    let child = build(Plan::new(Caller::Pvh64, u64::from(u32::MAX)))?;
    host.fill_again(rig)?;
    let cache = child.new_pool(Kind::Ephemeral)?;
    let swap = child.new_pool(Kind::Persistent)?;
    let free = free_pages()?;
    if hoard.grow(free)? != free {
        fail!("{free} pages were free, and a domain did not get them");
    }

    // One by one.
    for page in SINGLES {
        promise(&child, page, 0)?;
    }
    let found = grow(&child, SINGLES.count() as u64)?;
    say!("nothing free, singles: {found:?}");
    touch(&child, cache, swap)?;

    // By blocks, or pages where there is no block.
    for page in BLOCKS {
        promise(&child, page, BIG)?;
    }
    let found = grow(&child, (BLOCKS.len() as u64) << BIG)?;
    say!("blocks: {found:?}");
    for (number, page) in BLOCKS.into_iter().flat_map(|first| first..first + (1 << BIG)).zip(0..) {
        let window = Window::open(child.domid(), number)?;
        check_zeroes(&window, number)?;
        window.fill(Content::of(8, page));
    }
    for (number, page) in BLOCKS.into_iter().flat_map(|first| first..first + (1 << BIG)).zip(0..) {
        if Window::open(child.domid(), number)?.difference(Content::of(8, page)).is_some() {
            fail!("page {number:#x}, got on demand, holds what was not written there");
        }
    }

    for number in 0..TOO_MANY {
        promise(&child, TOO_MANY_FROM + (number << BIG), BIG)?;
    }
    let total = found.total + (TOO_MANY << BIG);
    match set_on_demand(child.domid(), total) {
        Err(NO_MEMORY) => {}
        other => fail!("{total} pages on demand, with {} to be had: {other:?}", available_pages()?),
    }
    host.check_persistent(rig)?;
    hoard.check()?;
    for index in 0..SWAPPED {
        child.get_hit(at(swap, 2, index), Content::of(7, index.into()))?;
    }
    child.destroy()?;
    host.fill_again(rig)?;
    host.check(rig)
}

/// Persistent pages of the child, put from pages that came on demand.
const SWAPPED: u32 = 40;

/// Says that a domain has pages at `page`, without giving any.
fn promise(child: &Child, page: u64, order: u32) -> CaseResult {
    let done = populate_blocks(child.domid(), &mut [page], order, Where::ON_DEMAND);
    if done != 1 {
        fail!("Xen does not take {} pages at {page:#x} as pages on demand", 1 << order);
    }
    Ok(())
}

/// Has Xen get frames for `pages` pages that were promised. It must get them all, as long as they are
/// to be had.
fn grow(child: &Child, pages: u64) -> CaseResult<OnDemand> {
    let Some(info) = child.release().info(child.domid()) else { fail!("the domain is gone") };
    match set_on_demand(child.domid(), info.tot_pages + pages) {
        Ok(found) if found.total == info.tot_pages + pages => Ok(found),
        other => fail!("{pages} frames for pages on demand, nothing free: {other:?}"),
    }
}

/// Has a put, a get, and another hypercall of the domain's touch pages for the first time.
fn touch(child: &Child, cache: u32, swap: u32) -> CaseResult {
    let mut pages = SINGLES;
    let mut next = || pages.next().unwrap_or_default();
    for index in 0..SWAPPED {
        // Put from a page that nobody wrote to: zeroes.
        let page = next();
        let put = Op::PutPage { handle: at(cache, 1, index), cmfn: page };
        expect("put of a page on demand", child.op(&put)?, SUCCESS)?;
        // Got into one that was never touched.
        let target = next();
        let get = Op::GetPage { handle: at(cache, 1, index), cmfn: target };
        expect("get into a page on demand", child.op(&get)?, SUCCESS)?;
        check_zeroes(&Window::open(child.domid(), target)?, target)?;
        // Written to, then put.
        Window::open(child.domid(), page)?.fill(Content::of(7, index.into()));
        let put = Op::PutPage { handle: at(swap, 2, index), cmfn: page };
        expect("put of a page on demand", child.op(&put)?, SUCCESS)?;
        // A get that writes something into a page that was never touched.
        let target = next();
        let get = Op::GetPage { handle: at(swap, 2, index), cmfn: target };
        expect("get into a page on demand", child.op(&get)?, SUCCESS)?;
        let window = Window::open(child.domid(), target)?;
        if window.difference(Content::of(7, index.into())).is_some() {
            fail!("a get delivered something else into page {target:#x}, got on demand");
        }
    }
    let page = next();
    let text = Call::raw(XEN_VERSION, [EXTRA_VERSION, page << 12, 0, 0, 0]);
    child.run(0, &[text])?;
    expect("another hypercall", child.answer(0, 0)?, 0)?;
    let first = Window::open(child.domid(), page)?.word(0);
    if first == 0 {
        fail!("a hypercall wrote nothing into page {page:#x}, got on demand");
    }
    Ok(())
}

/// A page that nobody wrote to must be empty (R72).
fn check_zeroes(window: &Window, page: u64) -> CaseResult {
    if (0..4096).step_by(8).any(|offset| window.word(offset) != 0) {
        fail!("page {page:#x}, got on demand, is not empty");
    }
    Ok(())
}

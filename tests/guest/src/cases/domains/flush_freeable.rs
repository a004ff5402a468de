//! **Checks** the way to make room for a domain (R55, R56, R57, P17): freeze all, ask what is freeable,
//! flush so much, build the domain, thaw. FLUSH gives back what was asked for, all of it if that is
//! asked for, and no less than was said to be freeable; the oldest pages go; nothing is taken in between.
//!
//! **Why:** toolstacks count on the figure before they build a domain.
//!
//! **A broken host** counts memory as freeable that does not come back, or lets guests put new pages
//! where the new domain was to go.

use super::super::Case;
use super::{Ballast, fill_pool, free_pages};
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{EMPTY, FROZEN, NOTHING, SUCCESS},
};
use crate::toolstack::{Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::control::ClientId;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "flush-freeable",
    "freeze, ask for freeable memory, flush it, build a domain with it, thaw",
    run,
);

/// Ephemeral pages of the domain, which is 12 MiB and some.
const PAGES: u32 = 3200;
/// KiB that are flushed first, and the pages that they are.
const SOME_KIB: u32 = 4096;
const SOME_PAGES: u32 = SOME_KIB / 4;
/// Frames that are left when the domain is built: more than tmem leaves to Xen.
const LEFT: u64 = 4000;
/// Frames that one processor keeps in stock, at most, and a few that records are kept in.
const STOCK: u64 = 80;

fn run(rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    expect("freeable while there is nothing", control.freeable_mib(), 0)?;
    let own = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    rig.put(own, Content(1))?;
    let child = Child::build(Plan::new(Caller::Pvh64, u64::from(PAGES)))?;
    let cache = child.new_pool(Kind::Ephemeral)?;
    let swap = child.new_pool(Kind::Persistent)?;
    fill_pool(&child, cache, PAGES)?;
    child.put(at(swap, 1, 1), Content(2))?;

    expect("FREEZE of all", control.set_frozen(ClientId::All, true), 0)?;
    expect("freeable", control.freeable_mib(), i64::from(PAGES / 256))?;
    let before = free_pages()?;
    expect("FLUSH of some", control.flush(SOME_KIB), i64::from(SOME_KIB))?;
    let after = free_pages()?;
    if after < before + u64::from(SOME_PAGES) || after > before + u64::from(SOME_PAGES) + STOCK {
        fail!("FLUSH of {SOME_PAGES} pages took free frames from {before} to {after}");
    }
    expect("freeable after it", control.freeable_mib(), i64::from((PAGES - SOME_PAGES) / 256))?;
    expect("a put meanwhile", child.try_put(at(cache, 5, 0), Content(3))?, FROZEN)?;
    expect("the first domain's put", rig.try_put(at(own.pool_id, 1, 2), Content(3)), FROZEN)?;
    child.get_none("get of the oldest page", at(cache, 0, 0), NOTHING)?;
    child.get_none("get of one more", at(cache, 0, SOME_PAGES - 1), NOTHING)?;
    expect("get of the next", child.try_get(at(cache, 0, SOME_PAGES))?, SUCCESS)?;

    // A domain that needs all that is free, and what was said to be freeable.
    let left = i64::from(PAGES - SOME_PAGES - 1);
    let freed = control.flush(u32::MAX);
    expect("FLUSH of everything", freed, left * 4)?;
    expect("freeable when all is flushed", control.freeable_mib(), 0)?;
    expect("FLUSH of nothing", control.flush(u32::MAX), 0)?;
    child.get_none("get when all is flushed", at(cache, 0, PAGES - 1), EMPTY)?;
    let ballast = Ballast::leave_free(LEFT)?;
    expect("THAW of all", control.set_frozen(ClientId::All, false), 0)?;
    child.get_hit(at(swap, 1, 1), Content(2))?;
    rig.get_hit(own, Content(1))?;
    child.put(at(cache, 1, 1), Content(4))?;
    child.get_hit(at(cache, 1, 1), Content(4))?;
    drop(ballast);
    child.destroy()
}

//! **Checks** PVH domains of which Xen logs what is written, as it does while the domain is migrated:
//! puts and gets go on, the frame that a get writes to is in the log and a put's frame is not (P20, R2,
//! R8, R9).
//!
//! **Why:** under the log every frame has a type of its own until it is written to. The original knew
//! plain memory only: puts and gets failed, and a guest read garbage from its swap.
//!
//! **A broken host** answers -14; or copies a page past the log, and the migrated domain goes on with
//! an old page in its place.

use super::super::Case;
use super::frame_types::{refused, taken};
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{NOTHING, SUCCESS},
};
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::{CaseResult, expect};
use crate::{fail, give_up, skip};
use hypercall_abi::Op;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains, Boot::DomainsShadow],
    "log-dirty",
    "under log-dirty puts and gets work, a get's frame is logged and a put's is not",
    run,
);

/// A frame behind the child's memory.
const HOLE: u64 = 80;
/// Xen's answer where it is built without shadow paging.
const INVALID: i64 = -22;
/// Memory for a PV child's shadow tables and its log.
const SHADOW_MIB: u32 = 4;
/// Another page of the child's, to put from and get into.
const PAGE: usize = 9;

fn run(_rig: &mut Rig) -> CaseResult {
    [Caller::Pvh64, Caller::Pvh32].into_iter().try_for_each(look)
}

/// Looks at one domain.
///
/// # Errors
/// Failure; skip, if it is a PV domain and this Xen can't shadow its tables.
pub(super) fn look(caller: Caller) -> CaseResult {
    let child = Child::build(Plan::new(caller, 100))?;
    let (release, domid) = (child.release(), child.domid());
    for kind in Kind::BOTH {
        let pool = child.new_pool(kind)?;
        child.put(at(pool, 1, 1), Content(1))?;
        set(&child, true)?;
        under_the_log(&child, kind, pool)?;
        set(&child, false)?;
        child.get_hit(at(pool, 1, 2), Content(2))?;
        expect("destroy", child.destroy_pool(pool)?, SUCCESS)?;
    }
    if release.dirty_frames(domid, false).is_ok_and(|dirty| dirty != 0) {
        fail!("frames are logged though the log is off");
    }
    child.destroy()
}

fn under_the_log(child: &Child, kind: Kind, pool: u32) -> CaseResult {
    let [source, target] = child.own_numbers();
    // A page from before, and one put now, the log being clean before each call.
    dirty(child, true)?;
    child.put(at(pool, 1, 2), Content(2))?;
    let after_put = dirty(child, true)?;
    expect("get under the log", child.try_get(at(pool, 1, 1))?, SUCCESS)?;
    child.check_target(at(pool, 1, 1), Content(1))?;
    let after_get = dirty(child, true)?;
    if after_put >> source & 1 != 0 {
        fail!("{kind:?}: the frame of a put was logged as written to: {after_put:#x}");
    }
    if after_get >> target & 1 == 0 {
        fail!("{kind:?}: the frame that a get wrote to was not logged: {after_get:#x}");
    }
    if after_get >> source & 1 != 0 || after_put >> target & 1 != 0 {
        fail!("{kind:?}: frames are logged that no call named: {after_put:#x} {after_get:#x}");
    }

    // A get that misses writes to nothing.
    child.flush_page(at(pool, 1, 1))?;
    dirty(child, true)?;
    child.get_none("get of no page", at(pool, 1, 1), NOTHING)?;
    let after_miss = dirty(child, false)?;
    if after_miss >> target & 1 != 0 {
        fail!("{kind:?}: a get that missed was logged as a write: {after_miss:#x}");
    }

    // A frame that no write has made plain yet, for either.
    set(child, false)?;
    set(child, true)?;
    let frame = child.frame(PAGE);
    let get = Op::GetPage { handle: at(pool, 1, 2), cmfn: frame };
    expect("get into a clean frame", child.op(&get)?, SUCCESS)?;
    if dirty(child, false)? >> child.own_number(PAGE) & 1 == 0 {
        fail!("{kind:?}: a get into a clean frame was not logged");
    }
    child.put(at(pool, 1, 2), Content(2))?;
    taken(child, "memory under the log", frame)?;
    refused(child, "a hole, under the log", HOLE)
}

fn dirty(child: &Child, clean: bool) -> CaseResult<u64> {
    match child.release().dirty_frames(child.domid(), clean) {
        Ok(frames) => Ok(frames),
        Err(answer) => give_up!("Xen does not show the log: {answer}"),
    }
}

fn set(child: &Child, wanted: bool) -> CaseResult {
    if wanted && child.caller().is_pv() {
        // It goes with the log, and what the log then has by itself is too little.
        match child.release().set_shadow_memory(child.domid(), SHADOW_MIB) {
            0 => {}
            INVALID => skip!("this Xen can't shadow a PV domain's tables"),
            answer => give_up!("memory for the shadow tables: Xen answered {answer}"),
        }
    }
    match child.release().log_dirty(child.domid(), wanted) {
        0 => Ok(()),
        answer => give_up!("setting log-dirty to {wanted}: Xen answered {answer}"),
    }
}

//! **Checks** that another domain's page which a PVH first domain has put among its own frames is
//! refused with -14 in puts and gets, and that nothing is lost by it (R14, R15, P49).
//!
//! **Why:** a toolstack in such a domain maps all guests' memory that way. Xen gives a reference to the
//! *other* domain's page for such a frame number, to whoever does not look at the type.
//!
//! **A broken host** moves another domain's page into this one's pool, or lets a get overwrite it.

use super::Case;
use crate::give_up;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{BAD_ADDRESS, EMPTY},
};
use crate::verdict::{CaseResult, expect};
use crate::xen::domctl::{CREATE_HAP, CREATE_HVM, Creation, EMULATE_LAPIC};
use crate::xen::memory::populate_domain;
use crate::xen::memory::{place_foreign, remove_frame};
use crate::xen::release::Release;
use crate::skip;

pub(super) const CASE: Case = Case::of(
    &[Boot::Pvh64, Boot::Pvh32],
    "foreign-frame",
    "another domain's page among a PVH domain's frames is refused with -14",
    run,
);

/// Where nothing is: for the other domain's page.
const PLACE: u64 = 0xe_0010;
/// The other domain's only frame.
const FRAME: u64 = 16;
/// Size of the pool for its nested page tables, in bytes.
const PAGING_POOL: u64 = 2 << 20;

fn run(rig: &mut Rig) -> CaseResult {
    let Some(release) = Release::running() else {
        skip!("this guest does not know the toolstack's interface of this Xen");
    };
    let what = Creation {
        domid: 0,
        flags: CREATE_HVM | CREATE_HAP,
        emulation: EMULATE_LAPIC,
        max_vcpus: 1,
    };
    let domid = match release.create(&what) {
        Ok(domid) => domid,
        Err(answer) => give_up!("creating a domain: {answer}"),
    };
    let result = with_domain(rig, release, domid);
    match release.destroy(domid) {
        0 => result,
        answer => give_up!("destroying domain {domid}: {answer}"),
    }
}

fn with_domain(rig: &Rig, release: Release, domid: u16) -> CaseResult {
    let steps = [release.max_mem(domid, 1024), release.paging_pool(domid, PAGING_POOL)];
    if steps != [0, 0] || populate_domain(domid, &mut [FRAME]) != 1 {
        give_up!("domain {domid} got no memory: {steps:?}");
    }
    // SAFETY: nothing is at that frame.
    let placed = unsafe { place_foreign(domid, FRAME, PLACE) };
    if placed != 0 {
        give_up!("putting a page of domain {domid} here: {placed}");
    }
    let result = refused(rig);
    match remove_frame(PLACE) {
        0 => result,
        answer => give_up!("removing the other domain's page: {answer}"),
    }
}

fn refused(rig: &Rig) -> CaseResult {
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        let page = at(pool, 1, 1);
        expect("put from another's page", rig.put_frame(page, PLACE), BAD_ADDRESS)?;
        rig.get_none("get after that", page, EMPTY)?;
        rig.put(page, Content(1))?;
        expect("get into another's page", rig.get_frame(page, PLACE), BAD_ADDRESS)?;
        if kind == Kind::Persistent {
            rig.get_hit(page, Content(1))?;
        } else {
            rig.get_maybe(page, Content(1))?;
        }
        rig.destroy_pool(pool);
    }
    Ok(())
}

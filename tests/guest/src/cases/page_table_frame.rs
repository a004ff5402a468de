//! **Checks** that each of the page-table pages that the guest started with, of every level, is
//! refused as the target of a get, -14, and accepted as the source of a put (R15, P49).
//!
//! **Why:** a PV guest's page tables are live and typed by Xen: whoever writes into one unchecked
//! gives the guest the whole machine. Reading one harms nobody.
//!
//! **A broken host** copies a stored page over a live page table: here the machine would crash, in
//! an attacker's hands it would obey.

use super::Case;
use crate::give_up;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{BAD_ADDRESS, SUCCESS}};
use crate::verdict::{CaseResult, expect};

pub(super) const CASE: Case = Case::pv(
    "page-table-frame",
    "a page-table page is no target for a get (-14), but a source for a put",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    for (pfn, kind) in rig.page_tables.clone().flat_map(|pfn| Kind::BOTH.map(|kind| (pfn, kind))) {
        let Some(table) = usize::try_from(pfn).ok().and_then(|pfn| rig.balloon.mfn(pfn)) else {
            give_up!("page table {pfn:#x} has no frame");
        };
        let pool = rig.new_pool(kind)?;
        let page = at(pool, 1, 1);
        expect("put from a page-table page", rig.put_frame(page, table), SUCCESS)?;
        expect("get of it", rig.try_get(page)?, SUCCESS)?;

        rig.put(page, Content(1))?;
        expect("get into a page-table page", rig.get_frame(page, table), BAD_ADDRESS)?;
        if kind == Kind::Persistent {
            rig.get_hit(page, Content(1))?;
        } else {
            rig.get_maybe(page, Content(1))?;
        }
        expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
    }
    Ok(())
}

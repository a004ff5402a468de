//! **Checks** that each of the page-table pages that the guest started with, of every level, is
//! refused as the target of a get, -14, and accepted as the source of a put (R15, P49).
//!
//! **Why:** a PV guest's page tables are live and typed by Xen: whoever writes into one unchecked
//! gives the guest the whole machine. Reading one harms nobody.
//!
//! **A broken host** copies a stored page over a live page table: here the machine would crash, in
//! an attacker's hands it would obey.

use super::Case;
use super::script::only_source;
use crate::give_up;
use crate::rig::Rig;
use crate::verdict::CaseResult;

pub(super) const CASE: Case = Case::pv(
    "page-table-frame",
    "a page-table page is no target for a get (-14), but a source for a put",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    for pfn in rig.page_tables.clone() {
        let Some(table) = usize::try_from(pfn).ok().and_then(|pfn| rig.balloon.mfn(pfn)) else {
            give_up!("page table {pfn:#x} has no frame");
        };
        only_source(rig, "a page-table page", table)?;
    }
    Ok(())
}

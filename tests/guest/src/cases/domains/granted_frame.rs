//! **Checks** that a page which the first domain granted to another one, and which that one has mapped,
//! to write or to read only, is no frame of its own: -14 for a put from it and a get into it (R14, R15,
//! P49). The domain that owns the page may use it as before.
//!
//! **Why:** a PVH domain sees a granted page among its own frames; a PV domain knows the machine frame
//! of it. A grant lets it access the page, not move its owner's data into a pool of its own behind the
//! grant's back, nor be written to when it is for reading only.
//!
//! **A broken host** takes "the guest can access it" for "the guest's".

use super::super::Case;
use super::frame_types::{refused, taken};
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::toolstack::{Call, Caller, Child, DATA_PAGES, Plan};
use crate::verdict::CaseResult;
use crate::xen::grants::{HOST_MAP, MAP_GRANT_REF, READ_ONLY, UNMAP_GRANT_REF};
use crate::{fail, give_up};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "granted-frame",
    "a page that another domain granted is refused, whether mapped to write or to read",
    run,
);

/// The grant's number; the first 8 are Xen's.
const GRANT: u32 = 9;
/// Frame behind a PVH child's memory, where it maps the page.
const HOLE: u64 = 80;
/// Page of a PV child's, at whose address it maps the page.
const PAGE: usize = 8;
/// `grant_table_op`.
const GRANT_TABLE_OP: u32 = xen_sys::__HYPERVISOR_grant_table_op;

fn run(rig: &mut Rig) -> CaseResult {
    let Some(table) = rig.pages.grant_table() else {
        give_up!("Xen does not let this guest have its grant table");
    };
    let granted = rig.pages.target_mfn();
    let mut result = Ok(());
    for caller in Caller::USUAL {
        result = result.and_then(|()| {
            let child = Child::build(Plan::new(caller, 100))?;
            table.grant(GRANT, child.domid(), granted);
            map_and_try(&child, granted)?;
            if !table.end(GRANT) {
                give_up!("the grant is still in use");
            }
            child.destroy()
        });
    }
    if !rig.pages.restore_edge() {
        give_up!("Xen did not map the page behind the edge again");
    }
    result?;

    let pool = rig.new_pool(Kind::Persistent)?;
    rig.put(at(pool, 1, 1), Content(1))?;
    rig.get_hit(at(pool, 1, 1), Content(1))
}

fn map_and_try(child: &Child, granted: u64) -> CaseResult {
    let is_pv = child.caller().is_pv();
    let (address, frame) =
        if is_pv { (child.address(PAGE), granted) } else { (HOLE << 12, HOLE) };
    refused(child, "a page of the first domain's", frame)?;
    for flags in [HOST_MAP, HOST_MAP | READ_ONLY] {
        let handle = map(child, address, flags)?;
        let what = if flags & READ_ONLY == 0 { "a granted page" } else { "a page to read" };
        refused(child, what, frame)?;
        unmap(child, address, handle)?;
        refused(child, "a page that is granted no more", frame)?;
    }
    taken(child, "its own memory", child.frame(PAGE + 1))
}

/// The child maps the grant; the handle. `struct gnttab_map_grant_ref` is the same in both widths.
fn map(child: &Child, address: u64, flags: u32) -> CaseResult<u32> {
    let window = child.open(DATA_PAGES - 1)?;
    window.write(0, &address.to_le_bytes());
    window.write(8, &flags.to_le_bytes());
    window.write(12, &GRANT.to_le_bytes());
    window.write(16, &[0; 16]);
    call(child, MAP_GRANT_REF)?;
    let outcome = window.word(16);
    let status = outcome >> 16 & 0xffff;
    if status != 0 {
        give_up!("{:?}: mapping a grant: status {status:#x}", child.caller());
    }
    Ok((outcome >> 32) as u32)
}

/// `struct gnttab_unmap_grant_ref`.
fn unmap(child: &Child, address: u64, handle: u32) -> CaseResult {
    let window = child.open(DATA_PAGES - 1)?;
    window.write(0, &address.to_le_bytes());
    window.write(8, &[0; 8]);
    window.write(16, &u64::from(handle).to_le_bytes());
    call(child, UNMAP_GRANT_REF)?;
    let status = window.word(16) >> 32 & 0xffff;
    if status != 0 {
        fail!("{:?}: unmapping a grant: status {status:#x}", child.caller());
    }
    Ok(())
}

fn call(child: &Child, command: u64) -> CaseResult {
    let place = child.address(DATA_PAGES - 1);
    child.run(0, &[Call::raw(GRANT_TABLE_OP, [command, place, 1, 0, 0])])?;
    match child.answer(0, 0)? {
        0 => Ok(()),
        answer => give_up!("{:?}: grant operation {command}: {answer}", child.caller()),
    }
}

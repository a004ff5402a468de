//! **Checks** that a page which holds the guest's segment descriptors is refused as the target of a
//! get, -14, and accepted as the source of a put; and that it is a page like any other when it holds
//! them no more (R15, P49).
//!
//! **Why:** Xen looked at each descriptor when it took the page, and lets nobody write there until the
//! guest takes it back: who can write a descriptor can make a segment of Xen's own privilege.
//!
//! **A broken host** copies a stored page over descriptors that the CPU uses.

use super::Case;
use super::script::only_source;
use crate::give_up;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::SUCCESS,
};
use crate::verdict::{CaseResult, expect};
use crate::xen::pv::set_descriptor_table;

pub(super) const CASE: Case = Case::pv(
    "descriptor-frame",
    "a page of segment descriptors is no target for a get (-14), but a source for a put",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    rig.pages.clear_behind_edge();
    // Xen takes no page that is mapped for writing.
    if !rig.pages.unmap_edge() {
        give_up!("Xen did not unmap the page behind the edge");
    }
    let frame = rig.pages.behind_edge_mfn();
    let taken = set_descriptor_table(Some(frame));
    let result = if taken == 0 { only_source(rig, "a page of descriptors", frame) } else { Ok(()) };
    let returned = set_descriptor_table(None);
    if !rig.pages.restore_edge() || taken != 0 || returned != 0 {
        give_up!("Xen did not take the descriptors ({taken}), or give them back ({returned})");
    }
    result?;

    let page = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    rig.put(page, Content(1))?;
    expect("get into the page, plain again", rig.get_frame(page, frame), SUCCESS)
}

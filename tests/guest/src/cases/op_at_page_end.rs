//! **Checks** that a block which ends where mapped memory ends is read, and that one which runs a
//! single byte further answers -14 (P73).
//!
//! **Why:** a 64-bit caller's block is 56 bytes, a 32-bit caller's 52, no more: a host that copies more
//! fails a guest whose stack ends there. One that copies less believes bytes that were never read.
//!
//! **A broken host** answers -14 to the first, or carries out any of the second.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{BAD_ADDRESS, SUCCESS}};
use crate::verdict::{CaseResult, expect};
use crate::xen::tmem::{Block, send_address};
use crate::{fail, give_up};
use crate::xen::caller::caller;
use hypercall_abi::Op;

pub(super) const CASE: Case =
    Case::new("op-at-page-end", "exactly 56 bytes are read, 52 of a 32-bit caller: one more would not be there", run);

fn run(rig: &mut Rig) -> CaseResult {
    let pool = rig.new_pool(Kind::Persistent)?;
    if !rig.pages.unmap_edge() {
        give_up!("Xen did not unmap the page behind the edge");
    }
    let result = at_the_edge(rig, pool);
    if !rig.pages.restore_edge() {
        give_up!("Xen did not map the page behind the edge again");
    }
    result
}

fn at_the_edge(rig: &Rig, pool: u32) -> CaseResult {
    let handle = at(pool, 2, 2);
    let put = Op::PutPage { handle, cmfn: rig.pages.source_mfn() }.encode();
    let get = Op::GetPage { handle, cmfn: rig.pages.target_mfn() }.encode();
    let (put, get) = (block(&put), block(&get));

    rig.pages.fill_source(Content(8));
    expect("put, block at the edge", send_address(rig.pages.write_at_edge(put, 0)), SUCCESS)?;
    rig.pages.poison_target();
    expect("get, block at the edge", send_address(rig.pages.write_at_edge(get, 0)), SUCCESS)?;
    rig.check_target(handle, Content(8))?;

    rig.pages.fill_source(Content(9));
    for behind in 1..=caller().block_bytes() {
        let answer = send_address(rig.pages.write_at_edge(put, behind));
        if answer != BAD_ADDRESS {
            fail!("put, {behind} bytes of its block unmapped: answered {answer}");
        }
    }
    // None of those replaced the page.
    rig.get_hit(handle, Content(8))
}

/// What Xen reads of a block.
fn block(bytes: &Block) -> &[u8] {
    bytes.get(..caller().block_bytes()).unwrap_or_default()
}

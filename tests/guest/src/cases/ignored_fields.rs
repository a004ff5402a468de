//! **Checks** that the fields which no command uses any more (tmem_offset, pfn_offset, len), and the
//! index and frame where a command has none, are ignored when they are all ones (P40).
//!
//! **Why:** sums of offset and length wrapped in the original (CVE-2012-6032). Copies are of a
//! whole page, always.
//!
//! **A broken host** copies less or elsewhere, or refuses what old guests send.

use super::Case;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{EMPTY, SUCCESS}};
use crate::verdict::{CaseResult, expect};
use crate::xen::tmem::{Block, send_block};
use core::ops::Range;
use hypercall_abi::Op;

pub(super) const CASE: Case =
    Case::new("ignored-fields", "offset and length fields of all ones are ignored", run);

/// `index`, which FLUSH_OBJECT has no use for.
const INDEX: Range<usize> = 32..36;
/// `tmem_offset`, `pfn_offset`, `len`.
const OFFSETS_AND_LENGTH: Range<usize> = 36..48;
/// `cmfn`, which flushes have no use for.
const FRAME: Range<usize> = 48..56;

fn run(rig: &mut Rig) -> CaseResult {
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        let handle = at(pool, 6, 6);
        let put = Op::PutPage { handle, cmfn: rig.pages.source_mfn() };
        let get = Op::GetPage { handle, cmfn: rig.pages.target_mfn() };
        let flush_page = Op::FlushPage { handle };
        let flush_object = Op::FlushObject { pool_id: pool, object: handle.object };

        for flush in [with_ones(&flush_page, &[FRAME]), with_ones(&flush_object, &[INDEX, FRAME])] {
            rig.pages.fill_source(Content(6));
            expect("put", send_block(&with_ones(&put, &[])), SUCCESS)?;
            rig.pages.poison_target();
            expect("get", send_block(&with_ones(&get, &[])), SUCCESS)?;
            rig.check_target(handle, Content(6))?;
            expect("put", rig.try_put(handle, Content(7)), SUCCESS)?;
            expect("flush", send_block(&flush), SUCCESS)?;
            rig.get_none("get after flush", handle, EMPTY)?;
        }
        let destroy = with_ones(&Op::DestroyPool { pool_id: pool }, &[8..36, FRAME]);
        expect("destroy", send_block(&destroy), SUCCESS)?;
    }
    Ok(())
}

/// The operation's block with all ones in the fields that nobody uses, and in `more`.
fn with_ones(op: &Op, more: &[Range<usize>]) -> Block {
    let mut block = op.encode();
    for range in more.iter().cloned().chain([OFFSETS_AND_LENGTH]) {
        block.get_mut(range).unwrap_or_default().fill(0xff);
    }
    block
}

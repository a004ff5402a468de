//! **Checks** calls from plain 32-bit protected mode, paging off, out of long mode altogether: every
//! live command, refusals, and a block that ends exactly where the guest's memory ends, its 52 bytes
//! being all that is read (R2, R9, R16, R20, R22, R25, P73). What one mode puts another gets.
//!
//! **Why:** a loader, or a kernel without paging, is a legal caller. The layout goes by the mode in
//! which the CPU is at the call, whatever it was before.
//!
//! **A broken host** takes the width of the domain or of an earlier call, walks page tables that are
//! not in use, or reads 56 bytes.

use super::Case;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{BAD_ADDRESS, EMPTY, NO_DEVICE, NOTHING, SUCCESS},
};
use crate::verdict::{CaseResult, expect};
use crate::xen::caller::{Caller, caller, set_caller};
use crate::xen::tmem::send_address;
use crate::{fail, give_up};
use hypercall_abi::Op;

pub(super) const CASE: Case = Case::of(
    &[Boot::Pvh64],
    "protected-mode",
    "calls from 32-bit protected mode without paging are read and carried out",
    run,
);

const MODES: [Caller; 3] = [Caller::Unpaged, Caller::Bits64, Caller::Bits32];

fn run(rig: &mut Rig) -> CaseResult {
    let before = caller();
    let result = in_all_modes(rig);
    set_caller(before);
    result
}

fn in_all_modes(rig: &Rig) -> CaseResult {
    for kind in Kind::BOTH {
        set_caller(Caller::Unpaged);
        let pool = rig.new_pool(kind)?;
        let page = at(pool, 5, 5);
        rig.get_none("get on an empty pool", page, EMPTY)?;
        expect("put without a pool", rig.try_put(at(pool + 1, 0, 0), Content(1)), NO_DEVICE)?;
        for (number, putter) in (0..).zip(MODES) {
            for getter in MODES {
                set_caller(putter);
                rig.put(page, Content(number))?;
                set_caller(getter);
                rig.get_hit(page, Content(number))?;
            }
        }
        set_caller(Caller::Unpaged);
        rig.put(page, Content(7))?;
        rig.put(at(pool, 5, 6), Content(8))?;
        expect("put of no frame", rig.put_frame(page, u64::from(u32::MAX)), BAD_ADDRESS)?;
        rig.get_none("get of what that put removed", page, NOTHING)?;
        expect("flush of an object", rig.flush_object(page), SUCCESS)?;
        rig.get_none("get after the flush", at(pool, 5, 6), EMPTY)?;

        at_the_end_of_memory(rig, pool)?;
        set_caller(Caller::Unpaged);
        expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
        expect("destroy again", rig.destroy_pool(pool), NOTHING)?;
    }
    Ok(())
}

/// A block in the guest's last frame, behind which it gave everything back.
fn at_the_end_of_memory(rig: &Rig, pool: u32) -> CaseResult {
    let handle = at(pool, 2, 2);
    let bytes = Caller::Unpaged.block_bytes();
    let put = Op::PutPage { handle, cmfn: rig.pages.source_mfn() }.encode();
    let put = put.get(..bytes).unwrap_or_default();
    for behind in 0..=bytes {
        let Some(address) = rig.write_at_end_of_memory(put, behind) else {
            give_up!("the guest has not given any frame back");
        };
        rig.pages.fill_source(Content(behind as u64));
        let answer = send_address(address);
        let want = if behind == 0 { SUCCESS } else { BAD_ADDRESS };
        if answer != want {
            fail!("put, {behind} bytes of its block behind all memory: answered {answer}");
        }
    }
    rig.get_hit(handle, Content(0))?;
    rig.flush_page(handle);
    Ok(())
}

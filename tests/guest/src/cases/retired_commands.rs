//! **Checks** the retired commands (NEW_PAGE, READ, WRITE, XCHG) and numbers that never were: -38
//! on a live pool, -19 on none (P28).
//!
//! **Why:** partial writes left the rest of a recycled frame uninitialised and readable: they must
//! never come back by accident. The pool is looked up first, as in Xen 4.4 to 4.12.
//!
//! **A broken host** carries one of them out, or answers 0 as the earliest releases did.

use super::Case;
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::{NO_DEVICE, NOT_IMPLEMENTED}};
use crate::verdict::CaseResult;
use crate::xen::tmem::send_block;
use hypercall_abi::{Op, command};

pub(super) const CASE: Case = Case::new(
    "retired-commands",
    "retired and unknown commands answer -38 on a live pool, -19 without",
    run,
);

const COMMANDS: [u32; 13] = [
    command::NEW_PAGE,
    command::READ,
    command::WRITE,
    command::XCHG,
    11,
    77,
    99,
    100,
    103,
    255,
    0x104,
    0x8000_0004,
    u32::MAX,
];

fn run(rig: &mut Rig) -> CaseResult {
    for pool in [0, 15, 16, u32::MAX] {
        answers(rig, pool, NO_DEVICE)?;
    }
    for kind in Kind::BOTH {
        let pool = rig.new_pool(kind)?;
        answers(rig, pool, NOT_IMPLEMENTED)?;
        rig.put(at(pool, 1, 1), Content(1))?;
        answers(rig, pool, NOT_IMPLEMENTED)?;
        rig.get_hit(at(pool, 1, 1), Content(1))?;
    }
    Ok(())
}

/// Each command with the arguments of a get of the page that may be stored.
fn answers(rig: &Rig, pool: u32, want: i64) -> CaseResult {
    rig.pages.poison_target();
    for number in COMMANDS {
        let get = Op::GetPage { handle: at(pool, 1, 1), cmfn: rig.pages.target_mfn() };
        let mut block = get.encode();
        for (place, byte) in block.iter_mut().zip(number.to_le_bytes()) {
            *place = byte;
        }
        let answer = send_block(&block);
        if answer != want || rig.pages.target_touched().is_some() {
            fail!("command {number:#x} on pool {pool:#x}: answered {answer}, not {want}");
        }
    }
    Ok(())
}

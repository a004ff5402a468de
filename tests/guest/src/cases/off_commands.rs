//! **Checks** that a Xen with tmem built in but not asked for on its command line answers -19 to
//! every command, good, retired, control or unknown, and even to a bad pointer.
//!
//! **Why:** guests use the answer to decide that there is no tmem here.
//!
//! **A broken host** looks at the arguments first, or has state to look at.

use super::{Boot, Case, Needs};
use crate::fail;
use crate::rig::{Rig, at, statuses::NO_DEVICE};
use crate::verdict::{CaseResult, expect};
use crate::xen::tmem::{send_address, send_block};
use hypercall_abi::Op;

pub(super) const CASE: Case = Case {
    name: "off-commands",
    boots: &[Boot::Off],
    about: "every command answers -19 while tmem is not switched on",
    needs: Needs::Off,
    run,
};

fn run(rig: &mut Rig) -> CaseResult {
    rig.pages.poison_target();
    for command in (0..=12).chain(99..=103).chain([255, u32::MAX]) {
        for pool in [0, 16, u32::MAX] {
            let get = Op::GetPage { handle: at(pool, 1, 1), cmfn: rig.pages.target_mfn() };
            let mut block = get.encode();
            let number = command.to_le_bytes();
            block.iter_mut().zip(number).for_each(|(place, byte)| *place = byte);
            let answer = send_block(&block);
            if answer != NO_DEVICE {
                fail!("command {command} on pool {pool:#x}: answered {answer}, not -19");
            }
        }
    }
    if rig.pages.target_touched().is_some() {
        fail!("a refused operation wrote into the guest's page");
    }
    expect("operation at an unmapped address", send_address(0), NO_DEVICE)
}

//! **Checks** that a Xen with tmem built in but not asked for on its command line answers -19 to every
//! control operation, whatever its number (P22).
//!
//! **Why:** the original worked on tables that were not there.
//!
//! **A broken host** asks after the operation before it asks whether there is anything to operate on.

use super::{Boot, Case, Needs};
use crate::fail;
use crate::rig::{Rig, statuses::NO_DEVICE};
use crate::toolstack::Control;
use crate::verdict::CaseResult;
use hypercall_abi::control::CONTROL_BYTES;

pub(super) const CASE: Case = Case {
    name: "off-control",
    boots: &[Boot::Off],
    about: "every control operation answers -19 while tmem is not switched on",
    needs: Needs::Off,
    run,
};

fn run(_: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    for command in (0_u32..=48).chain([u32::MAX]) {
        for client in [0_u32, 1, 0xffff] {
            let mut block = [0; CONTROL_BYTES];
            let words = [command, 0, client].map(u32::to_le_bytes);
            block.iter_mut().zip(words.as_flattened()).for_each(|(place, byte)| *place = *byte);
            let answer = control.send_block(&mut block);
            if answer != NO_DEVICE {
                fail!("operation {command} on {client:#x}: answered {answer}, not -19");
            }
        }
    }
    Ok(())
}

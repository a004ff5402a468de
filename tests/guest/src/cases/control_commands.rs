//! **Checks** that the commands which once let any guest control tmem (CONTROL, AUTH, RESTORE_NEW)
//! answer -95, with a pool and without, and change nothing (P41, P67, P68).
//!
//! **Why:** AUTH switched off all authorisation for everybody; RESTORE_NEW made pools for any other
//! domain. Control now belongs to the toolstack's interface.
//!
//! **A broken host** carries one out.

use super::Case;
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::NOT_SUPPORTED};
use crate::verdict::{CaseResult, expect};
use crate::xen::tmem::{Block, send_block};
use hypercall_abi::command;

pub(super) const CASE: Case =
    Case::new("control-commands", "CONTROL, AUTH and RESTORE_NEW answer -95 to a guest", run);

fn run(rig: &mut Rig) -> CaseResult {
    control_refused(rig)?;
    let page = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    rig.put(page, Content(1))?;
    control_refused(rig)?;
    rig.get_hit(page, Content(1))?;
    // None of them made a pool.
    expect("NEW_POOL", i64::from(rig.new_pool(Kind::Ephemeral)?), 1)
}

/// Each command with each pool id, the rest of the block random: sub-operations, domain ids, flags.
fn control_refused(rig: &Rig) -> CaseResult {
    let mut rng = rig.rng(0x41);
    for number in [command::CONTROL, command::AUTH, command::RESTORE_NEW] {
        for pool in [0, 1, 15, 16, 0xffff, u32::MAX] {
            for round in 0..20 {
                let mut block: Block = [0; _];
                if round > 0 {
                    block.chunks_mut(8).for_each(|chunk| {
                        chunk.copy_from_slice(&rng.next().to_le_bytes());
                    });
                }
                let start = number.to_le_bytes().into_iter().chain(pool.to_le_bytes());
                block.iter_mut().zip(start).for_each(|(place, byte)| *place = byte);
                let answer = send_block(&block);
                if answer != NOT_SUPPORTED {
                    fail!("command {number} on pool {pool:#x}: answered {answer}, not -95");
                }
            }
        }
    }
    Ok(())
}

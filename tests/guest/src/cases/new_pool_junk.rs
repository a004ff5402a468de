//! **Checks** that NEW_POOL ignores the block's pool id, `arg1`, and every byte behind them, and for
//! a private pool the uuid (P81).
//!
//! **Why:** Linux's driver leaves `pool_id` and `arg1` uninitialised.
//!
//! **A broken host** refuses the call, or hands out an id that the junk chose.

use super::Case;
use crate::rig::Rig;
use crate::verdict::{CaseResult, expect};
use crate::xen::tmem::send_block;
use hypercall_abi::{NewPool, OP_BYTES_64, Op, PoolFlags, Uuid};

pub(super) const CASE: Case =
    Case::new("new-pool-junk", "NEW_POOL ignores pool_id, arg1 and what follows", run);

/// Offset of `u.creat.arg1`; the arm ends with it.
const ARG1: usize = 28;

fn run(rig: &mut Rig) -> CaseResult {
    let mut rng = rig.rng(0x81);
    for id in 0..12 {
        let uuid = Uuid([rng.next(), rng.next()]);
        let flags = PoolFlags::from_bits_truncate(rng.below(2)).to_word();
        let mut block = Op::NewPool(NewPool { flags, uuid }).encode();
        for byte in (4..8).chain(ARG1..OP_BYTES_64) {
            if let (Some(place), [junk, ..]) = (block.get_mut(byte), rng.next().to_le_bytes()) {
                *place = junk;
            }
        }
        expect("NEW_POOL with junk around it", send_block(&block), id)?;
    }
    Ok(())
}

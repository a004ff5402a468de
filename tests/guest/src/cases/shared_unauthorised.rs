//! **Checks** that a request for a shared pool without authorisation, or with a uuid of all ones,
//! gives a private ephemeral pool and says nothing (R32, P69).
//!
//! **Why:** a guest that guesses another's uuid must not see its pages; since Xen 4.9 nobody is
//! authorised until the toolstack says so.
//!
//! **A broken host** lets two such pools see each other's pages, keeps a page after a hit (as a
//! shared pool would), or refuses.

use super::Case;
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Rig, at, statuses};
use crate::verdict::CaseResult;
use hypercall_abi::{PoolFlags, Uuid};

pub(super) const CASE: Case = Case::new(
    "shared-unauthorised",
    "an unauthorised or all-ones uuid gives a private ephemeral pool",
    run,
);

fn run(rig: &mut Rig) -> CaseResult {
    let uuids = [Uuid([1, 2]), Uuid([1, 2]), Uuid([0, 0]), Uuid::ALL_ONES, Uuid::ALL_ONES];
    for (id, uuid) in (0..).zip(uuids) {
        let answer = rig.try_new_pool(PoolFlags::SHARED.to_word(), uuid);
        if answer != id {
            fail!("shared pool {id} ({uuid:x?}): answered {answer}, not {id}");
        }
    }
    for pool in 0..5 {
        rig.get_none("get on a pool nobody put into", at(pool, 7, 7), statuses::EMPTY)?;
        rig.put(at(pool, 7, 7), Content::of(3, u64::from(pool)))?;
    }
    for pool in 0..5 {
        rig.get_hit(at(pool, 7, 7), Content::of(3, u64::from(pool)))?;
        rig.get_none("second get, from a private pool", at(pool, 7, 7), statuses::EMPTY)?;
    }
    Ok(())
}

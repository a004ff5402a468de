//! Random calls, of every kind that a domain makes, for vCPUs that go through them over and over.

use crate::plain::rng::Rng;
use crate::rig::{Kind, at};
use crate::toolstack::{CALLS, Call, Child};
use crate::verdict::CaseResult;
use hypercall_abi::{Handle, NewPool, Op, PoolFlags, Uuid};

/// Pools, by id, that the calls name.
const POOLS: u32 = 6;
/// Objects that they name, from 1 on.
const OBJECTS: u32 = 4;
/// The first index of a call that goes on by one each time is one of so many, 50 apart.
const STARTS: u32 = 8;

/// What a busy domain may join, besides making private pools.
pub(super) type Uuids = [Uuid; 2];

/// A list of calls for one vCPU, which makes, fills, reads, empties and destroys pools. Pages of the
/// caller's alone are in objects 1 to 4.
///
/// # Errors
/// If the child can't name its frames.
pub(super) fn calls(child: &Child, rng: &mut Rng, uuids: &Uuids) -> CaseResult<[Call; CALLS]> {
    let mut list = [Call::raw(0, [0; 5]); CALLS];
    for place in &mut list {
        let call = child.tmem_call(&random_op(child, rng, uuids))?;
        *place = if rng.one_in(4) { call } else { call.stepping() };
    }
    Ok(list)
}

fn random_op(child: &Child, rng: &mut Rng, uuids: &Uuids) -> Op {
    let handle = random_handle(rng);
    match rng.below(100) {
        0..40 => Op::PutPage { handle, cmfn: child.source_frame() },
        40..60 => Op::GetPage { handle, cmfn: child.target_frame() },
        60..68 => Op::FlushPage { handle },
        68..74 => Op::FlushObject { pool_id: handle.pool_id, object: handle.object },
        74..82 => Op::DestroyPool { pool_id: handle.pool_id },
        _ => Op::NewPool(random_pool(rng, uuids)),
    }
}

fn random_handle(rng: &mut Rng) -> Handle {
    at(rng.below(POOLS), u64::from(1 + rng.below(OBJECTS)), rng.below(STARTS) * 50)
}

fn random_pool(rng: &mut Rng, uuids: &Uuids) -> NewPool {
    match rng.below(4) {
        0 => NewPool { flags: Kind::Persistent.flags(), uuid: Uuid::default() },
        1 => NewPool { flags: Kind::Ephemeral.flags(), uuid: Uuid::default() },
        _ => NewPool { flags: PoolFlags::SHARED.to_word(), uuid: rng.pick(uuids) },
    }
}

//! **Checks** that nothing which a domain can put into an operation reaches another domain's pages
//! (R26): each pool id with the other's object ids, its uuid, its frames; a domain without pools, and
//! one whose pools have the same ids. Each of the domains tries it with each of the others.
//!
//! **Why:** pool ids are small numbers that all domains share, and object ids are easily guessed.
//!
//! **A broken host** finds a pool by its number alone, joins pools by a uuid that nobody authorised,
//! or copies from and to frames that are not the caller's (P49).

use super::super::Case;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{BAD_ADDRESS, EMPTY, NO_DEVICE, NOTHING, SUCCESS},
};
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::{Op, POOLS_PER_DOMAIN_MAX, PoolFlags, Uuid};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "isolation",
    "no pool id, uuid or frame number of one domain reaches another's pages",
    run,
);

/// The uuid of each owner's first pool.
const UUID: Uuid = Uuid([0x1234, 0x5678]);
/// Pages in each of an owner's pools.
const PAGES: u32 = 5;

fn run(rig: &mut Rig) -> CaseResult {
    let build = |caller| Child::build(Plan::new(caller, 200));
    let children = [build(Caller::Pv64)?, build(Caller::Pvh32)?, build(Caller::Pv64)?];
    let [owner, stranger, other] = &children;
    let own = rig.new_pool(Kind::Persistent)?;
    rig.put(at(own, 1, 1), Content(1))?;
    furnish(owner)?;

    // Without a pool of its own.
    for pool in (0..=POOLS_PER_DOMAIN_MAX).chain([u32::MAX]) {
        for op in probes(stranger, pool) {
            expect("a call without a pool", stranger.op(&op)?, NO_DEVICE)?;
        }
        expect("a destroy without a pool", stranger.destroy_pool(pool)?, NOTHING)?;
    }
    check(owner)?;

    // With pools of the same ids.
    let answer = stranger.try_new_pool(PoolFlags::SHARED.to_word(), UUID)?;
    expect("NEW_POOL with the other's uuid", answer, 0)?;
    expect("NEW_POOL", i64::from(stranger.new_pool(Kind::Persistent)?), 1)?;
    for pool in 0..2 {
        stranger.get_none("get of the other's page", at(pool, 1, 1), EMPTY)?;
        expect("flush", stranger.flush_page(at(pool, 1, 1))?, SUCCESS)?;
        expect("flush", stranger.flush_object(at(pool, 1, 1))?, SUCCESS)?;
        stranger.put(at(pool, 1, 1), Content(2))?;
    }
    check(owner)?;
    for pool in 0..2 {
        expect("destroy", stranger.destroy_pool(pool)?, SUCCESS)?;
    }
    check(owner)?;

    // By frame numbers: PV domains name machine frames.
    furnish(other)?;
    let handle = at(1, 7, 7);
    let foreign = [owner.source_frame(), owner.target_frame(), rig.pages.source_mfn()];
    for cmfn in foreign {
        expect("put of another's frame", other.op(&Op::PutPage { handle, cmfn })?, BAD_ADDRESS)?;
        other.get_none("get of what was refused", handle, NOTHING)?;
        let get = Op::GetPage { handle: at(1, 1, 1), cmfn };
        expect("get into another's frame", other.op(&get)?, BAD_ADDRESS)?;
    }
    let get = rig.get_frame(at(own, 1, 1), owner.target_frame());
    expect("the first domain's get into a child's frame", get, BAD_ADDRESS)?;
    check(owner)?;
    check(other)?;
    rig.get_hit(at(own, 1, 1), Content(1))?;
    children.into_iter().try_for_each(Child::destroy)
}

/// What a stranger tries on a pool id.
fn probes(stranger: &Child, pool: u32) -> [Op; 4] {
    let handle = at(pool, 1, 1);
    [
        Op::GetPage { handle, cmfn: stranger.target_frame() },
        Op::PutPage { handle, cmfn: stranger.source_frame() },
        Op::FlushPage { handle },
        Op::FlushObject { pool_id: pool, object: handle.object },
    ]
}

/// Pool 0, which wanted to be shared, and pool 1, persistent, with some pages each.
fn furnish(owner: &Child) -> CaseResult {
    expect("NEW_POOL", owner.try_new_pool(PoolFlags::SHARED.to_word(), UUID)?, 0)?;
    expect("NEW_POOL", i64::from(owner.new_pool(Kind::Persistent)?), 1)?;
    for index in 0..PAGES {
        owner.put(at(0, 1, index), content(owner, 0, index))?;
        owner.put(at(1, 1, index), content(owner, 1, index))?;
    }
    Ok(())
}

/// Every page is there; the ephemeral ones, which a get takes away, are put again.
fn check(owner: &Child) -> CaseResult {
    for index in 0..PAGES {
        owner.get_hit(at(0, 1, index), content(owner, 0, index))?;
        owner.put(at(0, 1, index), content(owner, 0, index))?;
        owner.get_hit(at(1, 1, index), content(owner, 1, index))?;
    }
    Ok(())
}

fn content(owner: &Child, pool: u32, index: u32) -> Content {
    Content::of(u64::from(owner.domid()), u64::from(pool << 16 | index))
}

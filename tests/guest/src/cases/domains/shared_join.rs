//! **Checks** that domains which an operator authorised see the same pages, each by an id of its own
//! (R31), that a get leaves them for the others (R10), that a domain without authorisation gets a
//! private pool (R32, P69), and that a revoked authorisation keeps a domain from joining, not from
//! using what it joined (R39).
//!
//! **Why:** this is how a cluster's nodes on one host share a file system's pages. The uuid is no
//! secret.
//!
//! **A broken host** takes the owner's pool id for everybody's, gives a page to the first that asks, or
//! lets anybody in who knows the uuid.

use super::super::Case;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{EMPTY, SUCCESS},
};
use crate::toolstack::{Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::{PoolFlags, Uuid};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "shared-join",
    "authorised domains share a pool's pages, others get a private pool",
    run,
);

const UUID: Uuid = Uuid([0xfeed, 0xf00d]);
const SHARED: u32 = PoolFlags::SHARED.to_word();
/// The first domain's id.
const HERE: u16 = 0;
/// SET_AUTH's answer: one record was carried out.
const ONE_RECORD: i64 = 1;

fn run(rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    let build = |caller| Child::build(Plan::new(caller, 10));
    let children = [build(Caller::Pvh32)?, build(Caller::Pv64)?, build(Caller::Pvh64)?];
    let [owner, sharer, stranger] = &children;
    for domid in [owner.domid(), sharer.domid(), HERE] {
        expect("SET_AUTH", control.authorise(domid, UUID, true), ONE_RECORD)?;
    }

    // Pools of other kinds first, so that each domain has another id for the shared one.
    expect("the owner's shared pool", owner.try_new_pool(SHARED, UUID)?, 0)?;
    sharer.new_pool(Kind::Persistent)?;
    expect("the sharer's shared pool", sharer.try_new_pool(SHARED, UUID)?, 1)?;
    rig.new_pool(Kind::Ephemeral)?;
    rig.new_pool(Kind::Persistent)?;
    expect("the first domain's shared pool", rig.try_new_pool(SHARED, UUID), 2)?;
    expect("the stranger's pool", stranger.try_new_pool(SHARED, UUID)?, 0)?;

    owner.put(at(0, 1, 1), Content(1))?;
    sharer.put(at(1, 1, 2), Content(2))?;
    rig.put(at(2, 1, 3), Content(3))?;
    for _ in 0..2 {
        for index in 1..=3 {
            owner.get_hit(at(0, 1, index), Content(index.into()))?;
            sharer.get_hit(at(1, 1, index), Content(index.into()))?;
            rig.get_hit(at(2, 1, index), Content(index.into()))?;
            stranger.get_none("the stranger's get", at(0, 1, index), EMPTY)?;
        }
    }
    // What one replaces or flushes, the others see.
    sharer.put(at(1, 1, 1), Content(4))?;
    owner.get_hit(at(0, 1, 1), Content(4))?;
    expect("flush by a sharer", rig.flush_page(at(2, 1, 2)), SUCCESS)?;
    expect("get of a flushed page", owner.try_get(at(0, 1, 2))?, 0)?;
    // The ids of the others are not the shared pool's.
    sharer.get_none("get from its own pool", at(0, 1, 1), EMPTY)?;

    // Revoked: what was joined goes on; who left does not come back.
    expect("revoking", control.authorise(sharer.domid(), UUID, false), ONE_RECORD)?;
    sharer.get_hit(at(1, 1, 3), Content(3))?;
    sharer.put(at(1, 1, 5), Content(5))?;
    owner.get_hit(at(0, 1, 5), Content(5))?;
    expect("leaving", sharer.destroy_pool(1)?, SUCCESS)?;
    expect("asking again", sharer.try_new_pool(SHARED, UUID)?, 1)?;
    sharer.get_none("get from the private pool", at(1, 1, 1), EMPTY)?;
    expect("destroy", sharer.destroy_pool(1)?, SUCCESS)?;
    expect("SET_AUTH", control.authorise(sharer.domid(), UUID, true), ONE_RECORD)?;
    expect("joining again", sharer.try_new_pool(SHARED, UUID)?, 1)?;
    sharer.get_hit(at(1, 1, 1), Content(4))?;

    expect("revoking", control.authorise(HERE, UUID, false), ONE_RECORD)?;
    children.into_iter().try_for_each(Child::destroy)
}

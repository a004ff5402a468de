//! **Checks** that the right to join shared pools travels with a domain (R68): GET_AUTH tells what a domain
//! may join, without what was taken back (R39); given to a new domain by SET_AUTH before SET_POOLS, that
//! joins its pools and shares their pages by the old ids (R31), joins later what else it may, and not
//! what it may not. Without SET_AUTH it gets private pools in their place (R32), and no page of another.
//!
//! **Why:** a uuid is no secret, so the right is all that keeps others out; lost on the way, it takes the
//! domain out of its cluster's cache without a word.
//!
//! **A broken host** lets in whom nobody authorised, or keeps out whom somebody did.

use super::super::Case;
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::EMPTY};
use crate::toolstack::{Caller, Child, Control, Plan, Records};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::control::PoolInfo;
use hypercall_abi::{PoolFlags, Uuid};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "restore-rights",
    "a restored domain joins the shared pools that it may join, and no other",
    run,
);

const SHARED: u32 = PoolFlags::SHARED.to_word();
/// Joined and allowed; joined and not allowed any more; allowed and not joined yet.
const JOINED: Uuid = Uuid([0x0101, 0xf101]);
const REVOKED: Uuid = Uuid([0x0101, 0xf102]);
const ALLOWED: Uuid = Uuid([0x0102, 0xf101]);
const ALL: [Uuid; 3] = [JOINED, REVOKED, ALLOWED];
/// The domain's ids for the first two, behind a private pool.
const IDS: [u32; 2] = [1, 2];
/// The next id.
const NEXT: u32 = 3;

fn run(_rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    for caller in Caller::USUAL {
        carry(control, caller)?;
    }
    Ok(())
}

/// The one that stays: in all three pools, by ids 0, 1, 2, with a page in each.
fn peer(control: Control) -> CaseResult<Child> {
    let peer = Child::build(Plan::new(Caller::Pv64, 10))?;
    for (uuid, id) in ALL.into_iter().zip(0..) {
        expect("SET_AUTH", control.authorise(peer.domid(), uuid, true), 1)?;
        expect("joining", peer.try_new_pool(SHARED, uuid)?, i64::from(id))?;
        peer.put(at(id, 1, 1), Content(id.into()))?;
    }
    Ok(peer)
}

fn furnished(control: Control, caller: Caller) -> CaseResult<Child> {
    let child = Child::build(Plan::new(caller, 10))?;
    for uuid in ALL {
        expect("SET_AUTH", control.authorise(child.domid(), uuid, true), 1)?;
    }
    expect("a private pool", child.new_pool(Kind::Persistent)?.into(), 0)?;
    for (uuid, id) in ALL.into_iter().zip(IDS) {
        expect("joining", child.try_new_pool(SHARED, uuid)?, i64::from(id))?;
    }
    expect("revoking", control.authorise(child.domid(), REVOKED, false), 1)?;
    Ok(child)
}

fn carry(control: Control, caller: Caller) -> CaseResult {
    let peer = peer(control)?;
    let source = furnished(control, caller)?;
    expect("SAVE_BEGIN", control.begin_save(source.domid(), false), 0)?;
    let pools = pools(control, &source)?;
    let rights = rights(control, &source)?;
    let told = |uuid| PoolInfo { flags: PoolInfo::AUTHORISE, uuid, ..PoolInfo::default() };
    if rights != Records::of(&[told(JOINED), told(ALLOWED)]) {
        fail!(
            "GET_AUTH tells {} records: {:?}",
            rights.as_slice().len(),
            rights.as_slice().first()
        );
    }
    expect("SAVE_END", control.end_save(source.domid()), 0)?;
    source.destroy()?;

    without_rights(control, caller, &peer, &pools)?;
    with_rights(control, caller, &peer, &pools, &rights)?;
    peer.destroy()
}

fn pools(control: Control, child: &Child) -> CaseResult<Records> {
    match control.pools(child.domid()) {
        Ok(pools) => Ok(pools),
        Err(answer) => fail!("GET_POOLS: {answer}"),
    }
}

fn rights(control: Control, child: &Child) -> CaseResult<Records> {
    match control.authorisations(child.domid()) {
        Ok(rights) => Ok(rights),
        Err(answer) => fail!("GET_AUTH: {answer}"),
    }
}

fn successor(control: Control, caller: Caller) -> CaseResult<Child> {
    let child = Child::build(Plan::new(caller, 10))?;
    expect("RESTORE_BEGIN", control.begin_restore(child.domid()), 0)?;
    if !rights(control, &child)?.as_slice().is_empty() {
        fail!("a new domain may join something");
    }
    Ok(child)
}

/// The toolstack forgets the rights: the pools are there, each for the domain alone.
fn without_rights(control: Control, caller: Caller, peer: &Child, saved: &Records) -> CaseResult {
    let child = successor(control, caller)?;
    expect("SET_POOLS", control.set_pools(child.domid(), &saved.without_pages()), 3)?;
    for record in pools(control, &child)?.as_slice() {
        let is_private = record.id == 0 || (record.flags, record.uuid) == private();
        if !is_private || record.n_pages != 0 {
            fail!("without a right the domain has {record:?}");
        }
    }
    for id in IDS {
        child.get_none("get of another's page", at(id, 1, 1), EMPTY)?;
        child.put(at(id, 1, 1), Content(99))?;
    }
    see_own(peer)?;
    child.destroy()
}

/// Flags and uuid of what a shared pool becomes.
fn private() -> (u32, Uuid) {
    (Kind::Ephemeral.flags(), Uuid::default())
}

/// The peer's pages are as it put them.
fn see_own(peer: &Child) -> CaseResult {
    (0..3).try_for_each(|id| peer.get_hit(at(id, 1, 1), Content(id.into())))
}

fn with_rights(
    control: Control,
    caller: Caller,
    peer: &Child,
    saved: &Records,
    rights: &Records,
) -> CaseResult {
    let child = successor(control, caller)?;
    let domid = child.domid();
    expect("SET_AUTH", control.set_authorisations(domid, rights), 2)?;
    // For as long as it takes.
    expect("SET_AUTH", control.authorise(domid, REVOKED, true), 1)?;
    expect("SET_POOLS", control.set_pools(domid, &saved.without_pages()), 3)?;
    expect("revoking", control.authorise(domid, REVOKED, false), 1)?;
    if pools(control, &child)? != *saved {
        fail!("the domain has other pools than it had");
    }
    if self::rights(control, &child)? != *rights {
        fail!("the domain has other rights than it had");
    }
    for (id, theirs) in IDS.into_iter().zip(0..) {
        child.get_hit(at(id, 1, 1), Content(theirs.into()))?;
        child.put(at(id, 1, 2), Content(7))?;
        peer.get_hit(at(theirs, 1, 2), Content(7))?;
    }
    see_own(peer)?;
    // What else it may join, and what it may not.
    expect("joining", child.try_new_pool(SHARED, ALLOWED)?, NEXT.into())?;
    child.get_hit(at(NEXT, 1, 1), Content(2))?;
    expect("asking again", child.try_new_pool(SHARED, REVOKED)?, i64::from(NEXT) + 1)?;
    child.get_none("get from a private pool", at(NEXT + 1, 1, 1), EMPTY)?;
    child.destroy()
}

//! **Checks** freezing: new puts answer -1000, all else goes on, flushes act and answer -1000 (R21,
//! R53); freezing twice is freezing once, "all" means those that are there (R54); the owner's freezing
//! governs the puts of all who share its pool (R40).
//!
//! **Why:** an operator freezes guests while it makes room, and takes them to live on unharmed.
//!
//! **A broken host** loses a frozen guest's pages, or lets new ones in by another door.

use super::super::Case;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{EMPTY, FROZEN, NOTHING, SUCCESS},
};
use crate::toolstack::{Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::control::ClientId;
use hypercall_abi::{PoolFlags, Uuid};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "frozen",
    "a frozen domain's new puts are refused, all else goes on",
    run,
);

const UUID: Uuid = Uuid([0xf0, 0x0f]);
const SHARED: u32 = PoolFlags::SHARED.to_word();

fn run(rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    for caller in Caller::USUAL {
        freeze_one(rig, control, caller)?;
    }
    freeze_all(control)?;
    freeze_an_owner(control)
}

fn freeze_one(rig: &Rig, control: Control, caller: Caller) -> CaseResult {
    let child = Child::build(Plan::new(caller, 100))?;
    let one = ClientId::One(child.domid());
    let pool = child.new_pool(Kind::Persistent)?;
    let cache = child.new_pool(Kind::Ephemeral)?;
    for pool in [pool, cache] {
        for index in 0..4 {
            child.put(at(pool, 1, index), Content(index.into()))?;
        }
    }
    for _ in 0..2 {
        expect("FREEZE", control.set_frozen(one, true), 0)?;
    }
    for pool in [pool, cache] {
        let answer = child.try_put(at(pool, 1, 9), Content(9))?;
        expect("a new put of a frozen domain", answer, FROZEN)?;
        child.get_none("get of what was refused", at(pool, 1, 9), NOTHING)?;
        child.put(at(pool, 1, 1), Content(11))?;
        child.get_hit(at(pool, 1, 1), Content(11))?;
        expect("flush of a page", child.flush_page(at(pool, 1, 2))?, FROZEN)?;
        child.get_none("get of a flushed page", at(pool, 1, 2), NOTHING)?;
        expect("flush of nothing", child.flush_page(at(pool, 1, 77))?, FROZEN)?;
        expect("flush of an object", child.flush_object(at(pool, 1, 0))?, FROZEN)?;
        child.get_none("get of a flushed object", at(pool, 1, 0), EMPTY)?;
    }
    // Another domain, and pools as such, don't mind.
    let own = rig.new_pool(Kind::Ephemeral)?;
    rig.put(at(own, 1, 1), Content(1))?;
    expect("destroy", rig.destroy_pool(own), SUCCESS)?;
    let more = child.new_pool(Kind::Ephemeral)?;
    expect("a put to a new pool", child.try_put(at(more, 1, 1), Content(1))?, FROZEN)?;
    expect("destroy", child.destroy_pool(more)?, SUCCESS)?;

    for _ in 0..2 {
        expect("THAW", control.set_frozen(one, false), 0)?;
    }
    child.put(at(pool, 1, 9), Content(9))?;
    child.get_hit(at(pool, 1, 9), Content(9))?;
    expect("flush", child.flush_page(at(pool, 1, 9))?, SUCCESS)?;
    child.destroy()
}

fn freeze_all(control: Control) -> CaseResult {
    let early = Child::build(Plan::new(Caller::Pvh64, 10))?;
    let pool = early.new_pool(Kind::Ephemeral)?;
    expect("FREEZE of all", control.set_frozen(ClientId::All, true), 0)?;
    expect("a put", early.try_put(at(pool, 1, 1), Content(1))?, FROZEN)?;
    let late = Child::build(Plan::new(Caller::Pv64, 10))?;
    let pool = late.new_pool(Kind::Ephemeral)?;
    late.put(at(pool, 1, 1), Content(1))?;
    expect("THAW of all", control.set_frozen(ClientId::All, false), 0)?;
    early.put(at(pool, 1, 1), Content(1))?;
    early.destroy()?;
    late.destroy()
}

fn freeze_an_owner(control: Control) -> CaseResult {
    let build = |caller| Child::build(Plan::new(caller, 10));
    let children = [build(Caller::Pvh64)?, build(Caller::Pv64)?];
    for child in &children {
        expect("SET_AUTH", control.authorise(child.domid(), UUID, true), 1)?;
        expect("joining", child.try_new_pool(SHARED, UUID)?, 0)?;
    }
    let [owner, sharer] = &children;
    sharer.put(at(0, 1, 1), Content(1))?;
    expect("FREEZE", control.set_frozen(ClientId::One(owner.domid()), true), 0)?;
    expect("a sharer's put", sharer.try_put(at(0, 1, 2), Content(2))?, FROZEN)?;
    sharer.get_hit(at(0, 1, 1), Content(1))?;
    expect("THAW", control.set_frozen(ClientId::One(owner.domid()), false), 0)?;
    expect("FREEZE", control.set_frozen(ClientId::One(sharer.domid()), true), 0)?;
    sharer.put(at(0, 1, 2), Content(2))?;
    owner.get_hit(at(0, 1, 2), Content(2))?;
    children.into_iter().try_for_each(Child::destroy)
}

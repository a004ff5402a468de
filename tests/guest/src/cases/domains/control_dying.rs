//! **Checks** the control operations on a domain that does not exist, has no client yet, is dead but
//! still mapped, and is gone (R29, P5, P37, P47): each is answered by its status, none makes a client of
//! the dead, and what was set for the dead is not there for the next domain of that id (R27).
//!
//! **Why:** an operator's tool names domains by number, and a dying one is found by its number until the
//! last reference goes.
//!
//! **A broken host** follows a pointer that is null, or makes a client that nobody will ever free.

use super::super::Case;
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::EMPTY};
use crate::toolstack::{Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::control::{ClientId, ControlStatus};
use hypercall_abi::{PoolFlags, Uuid};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "control-dying",
    "control operations on absent, dying and dead domains make no client",
    run,
);

const DOMID: u16 = 91;
const UUID: Uuid = Uuid([0x91, 0x19]);
const SHARED: u32 = PoolFlags::SHARED.to_word();

const NOT_PERMITTED: i64 = ControlStatus::NotPermitted.encode();
const NO_ENTRY: i64 = ControlStatus::NoEntry.encode();
const INVALID: i64 = ControlStatus::Invalid.encode();

fn run(_rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    for caller in Caller::USUAL {
        none_there(control, "absent")?;

        // Settings make a client of a domain that has not called yet; freezing does not.
        let plan = Plan { domid: DOMID, ..Plan::new(caller, 100) };
        let mut child = Child::build(plan)?;
        let who = ClientId::One(DOMID);
        expect("FREEZE before the first call", control.set_frozen(who, true), NOT_PERMITTED)?;
        expect("a weight before the first call", control.set_weight(DOMID, 5), NO_ENTRY)?;
        expect("SET_AUTH before it", control.authorise(DOMID, UUID, true), 1)?;
        expect("FREEZE after that", control.set_frozen(who, true), 0)?;
        expect("THAW", control.set_frozen(who, false), 0)?;
        expect("a weight after that", control.set_weight(DOMID, 5), 0)?;
        expect("the shared pool", child.try_new_pool(SHARED, UUID)?, 0)?;
        child.put(at(0, 1, 1), Content(1))?;
        child.new_pool(Kind::Persistent)?;
        match control.client_info(DOMID) {
            Ok(info) if info.nr_pools == 2 && info.weight == 5 => {}
            other => fail!("a domain of two pools and weight 5 is told as {other:?}"),
        }

        expect("killing the domain", child.kill(), 0)?;
        if !child.is_zombie() {
            fail!("a domain that is still mapped went away");
        }
        none_there(control, "dead and mapped")?;
        child.destroy()?;
        none_there(control, "gone")?;

        // The next of that id has neither weight nor authorisation.
        let next = Child::build(plan)?;
        let other = Child::build(Plan::new(Caller::Pv64, 10))?;
        expect("SET_AUTH for another", control.authorise(other.domid(), UUID, true), 1)?;
        expect("another's shared pool", other.try_new_pool(SHARED, UUID)?, 0)?;
        other.put(at(0, 1, 1), Content(2))?;
        expect("the next one's pool", next.try_new_pool(SHARED, UUID)?, 0)?;
        next.get_none("get from it", at(0, 1, 1), EMPTY)?;
        match control.client_info(DOMID) {
            Ok(info) if info.nr_pools == 1 && info.weight == 0 => {}
            other => fail!("a new domain with one pool is told as {other:?}"),
        }
        next.destroy()?;
        other.destroy()?;
    }
    Ok(())
}

/// Every operation on the domain fails as it should and leaves no client.
fn none_there(control: Control, state: &str) -> CaseResult {
    let who = ClientId::One(DOMID);
    for _ in 0..2 {
        expect(state, control.set_frozen(who, true), NOT_PERMITTED)?;
        expect(state, control.set_frozen(who, false), NOT_PERMITTED)?;
        expect(state, control.authorise(DOMID, UUID, true), INVALID)?;
        expect(state, control.set_weight(DOMID, 9), NO_ENTRY)?;
        match control.client_info(DOMID) {
            Ok(info) if info.nr_pools == 0 && info.weight == 0 => {}
            other => fail!("{state}: GET_CLIENT_INFO gives {other:?}"),
        }
    }
    Ok(())
}

//! **Checks** what stays of a shared pool when sharers leave it, by destroying their pool or by dying:
//! the objects that the leaver used last go, the others stay (R36, P10), also when the owner leaves
//! (R37); with the last sharer the pool is gone, and a new one of the same uuid is empty (R38).
//!
//! **Why:** whoever leaves gives up what only he used. What others use they must not lose, and the
//! memory of a pool that nobody has must come back.
//!
//! **A broken host** frees the pool with its owner while others read it, takes every object for the
//! owner's, or finds the old pool by its uuid.

use super::super::Case;
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Rig, at,
    statuses::{EMPTY, NOTHING, NO_DEVICE, SUCCESS},
};
use crate::toolstack::{Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::{PoolFlags, Uuid};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "shared-leave",
    "a sharer that leaves or dies takes its objects along, the last one the pool",
    run,
);

const UUID: Uuid = Uuid([0xabcd, 0xef01]);
const SHARED: u32 = PoolFlags::SHARED.to_word();

/// How a domain leaves a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Destroy,
    Death,
}

impl Way {
    const BOTH: [Self; 2] = [Self::Destroy, Self::Death];

    fn leave(self, child: Child) -> CaseResult {
        if self == Self::Destroy {
            expect("leaving", child.destroy_pool(0)?, SUCCESS)?;
            child.get_none("get after leaving", at(0, 1, 1), NO_DEVICE)?;
        }
        child.destroy()
    }
}

fn run(_rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    for first in Way::BOTH {
        for second in Way::BOTH {
            leave_one_after_the_other(control, first, second)?;
        }
    }
    Ok(())
}

/// A domain in the shared pool, whose id for it is 0.
fn join(control: Control, caller: Caller) -> CaseResult<Child> {
    let child = Child::build(Plan::new(caller, 10))?;
    expect("SET_AUTH", control.authorise(child.domid(), UUID, true), 1)?;
    expect("joining", child.try_new_pool(SHARED, UUID)?, 0)?;
    Ok(child)
}

fn leave_one_after_the_other(control: Control, first: Way, second: Way) -> CaseResult {
    let owner = join(control, Caller::Pv64)?;
    let next = join(control, Caller::Pvh64)?;
    let last = join(control, Caller::Pvh32)?;
    owner.get_none("get from a new shared pool", at(0, 1, 1), EMPTY)?;

    // Objects 1 to 3 are put by one domain each; 4 is put by the owner and read by the next; 5 is put
    // by the next and read by the owner.
    for (child, object) in [(&owner, 1), (&next, 2), (&last, 3), (&owner, 4), (&next, 5)] {
        for index in 0..10 {
            child.put(at(0, object, index), content(object, index))?;
        }
    }
    for index in 0..10 {
        next.get_hit(at(0, 4, index), content(4, index))?;
        owner.get_hit(at(0, 5, index), content(5, index))?;
    }

    first.leave(owner)?;
    for index in 0..10 {
        for object in [1, 5] {
            last.get_none("get of what the owner used last", at(0, object, index), NOTHING)?;
        }
        for object in [2, 4] {
            next.get_hit(at(0, object, index), content(object, index))?;
        }
        last.get_hit(at(0, 3, index), content(3, index))?;
    }
    // The pool is in order: it takes new pages, and finds them.
    next.put(at(0, 6, 0), content(6, 0))?;
    last.get_hit(at(0, 6, 0), content(6, 0))?;

    second.leave(next)?;
    for index in 0..10 {
        for object in [2, 4] {
            last.get_none("get of what the next used last", at(0, object, index), NOTHING)?;
        }
        last.get_hit(at(0, 3, index), content(3, index))?;
    }
    last.get_hit(at(0, 6, 0), content(6, 0))?;
    last.put(at(0, 1, 1), content(1, 1))?;

    let freeable = control.freeable_mib();
    if freeable < 0 {
        fail!("freeable memory: {freeable}");
    }
    second.leave(last)?;
    let anew = join(control, Caller::Pv64)?;
    for object in 1..=6 {
        anew.get_none("get from the pool made anew", at(0, object, 0), EMPTY)?;
    }
    anew.destroy()
}

fn content(object: u64, index: u32) -> Content {
    Content::of(object, u64::from(index))
}

//! **Checks** that the host has 16 shared pools and no more: the 17th is refused with -1, and leaves
//! the caller's slot empty and usable (R34, P7). When one of the 16 goes there is room for another.
//!
//! **Why:** the refusal comes late, when a pool and a slot for it have been chosen already.
//!
//! **A broken host** leaves the slot pointing to a pool that does not exist, or forgets to count.

use super::super::Case;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{NO_DEVICE, NOT_PERMITTED, NOTHING, SUCCESS},
};
use crate::toolstack::{Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::{PoolFlags, SHARED_POOLS_MAX, Uuid};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "shared-limit",
    "the 17th shared pool of the host is refused and leaves the slot usable",
    run,
);

const SHARED: u32 = PoolFlags::SHARED.to_word();
/// The uuid that is one too many.
const ONE_MORE: Uuid = Uuid([99, 99]);

fn run(_rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    let many = Child::build(Plan::new(Caller::Pv64, 10))?;
    let late = Child::build(Plan::new(Caller::Pvh32, 10))?;
    for number in 0..SHARED_POOLS_MAX as u64 {
        let uuid = Uuid([number, 1]);
        expect("SET_AUTH", control.authorise(many.domid(), uuid, true), 1)?;
        expect("a shared pool", many.try_new_pool(SHARED, uuid)?, number.cast_signed())?;
    }
    expect("SET_AUTH", control.authorise(late.domid(), ONE_MORE, true), 1)?;
    expect("SET_AUTH", control.authorise(late.domid(), Uuid([3, 1]), true), 1)?;
    for _ in 0..20 {
        expect("the 17th", late.try_new_pool(SHARED, ONE_MORE)?, NOT_PERMITTED)?;
        late.get_none("get on the slot that stayed empty", at(0, 1, 1), NO_DEVICE)?;
        expect("destroy of it", late.destroy_pool(0)?, NOTHING)?;
    }
    // Joining one of the 16 takes no further one.
    expect("joining", late.try_new_pool(SHARED, Uuid([3, 1]))?, 0)?;
    many.put(at(3, 1, 1), Content(3))?;
    late.get_hit(at(0, 1, 1), Content(3))?;
    expect("a private pool", i64::from(late.new_pool(Kind::Persistent)?), 1)?;

    expect("destroy of one of the 16", many.destroy_pool(5)?, SUCCESS)?;
    expect("the 17th, now the 16th", late.try_new_pool(SHARED, ONE_MORE)?, 2)?;
    late.put(at(2, 1, 1), Content(9))?;
    late.get_hit(at(2, 1, 1), Content(9))?;
    expect("one more again", many.try_new_pool(SHARED, Uuid([5, 1]))?, NOT_PERMITTED)?;

    // With the domain all of its pools go.
    many.destroy()?;
    late.get_hit(at(2, 1, 1), Content(9))?;
    late.destroy()
}

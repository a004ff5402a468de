//! **Checks** that two domains which compete for a full host, putting equally many pages, keep parts of
//! it that follow their weights, 1 to 3, within 10 % (R45, P16); and that when one dies the other gets
//! all (R46).
//!
//! **Why:** the operator's only means of saying whose cache matters more.
//!
//! **A broken host** takes pages by age alone, or from the one that has less than its share.

use super::super::Case;
use super::{Ballast, free_pages};
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at};
use crate::toolstack::{Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::Op;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "weights",
    "two domains that compete keep parts of the host that follow their weights",
    run,
);

/// Frames that are left for the two.
const ARENA: u64 = 12_000;
/// Pages that each puts in its turn.
const TURN: u32 = 250;
/// Turns of each: three times what fits.
const TURNS: u32 = 72;

fn run(_rig: &mut Rig) -> CaseResult {
    let control = Control::new()?;
    // PV domains: the emulated processor enters PVH ones slowly.
    let light = Child::build(Plan::new(Caller::Pv64, 10))?;
    let heavy = Child::build(Plan::new(Caller::Pv64, 10))?;
    for (child, weight) in [(&light, 1), (&heavy, 3)] {
        child.new_pool(Kind::Ephemeral)?;
        child.fill_source(Content(weight.into()))?;
        expect("setting the weight", control.set_weight(child.domid(), weight), 0)?;
    }let ballast = Ballast::leave_free(ARENA)?;
    for turn in 0..TURNS {
        put_turn(&light, turn)?;
        put_turn(&heavy, turn)?;
    }let (left, right) = (count_pages(&light)?, count_pages(&heavy)?);let all = u64::from(left) + u64::from(right);
    if all < ARENA / 2 {
        fail!("{left} and {right} pages are left where {ARENA} frames were free");
    }
    // Light's part is a quarter.
    if u64::from(left) * 40 < all * 9 || u64::from(left) * 40 > all * 11 {
        fail!("with weights 1 and 3 the two keep {left} and {right} pages");
    }    // Alone, the light one may have everything.
    heavy.destroy()?;
    for turn in 0..TURNS {
        put_turn(&light, turn)?;
    }let alone = u64::from(count_pages(&light)?);
    if alone * 10 < all * 9 {
        fail!("alone on the host a domain keeps {alone} pages, the two kept {all}");
    }drop(ballast);
    light.destroy()?;
    if free_pages()? < ARENA {
        fail!("the frames of the dead did not come back");
    }
    Ok(())
}

/// Puts the pages of a turn, one object a turn. Each must be accepted: the host makes room.
fn put_turn(child: &Child, turn: u32) -> CaseResult {
    let put = Op::PutPage { handle: at(0, u64::from(turn), 0), cmfn: child.source_frame() };
    child.start(0, &[child.tmem_call(&put)?.stepping()], TURN)?;
    child.wait(0)?;
    expect("puts that were accepted", i64::from(child.counts(0, 0)?.0), i64::from(TURN))
}

/// Gets all pages, which takes them away; how many there were.
fn count_pages(child: &Child) -> CaseResult<u32> {
    let mut pages = 0;
    for turn in 0..TURNS {
        let get = Op::GetPage { handle: at(0, u64::from(turn), 0), cmfn: child.target_frame() };
        child.start(0, &[child.tmem_call(&get)?.stepping()], TURN)?;
        child.wait(0)?;
        pages += child.counts(0, 0)?.0;
    }
    Ok(pages)
}

//! **Checks** a dead domain of which the first one still has pages mapped (R27, R29): it can't go away,
//! but all that it had in tmem is free at once; and when its id is free again, a new domain of that id
//! starts anew.
//!
//! **Why:** whoever maps a page of a domain keeps its remains, for hours if he likes. What tmem holds
//! must not wait for that, nor may the remains be found by the new domain.
//!
//! **A broken host** frees the pages only when the last reference goes, or keeps the record of the
//! dead domain under its id.

use super::super::Case;
use super::{fill_pool, available_pages};
use crate::fail;
use crate::plain::args::Boot;
use crate::rig::{
    Kind, Rig, at,
    statuses::{EMPTY, NO_DEVICE},
};
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::{CaseResult, expect};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "zombie",
    "a dead domain that is still mapped has nothing left in tmem",
    run,
);

const DOMID: u16 = 55;
/// Pages of each kind.
const PAGES: u32 = 2000;
/// Frames that the processor keeps in stock, the two pages that are mapped, and some of the remains.
const KEPT: u64 = 200;

fn run(_rig: &mut Rig) -> CaseResult {
    for caller in Caller::USUAL {
        let before = available_pages()?;
        let plan = Plan { domid: DOMID, ..Plan::new(caller, u64::from(PAGES) + 200) };
        let mut child = Child::build(plan)?;
        for kind in Kind::BOTH {
            let pool = child.new_pool(kind)?;
            fill_pool(&child, pool, PAGES)?;
        }
        let window = child.open(5)?;
        expect("killing the domain", child.kill(), 0)?;
        if !child.is_zombie() {
            fail!("{caller:?}: a domain that is still mapped went away");
        }
        let now = available_pages()?;
        if now + KEPT < before {
            fail!("{before} frames were to be had, {now} are with {caller:?} dead and mapped");
        }
        drop(window);
        child.destroy()?;

        let next = Child::build(plan)?;
        next.get_none("get of the new domain", at(0, 0, 0), NO_DEVICE)?;
        let pool = next.new_pool(Kind::Persistent)?;
        expect("the new domain's first pool", i64::from(pool), 0)?;
        next.get_none("get from its pool", at(0, 0, 0), EMPTY)?;
        next.destroy()?;
    }
    Ok(())
}

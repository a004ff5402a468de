//! **Checks** that 200 domains come and go and leave nothing (R27, P58): after each the host has as
//! many free frames as before the first, but for the few that each processor keeps in stock.
//!
//! **Why:** the pages, the records that lead to them and the domain's own record are freed by three
//! different paths, and a domain that holds a reference to itself never goes.
//!
//! **A broken host** loses a frame or a record with each domain, keeps dead domains as zombies, or has
//! no memory for the last ones.

use super::super::Case;
use super::free_pages;
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::SUCCESS};
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::Op;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "birth-and-death",
    "200 domains put pages and are destroyed, and the host has its frames back each time",
    run,
);

const DOMAINS: u32 = 200;
/// Pages of each, of each kind: more than a processor keeps in stock.
const PAGES: u32 = 100;
/// Frames that one processor keeps in stock, at most, and a few that records are kept in.
const STOCK: u64 = 80;

fn run(rig: &mut Rig) -> CaseResult {
    let bystander = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    rig.put(bystander, Content(1))?;
    // The first ones make records that are kept for the next.
    for number in 0..Caller::USUAL.len() {
        live(number)?;
    }
    let before = free_pages()?;
    for number in 0..DOMAINS as usize {
        live(number)?;
        let now = free_pages()?;
        if now + STOCK < before || before + STOCK < now {
            fail!("{before} frames were free, {now} are after {} domains", number + 1);
        }
    }
    rig.get_hit(bystander, Content(1))
}

fn live(number: usize) -> CaseResult {
    let caller = Caller::USUAL.into_iter().cycle().nth(number % 3).unwrap_or(Caller::Pv64);
    let child = Child::build(Plan::new(caller, u64::from(PAGES) * 2))?;
    for kind in Kind::BOTH {
        let pool = child.new_pool(kind)?;
        child.fill_source(Content(number as u64))?;
        let put = Op::PutPage { handle: at(pool, 1, 0), cmfn: child.source_frame() };
        child.start(0, &[child.tmem_call(&put)?.stepping()], PAGES)?;
        child.wait(0)?;
        expect("puts that were accepted", i64::from(child.counts(0, 0)?.0), i64::from(PAGES))?;
        child.get_hit(at(pool, 1, PAGES - 1), Content(number as u64))?;
    }
    if number.is_multiple_of(2) {
        expect("destroy of one pool", child.destroy_pool(0)?, SUCCESS)?;
    }
    child.destroy()
}

//! **Checks** that a new domain's memory holds nothing of what another one put (R72, P31): a pattern is
//! put in both kinds of pool and leaves them by flush, by eviction, by destruction and by the domain's
//! death; then all free memory of the host is given to a domain and searched.
//!
//! **Why:** frames go from tmem to Xen and from there to anybody. Xen scrubs what a dead domain leaves;
//! a store of pages must see to it for what is freed while its owner lives.
//!
//! **A broken host** hands out a frame of which nobody said that it is dirty.

use super::super::Case;
use super::{Ballast, fill_pool, free_pages};
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Page;
use crate::rig::{Kind, Rig, at, statuses::SUCCESS};
use crate::toolstack::{Caller, Child, Control, Plan, Window};
use crate::verdict::{CaseResult, expect};
use crate::xen::memory::populate_domain;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::Domains],
    "scrub",
    "no byte of a stored page is in a new domain's memory, however the page went",
    run,
);

/// Frames in which the pattern is stored and which are searched afterwards.
const ARENA: u64 = 12_000;
/// Pages of each pool.
const PAGES: u32 = 2500;
/// Frames that are asked for at once.
const BATCH: usize = 256;

fn run(_rig: &mut Rig) -> CaseResult {
    let ballast = Ballast::leave_free(ARENA)?;
    let writer = Child::build(Plan::new(Caller::Pv64, u64::from(PAGES) * 3))?;
    let pools = [Kind::Persistent, Kind::Ephemeral, Kind::Persistent, Kind::Ephemeral];
    for (want, kind) in (0..).zip(pools) {
        expect("NEW_POOL", i64::from(writer.new_pool(kind)?), want)?;
        fill_pool(&writer, u32::try_from(want).unwrap_or(0), PAGES)?;
    }
    // Pool 0 by flushes, half of them page by page; 1 by eviction; 2 by destruction; 3 by death.
    for index in 0..50 {
        expect("flush", writer.flush_page(at(0, 0, index))?, SUCCESS)?;
    }
    expect("flush", writer.flush_object(at(0, 0, 0))?, SUCCESS)?;
    expect("destroy", writer.destroy_pool(2)?, SUCCESS)?;
    let control = Control::new()?;
    let kib = PAGES * 4;
    expect("FLUSH of what is oldest", control.flush(kib), i64::from(kib))?;
    // The writer lives on while the first search is made.
    search_free_memory()?;
    writer.destroy()?;
    search_free_memory()?;
    drop(ballast);
    Ok(())
}

/// Gives nearly all free memory to a domain, looks at each page, and takes it back.
fn search_free_memory() -> CaseResult {
    let mut pattern = Page::ZERO;
    pattern.fill(super::FILLING);
    let reader = Child::build(Plan::new(Caller::Pv64, u64::from(u32::MAX)))?;
    let mut searched = 0_usize;
    while free_pages()? > BATCH as u64 + 64 {
        let mut frames: [u64; BATCH] = core::array::from_fn(|n| (0x1_0000 + searched + n) as u64);
        let given = populate_domain(reader.domid(), &mut frames);
        for &frame in frames.iter().take(given) {
            let window = Window::open(reader.domid(), frame)?;
            for (number, &word) in pattern.0.iter().enumerate() {
                if window.word(number * 8) == word {
                    fail!("frame {frame:#x} of a new domain holds byte {} of a page", number * 8);
                }
            }
        }
        searched += given;
        if given < BATCH {
            break;
        }
    }
    if (searched as u64) < ARENA / 3 {
        fail!("only {searched} frames were free when all pages were gone");
    }
    reader.destroy()
}

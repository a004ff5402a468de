//! **Checks** that on a full host nearly all memory can be claimed for a domain (P17, P85); that what
//! is claimed goes to that domain and no other, though guests go on to put pages of both kinds and
//! another domain asks for memory, and that it gets every page, by blocks of 2 MiB or page by page; that a claim of more than can be had
//! is refused and costs nobody a page.
//!
//! **Why:** a claim is a toolstack's way to know that a build will not fail half-way.
//!
//! **A broken host** refuses the claim, lets others eat into it, or evicts for a claim that it refuses.

use super::super::Case;
use super::super::script::{flood, more_than_fits};
use super::{FullHost, Hoard, available_pages, claimed_pages, free_pages};
use crate::{fail, say};
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Rig, at,
    statuses::{NO_MEMORY, SUCCESS},
};
use crate::verdict::{CaseResult, expect};
use crate::xen::memory::claim;

pub(in super::super) const CASE: Case = Case::full(
    &[Boot::Memory],
    "full-claim",
    "on a full host a claim is met, kept from all others, and given to the last page",
    run,
);

/// Frames that are left for others.
const UNCLAIMED: u64 = 1000;
/// Xen's answer to a claim that can't be met.
const NO_MEMORY_ERRNO: i64 = -12;
/// Pages that the domain is given at once, and puts of each kind in between.
const STEP: u64 = 1024;
const PUTS: u32 = 100;

fn run(rig: &mut Rig) -> CaseResult {
    let host = FullHost::fill(rig)?;
    let (mut hoard, mut rival) = (Hoard::build()?, Hoard::build()?);
    let domid = hoard.child.domid();
    host.fill_again(rig)?;

    let (own, available, free) = (hoard.total()?, available_pages()?, free_pages()?);
    let answer = claim(domid, own + available + 1);
    expect("a claim of one page too many", answer, NO_MEMORY_ERRNO)?;
    if (available_pages()?, free_pages()?) != (available, free) {
        fail!("a claim that was refused changed what is free, {free}, or available, {available}");
    }

    let claimed = available - UNCLAIMED;
    expect("a claim on a full host", claim(domid, own + claimed), 0)?;
    expect_claimed(claimed)?;
    // Puts that are as many as the host has pages: they take from each other.
    flood(rig, more_than_fits(), |number| host.page(number))?;
    let left = available_pages()?.saturating_sub(claimed);
    let taken = rival.grow(available)?;
    // Or a few more, which evicted pages had as records.
    if taken < left {
        fail!("{left} pages were not claimed, and another domain got {taken}");
    }
    expect_claimed(claimed)?;

    let mut swapped = 0;
    let mut rest = claimed;
    while rest > 0 {
        let step = rest.min(STEP);
        let given = hoard.grow_by_blocks(step)?;
        if given != step {
            fail!("a domain got {given} of {step} pages when {rest} of {claimed} were still claimed");
        }
        rest -= step;
        expect_claimed(rest)?;
        swapped += put_both(rig, &host, swapped)?;
    }

    say!("a domain of {claimed} claimed pages: {} blocks of 2 MiB", hoard.blocks);
    hoard.check()?;
    rival.check()?;
    host.check(rig)?;
    for index in 0..swapped {
        rig.get_hit(at(host.persistent, 1, index), Content::of(4, index.into()))?;
    }
    expect("ending a claim that was used up", claim(domid, 0), 0)
}

/// The host's outstanding claims must be `pages`.
fn expect_claimed(pages: u64) -> CaseResult {
    let found = claimed_pages()?;
    if found != pages {
        fail!("{found} pages are claimed, not {pages}");
    }
    Ok(())
}

/// Puts pages of both kinds, until one of them is refused for lack of memory; how many persistent
/// ones there are more.
fn put_both(rig: &Rig, host: &FullHost, first: u32) -> CaseResult<u32> {
    for number in 0..PUTS {
        let index = first + number;
        for (page, content) in [
            (host.page(number), Content::of(1, number.into())),
            (at(host.persistent, 1, index), Content::of(4, index.into())),
        ] {
            match rig.try_put(page, content) {
                SUCCESS => {}
                NO_MEMORY => return Ok(number),
                other => fail!("a put while pages are claimed: answered {other}"),
            }
        }
    }
    Ok(PUTS)
}

//! **Checks** that memory which ephemeral pages fill can be claimed, and is there for the one who
//! claimed it, though puts go on meanwhile (P17, P85).
//!
//! **Why:** a toolstack claims a domain's memory before it builds the domain, so on a host full of
//! ephemeral pages nothing could be built if a claim were answered by what is free.
//!
//! **A broken host** refuses the claim, or grants it and has not the memory when it is asked for.

use super::Case;
use super::script::{flood, more_than_fits};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{Kind, ROOM, Rig, at};
use crate::verdict::{CaseResult, expect};
use crate::xen::memory::{DOMAIN_0, claim};

pub(super) const CASE: Case = Case::small(
    "reclaim-claim",
    "memory filled with ephemeral pages can be claimed, and is there then",
    run,
);

/// Frames that the guest and its stored pages may come to: `dom0_mem=64M,max:64M`.
const MAXIMUM: u64 = 64 << 20 >> 12;
/// `-EINVAL`: more than the domain's maximum.
const INVALID: i64 = -22;

fn run(rig: &mut Rig) -> CaseResult {
    let pool = rig.new_pool(Kind::Ephemeral)?;
    let page = |number: u32| at(pool, u64::from(number / 64), number % 64);
    let young = |number: u32| at(pool, 1 << 40 | u64::from(number), 1);
    flood(rig, more_than_fits(), page)?;
    expect("a claim above the maximum", claim(DOMAIN_0, MAXIMUM + 1), INVALID)?;

    expect("a claim of all that was given back", claim(DOMAIN_0, MAXIMUM), 0)?;
    // Puts go on, at the cost of older pages and not of what is claimed; the metadata that so many
    // objects take, too.
    for number in 0..500 {
        rig.put(young(number), Content::of(3, u64::from(number)))?;
    }
    let left = rig.balloon.set_room(0);
    expect("ending the claim", claim(DOMAIN_0, 0), 0)?;
    if left != 0 {
        fail!("{left} of {ROOM} claimed frames could not be had");
    }
    for number in 0..500 {
        rig.get_maybe(young(number), Content::of(3, u64::from(number)))?;
    }
    Ok(())
}

//! **Checks** that a hit in a shared pool makes a page the youngest (R10, R42), for thousands of hits on
//! a host without a free frame.
//!
//! **Why:** domains share a pool for what they all read, and that is to stay. On a full host, which is
//! where the order of ages counts, the host has to find room for what it notes of each hit.
//!
//! **A broken host** evicts by the age of the put, stops noting hits once it has no memory for it, or
//! drops pages for its notes.

use super::Case;
use super::script::{flood, more_than_fits, oldest_gone};
use crate::fail;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::SUCCESS,
};
use crate::toolstack::Control;
use crate::verdict::{CaseResult, expect};
use hypercall_abi::{PoolFlags, Uuid};

pub(super) const CASE: Case =
    Case::small("evict-shared-hit", "a hit in a shared pool keeps a page on a full host", run);

const UUID: Uuid = Uuid([0xfeed, 0xf00e]);
/// The first domain's id.
const HERE: u16 = 0;
/// SET_AUTH's answer: one record was carried out.
const ONE_RECORD: i64 = 1;
/// How often the pages are got that are to stay.
const ROUNDS: u32 = 3;

fn run(rig: &mut Rig) -> CaseResult {
    // How many pages does this host hold? (Reading them takes them away again.)
    let pages = more_than_fits();
    let probe = rig.new_pool(Kind::Ephemeral)?;
    let handle = |number: u32| at(probe, u64::from(number / 300), number % 300);
    flood(rig, pages, handle)?;
    let eighth = (pages - oldest_gone(rig, pages, handle)?) / 8;
    expect("destroy", rig.destroy_pool(probe), SUCCESS)?;

    let control = Control::new()?;
    expect("SET_AUTH", control.authorise(HERE, UUID, true), ONE_RECORD)?;
    let shared = rig.try_new_pool(PoolFlags::SHARED.to_word(), UUID);
    let Ok(shared) = u32::try_from(shared) else { fail!("shared pool: answered {shared}") };
    let handle = |number: u32| at(shared, u64::from(number / 300), number % 300);
    let content = |number: u32| Content::of(1, u64::from(number));
    flood(rig, pages, handle)?;
    // Of eight eighths, the two oldest and the two youngest are not asked for.
    let kept = pages - 6 * eighth..pages - 2 * eighth;
    for _ in 0..ROUNDS {
        for number in kept.clone() {
            rig.get_hit(handle(number), content(number))?;
        }
    }
    // Three eighths more: the two oldest go, and one of the youngest.
    let second = rig.new_pool(Kind::Ephemeral)?;
    flood(rig, 3 * eighth, |number| at(second, 0, number))?;
    for number in kept.clone() {
        rig.get_hit(handle(number), content(number))?;
    }
    for number in [kept.start - eighth, kept.end] {
        if rig.get_maybe(handle(number), content(number))? {
            fail!("page {number} of {pages} is there, though nobody asked for it");
        }
    }
    rig.get_hit(handle(pages - 1), content(pages - 1))?;
    expect("revoking", control.authorise(HERE, UUID, false), ONE_RECORD)
}

//! A domain that asks for memory at a certain place until there is none there.

use super::super::script::more_than_fits;
use super::{Filled, FullHost, build};
use crate::rig::Rig;
use crate::toolstack::{Caller, Child, Control, Plan};
use crate::verdict::CaseResult;
use crate::xen::memory::{Where, populate_blocks};
use crate::{fail, give_up, say};
use hypercall_abi::control::ClientId;

/// Where memory is wanted.
pub(super) struct Place {
    /// The same for people.
    pub(super) name: &'static str,
    /// How it is asked for.
    pub(super) flags: Where,
    /// In `sysctl`'s words: width of addresses and node.
    pub(super) region: (u32, u32),
    /// Whether a frame is there.
    pub(super) holds: fn(u64) -> bool,
}

/// Pages that are asked for at once.
const BATCH: usize = 64;
/// Evictions that one request is worth (decision 0017).
const EVICTIONS: u32 = 2048;

/// Fills the host, and has a domain take what is at `place` until Xen has refused so often that each
/// page of the host was evicted. What lies there must then have come to it.
///
/// # Errors
/// Failure, if much is left there, if a page is somewhere else, or if on a host where pages lie at
/// random a request is refused before nearly all was had.
pub(super) fn drain(rig: &Rig, host: &FullHost, place: &Place, filled: Filled) -> CaseResult {
    host.fill_again(rig)?;
    if filled == Filled::Shuffled {
        host.shuffle(rig)?;
    }
    // A PV domain is told where its memory lies.
    let child = build(Plan::new(Caller::Pv64, u64::from(u32::MAX)))?;
    let (mut given, mut refused, mut before) = (0, 0, None);
    while refused <= more_than_fits() / EVICTIONS + 1 {
        let got = populate(&child, given, place)?;
        given += got;
        if got < BATCH as u64 {
            refused += 1;
            before.get_or_insert(given);
        }
    }
    let left = left_when_all_is_evicted(&child, place)?;
    let (all, before) = (given + left, before.unwrap_or(given));
    say!("{filled:?}, {}: {given} of {all} pages, {before} before a refusal", place.name);
    if given * 100 < all * 98 {
        fail!("{filled:?}: of {all} pages {} a domain got {given}", place.name);
    }
    if filled == Filled::Shuffled && before * 100 < all * 90 {
        fail!("of {all} pages {} a domain got {before} when it was refused one", place.name);
    }
    if all < EVICTIONS.into() {
        give_up!("only {all} pages are {}: that says little", place.name);
    }
    child.destroy()?;
    host.check_persistent(rig)
}

/// Gives the domain up to a batch behind those `given` before; how many it got.
fn populate(child: &Child, given: u64, place: &Place) -> CaseResult<u64> {
    let mut list: [u64; BATCH] = core::array::from_fn(|number| 0x10_0000 + given + number as u64);
    let got = populate_blocks(child.domid(), &mut list, 0, place.flags);
    if let Some(frame) = list.iter().take(got).find(|&&frame| !(place.holds)(frame)) {
        fail!("frame {frame:#x} was given to one who wanted pages {}", place.name);
    }
    Ok(got as u64)
}

/// Pages that nobody has, at a place, when no ephemeral page is left.
fn left_when_all_is_evicted(child: &Child, place: &Place) -> CaseResult<u64> {
    let control = Control::new()?;
    // What CPUs keep in stock goes where it came from, too.
    let frozen = control.set_frozen(ClientId::All, true);
    let flushed = control.flush(u32::MAX);
    let thawed = control.set_frozen(ClientId::All, false);
    if frozen != 0 || flushed < 0 || thawed != 0 {
        give_up!("FREEZE, FLUSH, THAW: {frozen}, {flushed}, {thawed}");
    }
    let (bits, node) = place.region;
    match child.release().free_pages_at(bits, node) {
        Ok(pages) => Ok(pages),
        Err(answer) => give_up!("Xen does not say how many pages are {}: {answer}", place.name),
    }
}

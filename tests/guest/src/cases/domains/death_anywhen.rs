//! **Checks** domains that are destroyed at random moments of busy lives, 200 of them and in long runs
//! 2,000, up to three at once, of two vCPUs each that make, fill, read, empty and destroy persistent,
//! ephemeral and shared pools (R27, P36, P58): each is dead with its pools gone (R29); when those that
//! lived at once are dead, tmem has not one page more than before, knows of each frame that Xen has
//! ever given to it, and the host has all its frames but for a few of the first ones' (see below); and
//! those who live on, in pools that the dead owned or shared,
//! have each of their pages (R11, R36, R37).
//!
//! **Why:** a domain dies whenever somebody wants it to: between the slices of a long call, with a
//! shared pool half left, while others join it. A toolstack does this all day.
//!
//! **A broken host** crashes, hands a dead owner's pool to nobody, keeps a page, a frame or the dead
//! domain itself, or takes what belongs to others.

use super::super::Case;
use super::life::{HANDED_ON, Life, UUIDS};
use super::survivor::{EPHEMERAL_PAGES, SHARED, Survivor};
use super::{available_pages, holdings};
use crate::plain::args::Boot;
use crate::plain::rng::Rng;
use crate::rig::Rig;
use crate::toolstack::Control;
use crate::verdict::CaseResult;
use crate::xen::foreign::rest;
use crate::{fail, give_up, say};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::DomainsSmp],
    "death-anywhen",
    "200 domains are destroyed at random moments of busy lives and leave nothing",
    |rig| die(rig, 200),
);

/// Domains that live at once, at most.
const AT_ONCE: u32 = 3;
/// Deaths before the host's frames are counted: records are made then that are kept for others.
const WARM_UP: u32 = 20;
/// Frames that may be missing in the end, however many have died: 65 in the stock of each of two
/// processors, and the records of a few pools more than there were at once before.
const KEPT: u64 = 2 * 65 + 40;
/// Deaths for which one frame more may be missing. About one was, for each dozen of domains of two
/// vCPUs, also of such as called no tmem. tmem has none of them: what it has is compared to the frame
/// ([`holdings::check`]).
const DEATHS_PER_FRAME: u64 = 8;

/// So many deaths, or up to two more.
///
/// # Errors
/// Failure, if anything is left of one or taken from others.
pub(super) fn die(rig: &Rig, wanted: u32) -> CaseResult {
    let mut rng = rig.rng(0xdead);
    let control = Control::new()?;
    let survivor = Survivor::new(rig, control, UUIDS[0], HANDED_ON)?;
    let mut deaths = 0;
    let mut before = None;
    let mut cut_short = 0;
    while deaths < wanted {
        if deaths >= WARM_UP && before.is_none() {
            before = Some(available_pages()?);
        }
        let result = generation(rig, &survivor, control, &mut rng);
        if result.is_err() {
            say!("among the {AT_ONCE} deaths from {deaths} on, seed {:#x}", rig.seed);
        }
        let died = result?;
        deaths += died.deaths;
        cut_short += died.cut_short;
        if let Some(before) = before {
            frames_are_back(before, deaths)?;
            holdings::check(control)?;
        }
    }
    say!("{deaths} domains died, {cut_short} of them with a call begun and not ended");
    let lacking = before.unwrap_or(0).saturating_sub(available_pages()?);
    say!("the host lacks {lacking} frames, and tmem knows of each that it has");
    if cut_short < deaths / 10 {
        give_up!("only {cut_short} of {deaths} domains died in the middle of a call");
    }
    survivor.destroy()
}

/// The domain's remains go a moment after its id: Xen waits until no processor looks at them.
fn frames_are_back(before: u64, deaths: u32) -> CaseResult {
    let allowed = KEPT + u64::from(deaths) / DEATHS_PER_FRAME;
    let mut now = 0;
    for _ in 0..10_000 {
        now = available_pages()?;
        if now + allowed >= before {
            return Ok(());
        }
        rest();
    }
    fail!("{before} frames were to be had, {now} are after {deaths} deaths");
}

/// What came of domains that lived at once.
struct Died {
    deaths: u32,
    /// Of them, those of which a vCPU had begun a call that did not end.
    cut_short: u32,
}

/// Some domains live at once and die one after the other. Then tmem has the survivors' pages and none
/// besides.
fn generation(
    rig: &Rig,
    survivor: &Survivor,
    control: Control,
    rng: &mut Rng,
) -> CaseResult<Died> {
    let wanted = 1 + rng.below(AT_ONCE);
    let mut living = [const { None }; AT_ONCE as usize];
    for (number, place) in (0..wanted).zip(&mut living) {
        let life = Life::begin(control, rng)?;
        if number == 0 {
            // The survivor is the next in this pool, and will own it.
            let id = life.child.try_new_pool(SHARED, HANDED_ON)?;
            if !(0..2).contains(&id) {
                fail!("the pool that will be handed on: answered {id}");
            }
            survivor.join()?;
        }
        *place = Some(life);
    }
    for life in living.iter().flatten() {
        life.set_to_work(rng)?;
    }
    let mut died = Died { deaths: 0, cut_short: 0 };
    for life in living.iter_mut().filter_map(Option::take) {
        life.reach_the_end(rng)?;
        died.cut_short += u32::from(life.end(control)?);
        died.deaths += 1;
        survivor.check_one(rng.next_32())?;
    }
    survivor.check_all_and_leave(rig)?;
    // What is left can be evicted, to the page.
    let left = evict_all(control)?;
    if left != EPHEMERAL_PAGES {
        fail!("{left} ephemeral pages are left where the survivor has {EPHEMERAL_PAGES}");
    }
    survivor.put_again()?;
    Ok(died)
}

/// Evicts everything that can be; how many pages that were.
fn evict_all(control: Control) -> CaseResult<u64> {
    let mut pages = 0;
    loop {
        match u64::try_from(control.flush(u32::MAX)) {
            Ok(0) => return Ok(pages),
            Ok(kib) => pages += kib / 4,
            Err(_) => fail!("FLUSH is refused"),
        }
    }
}

//! The guest under a real toolstack: not the first domain, but one that `xl` makes, saves, moves and
//! ends while it uses tmem.
//!
//! `client=keep` on its command line puts pages once and reads them again and again, `client=few` only
//! some; `client=churn` puts, flushes, destroys and makes pools without end; `client=cache` does as a
//! cache of clean pages does; `client=idle` uses no tmem; `client=refused` tries all of it where there is
//! none for it, in a PV shim. Each checks every answer and every byte against what it remembers
//! ([`Held`]), says after each round what it has found on the console that the toolstack gave it, and
//! stops with the word FAILED at the first thing that is wrong.
//!
//! It suspends itself when the toolstack asks for it, and must find all as it was when it goes on.

mod cache;
mod held;
mod refused;

use crate::plain::content::Content;
use crate::plain::rng::Rng;
use crate::rig::{Kind, Rig};
use crate::verdict::{CaseResult, expect};
use crate::xen::platform::platform;
use crate::xen::rings::{console, store::Store};
use crate::xen::{Start, foreign, shutdown, version};
use crate::{fail, say};
use held::{Held, PAGES, POOLS};

/// Frames that the guest gives back, for which its persistent pages have room: those and metadata.
const ROOM: usize = PAGES + 64;

/// Pages of `few`: so few that they can be restored a thousand times.
const FEW: usize = 40;

/// One of so many rounds is told.
const TOLD: u32 = 8;

/// Steps of a round of `churn`.
const STEPS: u32 = 500;

/// Uses tmem until somebody ends the domain. Out of line, so that what a client remembers is not on the
/// stack of the cases, which are started at the same place.
#[inline(never)]
pub fn run(start: Start, kind: &str) {
    let why = match use_tmem(start, kind) {
        Ok(()) => return,
        Err(why) => why,
    };
    say!("client: FAILED {why}");
    loop {
        foreign::give_way();
    }
}

fn use_tmem(start: Start, kind: &str) -> CaseResult {
    if !console::begin() {
        fail!("no console: the guest must be a domain that a toolstack made");
    }
    say!("client: {kind}, a {} domain of Xen {}", platform().name(), version::release());
    let Some(store) = Store::open() else { fail!("no xenstore") };
    let Some(mut rig) = Rig::new(start, 1) else { fail!("Xen's start_info makes no sense") };
    if kind == "refused" {
        return refused::run(&rig);
    }
    if rig.balloon.set_room(ROOM) != ROOM {
        fail!("could not give {ROOM} frames back");
    }
    if kind == "idle" {
        return idle(&store);
    }
    // The persistent ones have other numbers than they would have alone.
    expect("the ephemeral pool", i64::from(rig.new_pool(Kind::Ephemeral)?), 0)?;
    for pool_id in POOLS {
        expect("a pool", i64::from(rig.new_pool(Kind::Persistent)?), pool_id.into())?;
    }
    if kind == "cache" {
        return cache::run(&rig, &store);
    }
    let mut held = Held::new();
    let nr_first = if kind == "few" { FEW } else { PAGES };
    (0..nr_first).try_for_each(|page| held.put_first(&rig, page))?;
    say!("client: stored {nr_first} pages");
    let mut rng = rig.rng(0xc4);
    for round in 1_u32.. {
        if kind == "churn" {
            churn(&rig, &mut held, &mut rng)?;
        }
        let nr_held = held.check(&rig)?;
        if round % TOLD == 1 {
            let refused = held.refused();
            say!("client: round {round}: {nr_held} pages right, {refused} puts refused so far");
        }
        obey(&store, round);
    }
    Ok(())
}

/// Suspends the domain if the toolstack wants it.
fn obey(store: &Store, round: u32) {
    if store.is_to_suspend() {
        shutdown::suspend();
        say!("client: goes on after round {round}");
    }
}

/// Does nothing but what the toolstack asks for.
fn idle(store: &Store) -> CaseResult {
    say!("client: stored 0 pages");
    for round in 1_u32.. {
        if round % 100 == 1 {
            say!("client: round {round}: 0 pages right");
        }
        obey(store, round);
        foreign::give_way();
    }
    Ok(())
}

/// Random things, each checked at once.
fn churn(rig: &Rig, held: &mut Held, rng: &mut Rng) -> CaseResult {
    for _ in 0..STEPS {
        let page = rng.below(u32::try_from(PAGES).unwrap_or(u32::MAX)) as usize;
        match rng.below(2000) {
            0..1100 => held.put(rig, page, Content(rng.next() | 1))?,
            1100..1600 => held.get(rig, page)?,
            1600..1990 => held.flush_page(rig, page)?,
            1990..1998 => held.flush_object(rig, page)?,
            _ => held.renew_pool(rig, page)?,
        }
    }
    Ok(())
}

//! **Measures** for how long a call lets nothing else happen (P29): by events that are due at every
//! moment of a long one, and by the duration of those that are made in one piece.
//!
//! **Why:** while Xen looks at neither its own work nor the guest's events, this CPU is lost to
//! everybody. Under an emulator that counts instructions the figures are the same in every run.
//!
//! **A broken host** lets no event through before a long call is over. A slow one shows in the
//! figures, which `cargo xtask bench --xen` reads.

use super::Case;
use super::domains::fill_pool;
use super::script::put_many;
use crate::rig::{Kind, RING_PAGES, Rig, Ring, at, statuses::SUCCESS};
use crate::toolstack::{Caller, Child, Plan};
use crate::verdict::{CaseResult, Verdict, expect};
use crate::xen::clock::cycles;
use crate::xen::timer::{Lateness, Timer};
use crate::{fail, give_up, say};

pub(super) const CASE: Case =
    Case::price("stretch", "for how long a call lets no event through, in ticks", run);

/// Pages of the pool that is destroyed, and of the object that is flushed.
const PAGES: u32 = 4000;
/// The events of the sweep are due this many ticks after the last one was handled, then twice as
/// many, and so on.
const STEP: u64 = 500;
/// Steps of the sweep.
const STEPS: u64 = 120;
/// Ticks of a loop of the guest's own, in which events come as early as they can.
const IDLE: u64 = 2_000_000;
/// Rounds of puts. What other work of Xen's falls into a put does so in one of them.
const ROUNDS: u32 = 3;

fn run(rig: &mut Rig) -> CaseResult {
    let Some(timer) = Timer::new(&rig.events) else { give_up!("Xen gave no event for the timer") };
    let idle = timer.measure(STEP, || {
        let end = cycles() + IDLE;
        while cycles() < end {}
        SUCCESS
    });
    say!("events of the timer arrive {} ticks late in the guest's own code", idle.latest);
    if idle.arrivals < 10 {
        give_up!("only {} events of the timer arrived in {IDLE} ticks", idle.arrivals);
    }

    let tell_sweep = |op: &str, latest: u64| tell(op, latest.saturating_sub(idle.latest));
    tell_sweep("destroy_pool", sweep(|step| full_pool(rig, &timer, step, Rig::destroy_pool))?);
    let flush = |rig: &Rig, pool| rig.flush_object(at(pool, 0, 0));
    tell_sweep("flush_object", sweep(|step| full_pool(rig, &timer, step, flush))?);
    let bare = sweep(|step| death(&timer, step, 0));
    match bare.and_then(|bare| Ok((bare, sweep(|step| death(&timer, step, PAGES))?))) {
        Ok((bare, latest)) => {
            say!("when a domain without pages dies, events are up to {bare} ticks late");
            tell_sweep("domain_death", latest);
        }
        Err(Verdict::Skip(why)) => say!("the death of a domain is not measured: {why}"),
        Err(verdict) => return Err(verdict),
    }
    tell("put", longest_put(rig)?);
    Ok(())
}

/// By how many ticks an event comes too late at the worst moment of a long call, which
/// `measure` makes with an event due after so many ticks.
fn sweep(measure: impl Fn(u64) -> CaseResult<Lateness>) -> CaseResult<u64> {
    let mut latest = 0;
    let mut arrivals = 0;
    for step in 1..=STEPS {
        let seen = measure(step * STEP)?;
        latest = latest.max(seen.latest);
        arrivals = arrivals.max(seen.arrivals);
    }
    if arrivals < 2 {
        fail!("{PAGES} pages were freed without a moment at which an event was let through");
    }
    Ok(latest)
}

/// `operation` on a pool with one object of many pages.
fn full_pool(
    rig: &Rig,
    timer: &Timer,
    step: u64,
    operation: impl Fn(&Rig, u32) -> i64,
) -> CaseResult<Lateness> {
    let pool = rig.new_pool(Kind::Persistent)?;
    put_many(rig, pool, PAGES)?;
    let seen = timer.measure(step, || operation(rig, pool));
    expect("the long call", seen.answer, SUCCESS)?;
    rig.destroy_pool(pool);
    Ok(seen)
}

/// The death of another domain that has put `pages` pages: all of it, tmem's part and Xen's.
fn death(timer: &Timer, step: u64, pages: u32) -> CaseResult<Lateness> {
    let mut child = Child::build(Plan::new(Caller::Pv64, u64::from(PAGES) + 200))?;
    let pool = child.new_pool(Kind::Persistent)?;
    if pages > 0 {
        fill_pool(&child, pool, pages)?;
    }
    let seen = timer.measure(step, || child.kill());
    expect("killing the domain", seen.answer, 0)?;
    child.destroy()?;
    Ok(seen)
}

/// Ticks of the longest put: nothing is looked at before it is over. The smallest over some rounds
/// of each round's longest.
fn longest_put(rig: &Rig) -> CaseResult<u64> {
    let Some(ring) = Ring::take(&rig.balloon) else { give_up!("the ring has no frames") };
    ring.fill(1);
    let mut shortest = u64::MAX;
    for _ in 0..ROUNDS {
        let pool = rig.new_pool(Kind::Ephemeral)?;
        let mut longest = 0;
        for number in 0..PAGES {
            let handle = at(pool, u64::from(number / RING_PAGES), number % RING_PAGES);
            let start = cycles();
            let answer = rig.put_frame(handle, ring.mfn(number));
            longest = longest.max(cycles() - start);
            expect("put", answer, SUCCESS)?;
        }
        expect("destroy", rig.destroy_pool(pool), SUCCESS)?;
        shortest = shortest.min(longest);
    }
    Ok(shortest)
}

/// A line for whoever reads the log.
fn tell(op: &str, ticks: u64) {
    say!("tmem-guest: stretch {op} {ticks} ticks");
}

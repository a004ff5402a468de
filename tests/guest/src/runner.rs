//! Chooses cases, runs them one after the other from a clean state, prints a verdict for each.

use crate::cases::{CASES, Case, Needs};
use crate::client;
use crate::plain::args::Args;
use crate::rig::{Kind, ROOM, Rig, statuses};
use crate::verdict::{CaseResult, Reason, Verdict};
use crate::xen::caller::{Caller, caller, set_caller};
use crate::xen::platform::{FrameNumbers, platform};
use crate::xen::{Start, clock, memory, version};
use crate::{fail, give_up, say, skip};
use hypercall_abi::{POOLS_PER_DOMAIN_MAX, Uuid};

/// Runs what the command line asks for.
pub fn main(start: Start) {
    let args = Args::new(start.command_line);
    if let Some(kind) = args.values("client").next() {
        return client::run(start, kind);
    }
    say!("tmem-guest: start {} xen {}", env!("CARGO_PKG_VERSION"), version::release());
    if let Err(why) = choose_caller(args) {
        say!("{why}");
        return;
    }
    say!("guest {}, caller {:?}", platform().name(), caller());

    // SAFETY: page 0 holds nothing (the image starts at 1 MiB); a null pointer faults from here on.
    let _still_mapped_at_worst = unsafe { memory::set_mapping(0, None) };

    if args.has("list") {
        for case in CASES {
            for boot in case.boots {
                say!("{:<26} {:<8} {}", case.name, boot.name(), case.about);
            }
        }
    }
    let seed = args.seed().unwrap_or_else(clock::cycles);
    let Some(mut rig) = Rig::new(start, seed) else {
        say!("Xen's start_info makes no sense to this guest");
        return;
    };
    say!("seed {seed:#x} (seed={seed:#x} on the command line repeats it)");

    let mut done = 0_u32;
    for case in CASES.iter().filter(|case| args.selects(case.name, case.boots)) {
        say!("tmem-guest: case {} begin", case.name);
        report(case.name, run_case(&mut rig, case));
        done += 1;
    }
    for name in args.run().filter(|name| CASES.iter().all(|case| case.name != *name)) {
        say!("tmem-guest: case {name} begin");
        report(name, Err(Verdict::Error(Reason::of(format_args!("there is no such case")))));
        done += 1;
    }
    say!("tmem-guest: done {done} cases");
}

/// Sets the mode of calls that the command line asks for.
fn choose_caller(args: Args<'_>) -> Result<(), &'static str> {
    match args.values("caller").next() {
        None | Some("64") => Ok(()),
        Some("32") if platform().frame_numbers() == FrameNumbers::Guest => {
            set_caller(Caller::Bits32);
            Ok(())
        }
        Some("32") => Err("caller=32: a 64-bit PV guest always calls from 64-bit mode"),
        Some(_) => Err("caller=: 64 or 32"),
    }
}

fn report(name: &str, result: CaseResult) {
    match result {
        Ok(()) => say!("tmem-guest: case {name} result SUCCESS"),
        Err(verdict) => say!("tmem-guest: case {name} result {verdict}"),
    }
}

/// A clean state, the case, and a clean state again; a host that can't clean up fails the case.
fn run_case(rig: &mut Rig, case: &Case) -> CaseResult {
    check_needs(rig, case)?;
    // Where tmem is denied there is no pool, and no right to destroy one.
    if case.needs == Needs::Denied {
        make_room(rig)?;
    } else {
        clean(rig)?;
    }
    let result = (case.run)(rig);
    result.and(clean(rig))
}

/// SKIP where the machine is not what the case needs.
fn check_needs(rig: &Rig, case: &Case) -> CaseResult {
    let probe = rig.try_new_pool(Kind::Ephemeral.flags(), Uuid::default());
    let answers = !matches!(probe, statuses::NO_DEVICE | statuses::NOT_IMPLEMENTED);
    match case.needs {
        Needs::Nothing => {}
        Needs::Off if answers => skip!("tmem is enabled in this Xen"),
        Needs::Off if probe == statuses::NOT_IMPLEMENTED => {
            skip!("tmem is not built into this Xen")
        }
        Needs::Off => {}
        Needs::Denied if probe != statuses::NOT_PERMITTED => {
            skip!("no policy denies tmem to this guest: NEW_POOL answers {probe}")
        }
        Needs::Denied => {}
        _ if !answers => skip!("no tmem in this Xen: the hypercall answers {probe}"),
        Needs::Tmem => {}
        Needs::SmallMachine => {
            let mebibytes = memory::highest_ram_frame() >> 8;
            if mebibytes > SMALL_MIB {
                skip!("wants a machine of at most {SMALL_MIB} MiB, this one has {mebibytes}");
            }
        }
    }
    Ok(())
}

/// The largest machine, in MiB, on which a case that fills all memory is worth its time.
const SMALL_MIB: u64 = 256;

/// No pools, and room for persistent ones.
fn clean(rig: &mut Rig) -> CaseResult {
    for pool_id in 0..POOLS_PER_DOMAIN_MAX {
        let answer = rig.destroy_pool(pool_id);
        if !matches!(
            answer,
            statuses::SUCCESS | statuses::NOTHING | statuses::NO_DEVICE | statuses::NOT_IMPLEMENTED
        ) {
            fail!("destroy of pool {pool_id} between two cases: answered {answer}");
        }
    }
    make_room(rig)
}

fn make_room(rig: &mut Rig) -> CaseResult {
    let room = rig.balloon.set_room(ROOM);
    if room != ROOM {
        give_up!("could not set the room for persistent pages: {room} frames, not {ROOM}");
    }
    Ok(())
}

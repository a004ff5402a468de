//! **Checks** two vCPUs of one domain at one page: one puts newer and newer versions, flushes and gets,
//! the other gets, puts or flushes the same page meanwhile; and at one pool, which one of them or both
//! destroy and make anew under the other's calls (R4, R6, R7, R8, R17, R22, R23, P2, P36). Each of the
//! thousands of answers is one that the rules allow; what a get brings is one version, whole, and never
//! an older one than before; a page that nobody flushes is never missed; afterwards the domain has its
//! room, to the frame (R49).
//!
//! **Why:** a guest has many vCPUs and no lock around its calls. What it does to itself must not harm
//! Xen, and what it may rely on must hold.
//!
//! **A broken host** mixes two puts, brings back a version that was replaced or a pool's that is gone,
//! loses a page while it is replaced, leaks a frame, or crashes.

use super::super::Case;
use crate::fail;
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{EMPTY, NOTHING, NO_DEVICE, SUCCESS},
};
use crate::toolstack::{Call, Caller, Child, Plan, Words};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::{Handle, NewPool, Op};

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::DomainsFour],
    "vcpu-races",
    "two vCPUs at one page and at one pool get allowed answers, whole pages, none too old",
    |rig| {
        [Caller::Pv64, Caller::Pvh64]
            .into_iter()
            .try_for_each(|caller| race_at_a_page(rig, Racers { caller, rounds: 2000 }))
    },
);

/// Frames that the domain's maximum leaves for pages.
const ROOM: u32 = 200;
/// The page that both are at.
const PAGE: Handle = at(0, 1, 1);
/// One that only the first is at.
const OWN: Handle = at(0, 2, 2);
/// What the words of the vCPUs' pages begin with.
const KIND: u32 = 0x7e57;

/// Who races.
#[derive(Clone, Copy, Debug)]
pub(super) struct Racers {
    /// The kind of domain.
    pub(super) caller: Caller,
    /// How often each vCPU goes through its list.
    pub(super) rounds: u32,
}

/// All races of domains of one kind.
///
/// # Errors
/// Failure, if an answer or a page is not one that the rules allow, or a frame is lost.
pub(super) fn race_at_a_page(rig: &Rig, racers: Racers) -> CaseResult {
    let bystander = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    rig.put(bystander, Content(1))?;
    replaced_and_read(racers)?;
    for kind in Kind::BOTH {
        flushed_and_read(racers, kind)?;
        both_write(racers, kind)?;
        destroyed_under(racers, kind)?;
        both_destroy(racers, kind)?;
    }
    rig.get_hit(bystander, Content(1))
}

/// A domain of two racing vCPUs, and a third that asks for memory in the end.
struct Race {
    child: Child,
    rounds: u32,
}

impl Race {
    fn new(racers: Racers) -> CaseResult<Self> {
        let Racers { caller, rounds } = racers;
        let child = Child::build(Plan::new(caller, ROOM.into()).with_vcpus(3))?;
        let race = Self { child, rounds };
        // A target is whole before the first hit.
        let fill = [race.source(0).fill(), race.target(0).fill(), race.target(1).fill()];
        race.child.run(0, &fill)?;
        Ok(race)
    }

    /// The page that a vCPU puts from.
    fn source(&self, vcpu: usize) -> Words {
        Words { address: self.child.address(vcpu * 2), kind: KIND }
    }

    /// The page that a vCPU gets into.
    fn target(&self, vcpu: usize) -> Words {
        Words { address: self.child.address(vcpu * 2 + 1), kind: KIND }
    }

    fn put(&self, vcpu: usize, handle: Handle) -> CaseResult<Call> {
        self.child.tmem_call(&Op::PutPage { handle, cmfn: self.child.frame(vcpu * 2) }).map(strict)
    }

    fn get(&self, vcpu: usize, handle: Handle) -> CaseResult<Call> {
        let cmfn = self.child.frame(vcpu * 2 + 1);
        self.child.tmem_call(&Op::GetPage { handle, cmfn }).map(strict)
    }

    fn flush(&self, handle: Handle) -> CaseResult<Call> {
        self.child.tmem_call(&Op::FlushPage { handle }).map(strict)
    }

    fn flush_object(&self, handle: Handle) -> CaseResult<Call> {
        let op = Op::FlushObject { pool_id: handle.pool_id, object: handle.object };
        self.child.tmem_call(&op).map(strict)
    }

    fn new_pool(&self, kind: Kind) -> CaseResult<Call> {
        let pool = NewPool { flags: kind.flags(), ..NewPool::default() };
        self.child.tmem_call(&Op::NewPool(pool)).map(strict)
    }

    fn destroy_pool(&self, pool_id: u32) -> CaseResult<Call> {
        self.child.tmem_call(&Op::DestroyPool { pool_id }).map(strict)
    }

    /// Both go through their lists at once.
    fn race(&self, lists: [&[Call]; 2]) -> CaseResult {
        self.child.set_running(true)?;
        for (vcpu, list) in lists.iter().enumerate() {
            self.child.start(vcpu, list, self.rounds)?;
        }
        for vcpu in 0..2 {
            self.child.wait(vcpu)?;
        }
        (0..2).try_for_each(|vcpu| self.child.nothing_strange(vcpu))
    }

    /// How often a vCPU's call was answered 1.
    fn hits(&self, vcpu: usize, number: usize) -> CaseResult<u32> {
        Ok(self.child.counts(vcpu, number)?.0)
    }

    /// A check of the vCPU's list must have been answered 1 each time.
    fn always(&self, what: &str, vcpu: usize, number: usize) -> CaseResult {
        let (good, bad) = self.child.counts(vcpu, number)?;
        if bad != 0 || good != self.rounds {
            fail!("{:?}: {what}: {bad} times not, {good} times", self.child.caller());
        }
        Ok(())
    }

    fn never(&self, what: &str, vcpu: usize, number: usize) -> CaseResult {
        expect(what, self.hits(vcpu, number)?.into(), 0)
    }

    /// Without pools the domain can have all the memory that its maximum allows, and no more.
    fn end(self) -> CaseResult {
        for pool in 0..4 {
            self.child.destroy_pool(pool)?;
        }
        self.child.start(2, &[self.child.populate_call(2, 0, 0x1_0000)?], ROOM + 10)?;
        self.child.wait(2)?;
        expect("frames of room in the end", self.hits(2, 0)?.into(), ROOM.into())?;
        self.child.destroy()
    }
}

/// Nothing but 1 is a good answer.
fn strict(call: Call) -> Call {
    call.or(&[])
}

/// One replaces a page; the other never misses it.
fn replaced_and_read(racers: Racers) -> CaseResult {
    let race = Race::new(racers)?;
    race.child.new_pool(Kind::Persistent)?;
    race.child.run(0, &[race.put(0, PAGE)?])?;
    let writer = [
        race.source(0).fill().stepping(),
        race.put(0, PAGE)?,
        race.get(0, PAGE)?,
        race.target(0).is_same().stepping(),
    ];
    let reader = [race.get(1, PAGE)?, race.target(1).is_later()];
    race.race([&writer, &reader])?;
    race.always("the writer gets what it put", 0, 3)?;
    race.always("the reader finds the page", 1, 0)?;
    race.always("the reader gets no older page", 1, 1)?;
    race.end()
}

/// One puts and flushes; the other may miss.
fn flushed_and_read(racers: Racers, kind: Kind) -> CaseResult {
    let race = Race::new(racers)?;
    race.child.new_pool(kind)?;
    let misses = [NOTHING, EMPTY];
    let writer = [
        race.source(0).fill().stepping(),
        race.put(0, PAGE)?,
        race.put(0, OWN)?,
        race.get(0, OWN)?,
        race.target(0).is_same().stepping(),
        race.flush(PAGE)?,
        race.get(0, PAGE)?.or(&misses),
        race.put(0, PAGE)?,
        race.flush_object(PAGE)?,
        race.get(0, PAGE)?.or(&misses),
    ];
    let reader = [race.get(1, PAGE)?.or(&misses), race.target(1).is_later()];
    race.race([&writer, &reader])?;
    race.always("the writer gets what it put", 0, 4)?;
    race.never("gets of a flushed page", 0, 6)?;
    race.never("gets of a flushed object", 0, 9)?;
    race.always("the reader gets no older page", 1, 1)?;
    race.end()
}

/// Both put, get and flush. Of an ephemeral page there are no more hits than puts.
fn both_write(racers: Racers, kind: Kind) -> CaseResult {
    let race = Race::new(racers)?;
    race.child.new_pool(kind)?;
    race.child.run(1, &[race.source(1).fill()])?;
    let misses = [NOTHING, EMPTY];
    let list = |vcpu| -> CaseResult<[Call; 8]> {
        Ok([
            race.source(vcpu).fill().stepping(),
            race.put(vcpu, PAGE)?,
            race.get(vcpu, PAGE)?.or(&misses),
            race.get(vcpu, PAGE)?.or(&misses),
            race.target(vcpu).is_whole(),
            race.put(vcpu, PAGE)?,
            race.flush(PAGE)?,
            race.flush_object(PAGE)?,
        ])
    };
    race.race([&list(0)?, &list(1)?])?;
    for vcpu in 0..2 {
        race.always("a page is one put's", vcpu, 4)?;
    }
    let hits = race.hits(0, 2)? + race.hits(0, 3)? + race.hits(1, 2)? + race.hits(1, 3)?;
    if kind == Kind::Ephemeral && hits > 4 * race.rounds {
        fail!("{hits} hits of a page that was put {} times", 4 * race.rounds);
    }
    expect("the flushed pool", race.child.op(&get_of(&race, PAGE))?, EMPTY)?;
    race.end()
}

/// One makes and destroys the pool; the other works with it.
fn destroyed_under(racers: Racers, kind: Kind) -> CaseResult {
    let race = Race::new(racers)?;
    let maker = [
        race.new_pool(kind)?.or(&[0]),
        race.source(0).fill().stepping(),
        race.put(0, OWN)?,
        race.get(0, OWN)?,
        race.target(0).is_same().stepping(),
        race.put(0, PAGE)?,
        race.destroy_pool(0)?,
        race.get(0, PAGE)?.or(&[NO_DEVICE]),
    ];
    let other = at(0, 1, 7);
    let user = [
        race.get(1, PAGE)?.or(&[NOTHING, EMPTY, NO_DEVICE]),
        race.target(1).is_later(),
        race.put(1, other)?.or(&[NO_DEVICE]),
        race.flush(other)?.or(&[NO_DEVICE]),
        race.put(1, other)?.or(&[NO_DEVICE]),
        race.flush_object(at(0, 3, 0))?.or(&[NO_DEVICE]),
    ];
    race.race([&maker, &user])?;
    race.never("NEW_POOL gave another id than 0", 0, 0)?;
    race.always("the maker gets what it put", 0, 4)?;
    race.never("gets from a destroyed pool", 0, 7)?;
    race.always("the user gets no older pool's page", 1, 1)?;
    race.end()
}

/// Both make pools and destroy both ids.
fn both_destroy(racers: Racers, kind: Kind) -> CaseResult {
    let race = Race::new(racers)?;
    let gone = [NO_DEVICE, NOTHING, EMPTY];
    let list = |vcpu| -> CaseResult<[Call; 8]> {
        Ok([
            race.new_pool(kind)?.or(&[0]),
            race.source(vcpu).fill().stepping(),
            race.put(vcpu, PAGE)?.or(&[NO_DEVICE]),
            race.get(vcpu, PAGE)?.or(&gone),
            race.target(vcpu).is_whole(),
            race.put(vcpu, at(1, 1, 1))?.or(&[NO_DEVICE]),
            race.destroy_pool(0)?.or(&[NOTHING]),
            race.destroy_pool(1)?.or(&[NOTHING]),
        ])
    };
    race.child.run(1, &[race.source(1).fill()])?;
    race.race([&list(0)?, &list(1)?])?;
    for vcpu in 0..2 {
        race.always("a page is one put's", vcpu, 4)?;
    }
    expect("the first pool afterwards", race.child.new_pool(kind)?.into(), 0)?;
    expect("a get from it", race.child.op(&get_of(&race, PAGE))?, EMPTY)?;
    expect("its destruction", race.child.destroy_pool(0)?, SUCCESS)?;
    race.end()
}

fn get_of(race: &Race, handle: Handle) -> Op {
    Op::GetPage { handle, cmfn: race.child.target_frame() }
}

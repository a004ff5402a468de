//! **Checks** that a domain's memory and its persistent pages never exceed its maximum, and reach it to
//! the frame, while two of its vCPUs put pages and a third one asks Xen for memory, all at once and in
//! either order (R48, P6, P34); and while one flushes pages meanwhile (R49). A flushed page is room for
//! one frame and no second; a destroyed pool gives all its room back; every page whose put was accepted
//! is there, and none besides (R11).
//!
//! **Why:** the domain's maximum is what the host can rely on. Two tests of it, one in tmem and one in
//! Xen, each right alone, let too much in when both look before either has taken.
//!
//! **A broken host** lets a frame too many in or loses one, now and then.

use super::super::Case;
use crate::{fail, give_up};
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::rig::{
    Kind, Rig, at,
    statuses::{NO_MEMORY, SUCCESS},
};
use crate::toolstack::{Call, Caller, Child, Plan};
use crate::verdict::{CaseResult, expect};
use crate::xen::memory::claim;
use core::sync::atomic::Ordering;
use hypercall_abi::Op;

pub(in super::super) const CASE: Case = Case::with_domains(
    &[Boot::DomainsFour],
    "limit-race",
    "two vCPUs put and a third balloons up: together they reach the maximum, to the frame",
    |rig| {
        let befores = [Before::Nothing, Before::Puts, Before::Memory];
        [Caller::Pv64, Caller::Pvh64]
            .into_iter()
            .try_for_each(|caller| race_to_the_limit(rig, caller, &befores))
    },
);

/// Frames between what a domain has at first and its maximum.
const ROOM: u32 = 1200;
/// The vCPU that asks for memory; the first two put.
const GROWER: usize = 2;
/// What every page holds.
const FILLING: Content = Content(3);
/// Guest frames for the memory: so many for each part of a race.
const FRAMES: u64 = 0x1_0000;
/// How many frames of metadata more or fewer there may be after a race than after the same number of puts
/// in order: among puts that are refused are some accepted ones, that needed no metadata.
const METADATA_VARIES: u32 = 8;

/// How often the maximum is raised by one frame.
const RAISES: u32 = 60;
/// How often one vCPU may be through before the others begin: the host of the emulator may be busy.
const ATTEMPTS: u32 = 20;

/// Which of the two has begun before the race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Neither; and in the end the maximum is raised, frame by frame.
    Nothing,
    /// Half of the room is taken by pages.
    Puts,
    /// Half of it is taken by memory.
    Memory,
}

/// Races of domains of one kind, while others have pages.
///
/// # Errors
/// Failure, if a maximum is exceeded or not reached, or a page is lost.
pub(super) fn race_to_the_limit(rig: &Rig, caller: Caller, befores: &[Before]) -> CaseResult {
    let bystander = at(rig.new_pool(Kind::Persistent)?, 1, 1);
    rig.put(bystander, Content(1))?;
    let other = Child::build(Plan::new(Caller::Pv64, 10))?;
    let others = at(other.new_pool(Kind::Persistent)?, 1, 1);
    other.put(others, Content(2))?;
    for &before in befores {
        let mut attempts = 0;
        while !race(caller, before)? {
            attempts += 1;
            if attempts == ATTEMPTS {
                give_up!("{caller:?} {before:?}: one vCPU was through before the others began");
            }
        }
    }
    other.get_hit(others, Content(2))?;
    other.destroy()?;
    rig.get_hit(bystander, Content(1))
}

/// A domain at its maximum, and what it has there.
struct Full {
    child: Child,
    pool: u32,
    /// Frames that it had before it got any.
    at_first: u64,
    /// Pages stored, by the object that they are in.
    stored: [u32; OBJECTS],
    /// Frames that it got.
    got: u32,
}

/// Objects: one before the race, one for each vCPU in it, one for the second race, and two that are
/// refused.
const OBJECTS: usize = 6;

/// Whether it was a race: at least two had some of the room.
fn race(caller: Caller, before: Before) -> CaseResult<bool> {
    let mut full = Full::begin(caller, ROOM)?;
    match before {
        Before::Nothing => {}
        Before::Puts => full.at_once(&[(0, Act::Put(0))], ROOM / 2)?,
        Before::Memory => full.at_once(&[(GROWER, Act::Grow)], ROOM / 2)?,
    }
    let all = [(0, Act::Put(1)), (1, Act::Put(2)), (GROWER, Act::Grow)];
    let got = full.got;
    full.at_once(&all, ROOM)?;
    let [_, one, other, ..] = full.stored;
    if [one, other, full.got - got].into_iter().filter(|&part| part > 0).count() < 2 || one.max(other) < 3 {
        full.child.destroy()?;
        return Ok(false);
    }
    let metadata = full.check("after the race")?;
    let in_order = metadata_in_order(caller, full.stored)?;
    if metadata.abs_diff(in_order) > METADATA_VARIES {
        fail!("{metadata} frames of metadata, in order {in_order}: {:?} {before:?}", full.stored);
    }

    // At its maximum nothing is let in.
    let (stored, got) = (full.stored, full.got);
    let others = [(0, Act::Put(4)), (1, Act::Put(5)), (GROWER, Act::Grow)];
    full.at_once(&others, 300)?;
    if (stored, got) != (full.stored, full.got) {
        fail!("more was let in: {stored:?} {got}, then {:?} {}", full.stored, full.got);
    }

    // What goes comes back to one of the others.
    let moving = [(0, Act::Flush(1)), (1, Act::Put(3)), (GROWER, Act::Grow)];
    full.at_once(&moving, ROOM)?;
    full.check("after flushes among puts")?;

    // One frame of room, again and again, is for one of them.
    if before == Before::Nothing {
        full.raise(&others)?;
    }
    full.end()?;
    Ok(true)
}

/// What a vCPU does over and over, each time to the next page or frame.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Puts pages into an object.
    Put(usize),
    /// Flushes pages of an object.
    Flush(usize),
    /// Gets pages of an object.
    Get(usize),
    /// Asks for frames.
    Grow,
}

impl Full {
    fn begin(caller: Caller, room: u32) -> CaseResult<Self> {
        let child = Child::build(Plan::new(caller, room.into()).with_vcpus(3))?;
        let pool = child.new_pool(Kind::Persistent)?;
        child.fill_source(FILLING)?;
        let Some(info) = child.release().info(child.domid()) else {
            fail!("the domain is gone");
        };
        let at_first = info.tot_pages;
        Ok(Self { child, pool, at_first, stored: [0; OBJECTS], got: 0 })
    }

    fn call(&self, vcpu: usize, act: Act) -> CaseResult<Call> {
        let child = &self.child;
        let page = |object: usize| at(self.pool, object as u64, 0);
        let op = match act {
            // Frames that it did not get are asked for again.
            Act::Grow => return child.populate_call(vcpu, 0, FRAMES + u64::from(self.got)),
            Act::Put(object) => Op::PutPage { handle: page(object), cmfn: child.source_frame() },
            Act::Flush(object) => Op::FlushPage { handle: page(object) },
            Act::Get(object) => Op::GetPage { handle: page(object), cmfn: child.target_frame() },
        };
        Ok(child.tmem_call(&op)?.stepping())
    }

    /// Has vCPUs do these at once, so many times, and adds up what was accepted.
    fn at_once(&mut self, acts: &[(usize, Act)], times: u32) -> CaseResult {
        // To a vCPU no rounds are rounds without an end.
        if times == 0 {
            return Ok(());
        }
        // All of them wait for work by the time that the first one gets some.
        self.child.set_running(true)?;
        for &(vcpu, act) in acts {
            self.child.start(vcpu, &[self.call(vcpu, act)?], times)?;
        }
        for &(vcpu, _) in acts {
            self.child.wait(vcpu)?;
        }
        self.add_up(acts, times)
    }

    /// Adds up what was accepted of acts that are over, each of them so many times.
    fn add_up(&mut self, acts: &[(usize, Act)], times: u32) -> CaseResult {
        for &(vcpu, act) in acts {
            let (successes, _) = self.child.counts(vcpu, 0)?;
            match act {
                Act::Grow => self.got += successes,
                Act::Put(object) => {
                    if let Some(stored) = self.stored.get_mut(object) {
                        *stored += successes;
                    }
                }
                Act::Flush(object) => {
                    expect("flushes", successes.into(), times.into())?;
                    if let Some(stored) = self.stored.get_mut(object) {
                        *stored = 0;
                    }
                }
                Act::Get(_) => {}
            }
        }
        Ok(())
    }

    /// A page that is flushed is room for one frame and no second.
    fn one_for_one(&mut self, when: &str) -> CaseResult {
        let Some(object) = (0..OBJECTS).rev().find(|&object| self.stored[object] > 2) else {
            // The others had everything.
            return Ok(());
        };
        expect(when, self.child.try_put(at(self.pool, 9, 9), FILLING)?, NO_MEMORY)?;
        let middle = self.find(object)?;
        expect("flush", self.child.flush_page(at(self.pool, object as u64, middle))?, SUCCESS)?;
        self.stored[object] -= 1;
        let grown = self.count(Act::Grow, 3)?;
        if grown != 1 {
            fail!("{when}: a page was flushed, {grown} frames could be had for it");
        }
        expect(when, self.child.try_put(at(self.pool, 9, 9), FILLING)?, NO_MEMORY)?;
        Ok(())
    }

    /// Raises the maximum by one frame, again and again, while vCPUs want it. That what there was then
    /// had not exceeded the maximum shows in that the frame can be claimed, before they go on.
    fn raise(&mut self, acts: &[(usize, Act)]) -> CaseResult {
        let (release, domid) = (self.child.release(), self.child.domid());
        for &(vcpu, act) in acts {
            self.child.start(vcpu, &[self.call(vcpu, act)?], 0)?;
        }
        for raised in 1..=RAISES {
            self.child.set_running(false)?;
            let Some(info) = release.info(domid) else { fail!("the domain is gone") };
            let answer = release.max_mem(domid, (info.max_pages + 1) * 4);
            expect("raising the maximum", answer, 0)?;
            match claim(domid, info.tot_pages + 1) {
                0 => expect("ending the claim", claim(domid, 0), 0)?,
                answer => fail!("too much was let in before raise {raised}: a claim is {answer}"),
            }
            self.child.set_running(true)?;
            for &(vcpu, _) in acts {
                let ended = &self.child.mailbox(vcpu)?.ended;
                let before = ended.load(Ordering::SeqCst);
                let two_more = || Ok(ended.load(Ordering::SeqCst).wrapping_sub(before) >= 2);
                self.child.wait_for(two_more)?;
            }
        }
        acts.iter().try_for_each(|&(vcpu, _)| self.child.stop(vcpu))?;
        acts.iter().try_for_each(|&(vcpu, _)| self.child.wait(vcpu))?;
        self.add_up(acts, 0)
    }

    /// How often an act is answered 1 by a vCPU alone.
    fn count(&mut self, act: Act, times: u32) -> CaseResult<u32> {
        let vcpu = if matches!(act, Act::Grow) { GROWER } else { 0 };
        let got = self.got;
        self.at_once(&[(vcpu, act)], times)?;
        Ok(if self.got > got { self.got - got } else { self.child.counts(vcpu, 0)?.0 })
    }

    /// Checks the domain at its maximum; how many frames of metadata it is charged.
    fn check(&mut self, when: &str) -> CaseResult<u32> {
        // What a put was refused for may have been given back behind the others.
        self.count(Act::Grow, ROOM)?;
        let all = self.charged(when)?;
        let pages: u32 = self.stored.iter().sum();
        let Some(metadata) = all.checked_sub(pages).filter(|&frames| frames > 0) else {
            fail!("{when}: {pages} pages are stored in {all} frames");
        };

        self.one_for_one(when)?;
        for object in 0..OBJECTS {
            let hits = self.count(Act::Get(object), ROOM)?;
            let want = self.stored[object];
            if hits != want {
                fail!("{when}: {hits} pages of object {object} are there, {want} were put");
            }
        }
        Ok(metadata)
    }
}

impl Full {
    /// Frames of tmem's that the domain is charged, being at its maximum.
    fn charged(&self, when: &str) -> CaseResult<u32> {
        let Some(info) = self.child.release().info(self.child.domid()) else {
            fail!("{when}: the domain is gone");
        };
        let has = self.at_first + u64::from(self.got);
        if info.tot_pages != has {
            fail!("{when}: the domain has {} frames, it was given {has}", info.tot_pages);
        }
        match info.max_pages.checked_sub(has).map(u32::try_from) {
            Some(Ok(frames)) => Ok(frames),
            _ => fail!("{when}: the domain has {has} frames, its maximum is {}", info.max_pages),
        }
    }

    /// The index of a page of the object, not the first nor the last.
    fn find(&self, object: usize) -> CaseResult<u32> {
        for index in self.stored[object] / 2..ROOM {
            let handle = at(self.pool, object as u64, index);
            if self.child.op(&Op::GetPage { handle, cmfn: self.child.target_frame() })? == SUCCESS {
                self.child.check_target(handle, FILLING)?;
                return Ok(index);
            }
        }
        fail!("no page of object {object} is there, {} were put", self.stored[object])
    }

    /// The pool's room comes back, to the frame.
    fn end(mut self) -> CaseResult {
        let room = self.charged("at the end")?;
        expect("destroy", self.child.destroy_pool(self.pool)?, SUCCESS)?;
        let grown = self.count(Act::Grow, room + 10)?;
        if grown != room {
            fail!("a pool of {room} frames was destroyed, {grown} could be had for it");
        }
        self.child.destroy()
    }
}

/// Frames of metadata that the same pages cost if they are put one after the other.
fn metadata_in_order(caller: Caller, stored: [u32; OBJECTS]) -> CaseResult<u32> {
    let mut full = Full::begin(caller, ROOM * 2)?;
    for (object, pages) in stored.into_iter().enumerate() {
        full.at_once(&[(0, Act::Put(object))], pages)?;
    }
    full.count(Act::Grow, ROOM * 2)?;
    let pages: u32 = full.stored.iter().sum();
    if full.stored != stored {
        fail!("of {stored:?} pages {:?} were stored, with room for more", full.stored);
    }
    let metadata = full.charged("in order")? - pages;
    full.end()?;
    Ok(metadata)
}

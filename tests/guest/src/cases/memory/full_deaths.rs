//! **Checks** that domains are destroyed at random moments of busy lives, 100 of them and in long runs
//! 2,000, up to three at once, on a host of which nothing at all is free and whose ephemeral pages fill the
//! rest, so that every page that they put and every frame that they are built of has to be evicted first
//! (R11, R27, R29, P36, P58): each can be built and is dead with its pools gone; when those that lived at
//! once are dead, tmem knows of each frame that Xen has ever given to it, and what is free and what tmem
//! has is together what it was, but for a few frames of Xen's own; and one who lives on, and gets its
//! pages while the others die, has each of them, byte for byte, as the first domain has.
//!
//! **Why:** a host that is full is the usual one. There a domain dies while others evict its pages, and
//! while its own puts evict theirs; and the frames that it leaves are wanted by the next one.
//!
//! **A broken host** crashes, frees a page twice that is evicted while its owner dies, evicts one that is
//! to stay, loses a frame, or has none for the next domain.

use super::super::Case;
use super::super::domains::{holdings, life::Life};
use super::{FullHost, Hoard, LEFT_MAX, build, free_pages, more_than_fits};
use crate::plain::args::Boot;
use crate::plain::content::Content;
use crate::plain::rng::Rng;
use crate::rig::{Kind, Rig, at, statuses::SUCCESS};
use crate::toolstack::{Call, Caller, Child, Control, Plan, Words};
use crate::verdict::{CaseResult, Verdict, expect};
use crate::xen::foreign::rest;
use crate::{fail, give_up, say};
use hypercall_abi::Op;
use hypercall_abi::control::StatsCounters;

pub(in super::super) const CASE: Case = Case::full(
    &[Boot::MemorySmp],
    "full-deaths",
    "on a full host 100 domains die at random moments, others are built of what they leave",
    |rig| die(rig, 100),
);

/// Domains that live at once, at most.
const AT_ONCE: u32 = 3;
/// Deaths before the host's frames are counted: Xen gets then what it keeps.
const WARM_UP: u32 = 20;
/// Frames that Xen may have more of its own, and deaths for which it may have one more.
const KEPT: u64 = 40;
const DEATHS_PER_FRAME: u64 = 8;
/// How often it is looked whether they are back.
const PATIENCE: u32 = 200_000;
/// Pages that are put between two looks at whether one was evicted.
const BATCH: u32 = 64;

/// So many deaths, or up to two more.
///
/// # Errors
/// Failure, if a domain can't be built, anything is left of one, or anything is taken from others.
pub(super) fn die(rig: &Rig, wanted: u32) -> CaseResult {
    let mut rng = rig.rng(0xdead_f011);
    let mut world = World::begin(rig, Control::new()?)?;
    let mut most = 0;
    while world.deaths < wanted {
        let deaths = world.deaths;
        let result = world.generation(rig, &mut rng, &mut most);
        if result.is_err() {
            say!("among the {AT_ONCE} deaths from {deaths} on, seed {:#x}", rig.seed);
        }
        result?;
    }
    let World { deaths, cut_short, evicted, .. } = world;
    say!("{deaths} domains died, {cut_short} of them with a call begun and not ended");
    say!("for each of them {} pages were evicted when it was built", evicted / u64::from(deaths));
    let now = world.all_frames()?;
    say!("of {most} frames, free ones and tmem's, {now} are left");
    if cut_short < deaths / 10 {
        give_up!("only {cut_short} of {deaths} domains died in the middle of a call");
    }
    world.witness.check()?;
    world.host.check(rig)
}

/// A full host, and who outlives all others.
struct World {
    control: Control,
    host: FullHost,
    /// The next of the host's pages to be put.
    next: u32,
    hoard: Hoard,
    witness: Witness,
    deaths: u32,
    /// Of these, those of which a vCPU had begun a call that did not end.
    cut_short: u32,
    /// Pages that were evicted while domains were built.
    evicted: u64,
}

impl World {
    fn begin(rig: &Rig, control: Control) -> CaseResult<Self> {
        let host = FullHost::fill(rig)?;
        let witness = Witness::new()?;
        let hoard = Hoard::build()?;
        Ok(Self { control, host, next: 0, hoard, witness, deaths: 0, cut_short: 0, evicted: 0 })
    }

    /// Some domains are built, live at once and die one after the other.
    fn generation(&mut self, rig: &Rig, rng: &mut Rng, most: &mut u64) -> CaseResult {
        self.fill_up(rig)?;
        let spared = free_pages()?;
        if self.hoard.grow(spared)? != spared {
            fail!("{spared} pages were free, and a domain did not get them");
        }
        let evicted = self.counters()?.evictions_suffered;
        let mut living = [const { None }; AT_ONCE as usize];
        for place in living.iter_mut().take(1 + rng.below(AT_ONCE) as usize) {
            *place = Some(must(Life::begin(self.control, rng))?);
        }
        self.evicted += self.counters()?.evictions_suffered - evicted;
        for life in living.iter().flatten() {
            life.set_to_work(rng)?;
        }
        for life in living.iter_mut().filter_map(Option::take) {
            self.witness.begin_check()?;
            life.reach_the_end(rng)?;
            self.cut_short += u32::from(life.end(self.control)?);
            self.deaths += 1;
            self.witness.end_check()?;
        }
        self.hoard.check()?;
        self.host.check_persistent(rig)?;
        self.hoard.shrink(spared)?;
        holdings::check(self.control)?;
        self.frames_are_back(most)
    }

    /// Puts the host's pages until one had to be evicted for them, and goes on where it was the next
    /// time.
    fn fill_up(&mut self, rig: &Rig) -> CaseResult {
        let evicted = self.counters()?.evictions_suffered;
        for _ in 0..more_than_fits() / BATCH {
            for _ in 0..BATCH {
                self.next = (self.next + 1) % more_than_fits();
                let content = Content::of(1, self.next.into());
                let answer = rig.try_put(self.host.page(self.next), content);
                expect("an ephemeral put on a full host", answer, SUCCESS)?;
            }
            if self.counters()?.evictions_suffered > evicted {
                let free = free_pages()?;
                if free > LEFT_MAX {
                    fail!("a page was evicted for a put while {free} frames were free");
                }
                return Ok(());
            }
        }
        fail!("as many pages were put as the host has, and none was evicted");
    }

    fn counters(&self) -> CaseResult<StatsCounters> {
        holdings::told(self.control)
    }

    /// Frames that nobody has, and tmem's: what domains and Xen do not have.
    fn all_frames(&self) -> CaseResult<u64> {
        Ok(free_pages()? + self.counters()?.held_frames)
    }

    /// The domain's remains go a while after its id: Xen waits until no processor looks at them, and an
    /// emulated one may be held up.
    fn frames_are_back(&self, most: &mut u64) -> CaseResult {
        if self.deaths < WARM_UP {
            return Ok(());
        }
        let allowed = KEPT + u64::from(self.deaths) / DEATHS_PER_FRAME;
        let mut now = 0;
        for _ in 0..PATIENCE {
            now = self.all_frames()?;
            if now + allowed >= *most {
                *most = now.max(*most);
                return Ok(());
            }
            rest();
        }
        fail!("free ones and tmem's were {most} frames, {now} are after {} deaths", self.deaths);
    }
}

/// What there is enough memory for must not be refused.
fn must<T>(result: CaseResult<T>) -> CaseResult<T> {
    result.map_err(|verdict| match verdict {
        Verdict::Error(reason) => Verdict::Failure(reason),
        other => other,
    })
}

/// Persistent pages of the witness's.
const PAGES: u32 = 200;
/// What the words of its pages begin with.
const KIND: u32 = 0x5eed;
/// Of its pages for cases, the one that it puts from and the one that it gets into.
const SOURCE: usize = 0;
const TARGET: usize = 2;

/// A domain with persistent pages, each of other content, which it gets and compares itself.
struct Witness(Child);

impl Witness {
    fn new() -> CaseResult<Self> {
        let witness = Self(build(Plan::new(Caller::Pv64, u64::from(PAGES) * 2))?);
        expect("its pool", witness.0.new_pool(Kind::Persistent)?.into(), 0)?;
        let put = Op::PutPage { handle: at(0, 1, 0), cmfn: witness.0.frame(SOURCE) };
        let put = witness.0.tmem_call(&put)?.stepping();
        witness.0.start(0, &[witness.words(SOURCE).fill().stepping(), put], PAGES)?;
        witness.0.wait(0)?;
        expect("its puts", witness.0.counts(0, 1)?.0.into(), PAGES.into())?;
        Ok(witness)
    }

    fn words(&self, page: usize) -> Words {
        Words { address: self.0.address(page), kind: KIND }
    }

    /// Has it get all its pages, each of which must be what it put.
    fn begin_check(&self) -> CaseResult {
        let get = Op::GetPage { handle: at(0, 1, 0), cmfn: self.0.frame(TARGET) };
        let list: [Call; 2] =
            [self.0.tmem_call(&get)?.stepping(), self.words(TARGET).is_same().stepping()];
        self.0.start(0, &list, PAGES)
    }

    fn end_check(&self) -> CaseResult {
        self.0.wait(0)?;
        for (number, what) in ["hits", "pages as they were put"].into_iter().enumerate() {
            let (good, bad) = self.0.counts(0, number)?;
            if (good, bad) != (PAGES, 0) {
                fail!("of {PAGES} pages of one who lives on there are {good} {what}");
            }
        }
        Ok(())
    }

    fn check(&self) -> CaseResult {
        self.begin_check()?;
        self.end_check()
    }
}

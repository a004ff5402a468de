//! A domain that outlives others, with pages in a pool of its own, in a shared one that it owns and in
//! one that it joins while another owns it. The first domain, too, has a page.
//!
//! Each step is one list of calls: on an emulated machine of several processors what takes long is to
//! wake the domain up.

use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::SUCCESS};
use crate::toolstack::{Call, Caller, Child, Control, Plan};
use crate::verdict::{CaseResult, expect};
use hypercall_abi::{NewPool, Op, PoolFlags, Uuid};

/// Pages of the survivor's in each of its pools.
const PAGES: u32 = 4;
/// Ephemeral pages of the survivor's when it has left the pool that it joins.
pub(super) const EPHEMERAL_PAGES: u64 = PAGES as u64;
/// The object that they are in.
const OBJECT: u64 = 100;
/// The survivor's pools, by id.
const OWN: u32 = 0;
const OWNED: u32 = 1;
const JOINED: u32 = 2;
const POOLS: u32 = 3;
/// Of the pages for cases, the first that is put from, and the first that is got into: one for each page
/// of each pool.
const SOURCES: usize = 0;
const TARGETS: usize = (POOLS * PAGES) as usize;
/// In a target before a get.
const POISON: Content = Content(0x7e57_ab1e_0bad_0001);

/// The flags word of a shared pool.
pub(super) const SHARED: u32 = PoolFlags::SHARED.to_word();

/// The survivor, and the pool of the first domain's.
pub(super) struct Survivor {
    child: Child,
    joined: Uuid,
    first_domains: u32,
}

/// A page of the survivor's, by its number among all of them.
#[derive(Clone, Copy)]
struct Place(u32);

impl Place {
    fn of(pool: u32) -> impl Iterator<Item = Self> + Clone {
        (pool * PAGES..(pool + 1) * PAGES).map(Self)
    }

    fn handle(self) -> hypercall_abi::Handle {
        at(self.0 / PAGES, OBJECT, self.0 % PAGES)
    }

    fn content(self) -> Content {
        Content::of(OBJECT, self.0.into())
    }
}

impl Survivor {
    /// Builds the domain, which owns the pool `owned`, and will join `joined`.
    pub(super) fn new(rig: &Rig, control: Control, owned: Uuid, joined: Uuid) -> CaseResult<Self> {
        let first_domains = rig.new_pool(Kind::Persistent)?;
        rig.put(at(first_domains, 1, 1), Content(1))?;
        let child = Child::build(Plan::new(Caller::Pv64, 100))?;
        for uuid in [owned, joined] {
            expect("SET_AUTH", control.authorise(child.domid(), uuid, true), 1)?;
        }
        for place in (0..POOLS * PAGES).map(Place) {
            child.open(SOURCES + place.0 as usize)?.fill(place.content());
        }
        expect("the survivor's pool", i64::from(child.new_pool(Kind::Persistent)?), OWN.into())?;
        expect("its shared pool", child.try_new_pool(SHARED, owned)?, OWNED.into())?;
        let survivor = Self { child, joined, first_domains };
        survivor.put(OWN, &[])?;
        survivor.put(OWNED, &[])?;
        Ok(survivor)
    }

    /// Makes the calls `before`, whose answers the caller judges, and puts all pages of a pool.
    fn put(&self, pool: u32, before: &[Call]) -> CaseResult {
        let mut list = List::new(before);
        for place in Place::of(pool) {
            let cmfn = self.child.frame(SOURCES + place.0 as usize);
            list.push(self.child.tmem_call(&Op::PutPage { handle: place.handle(), cmfn })?);
        }
        self.child.run(0, list.calls())?;
        for number in before.len()..list.calls().len() {
            expect("the survivor's put", self.child.answer(0, number)?, SUCCESS)?;
        }
        Ok(())
    }

    /// Gets pages, makes the calls `after`, and checks the pages' contents.
    fn get(&self, places: impl Iterator<Item = Place> + Clone, after: &[Call]) -> CaseResult {
        let mut list = List::new(&[]);
        for place in places.clone() {
            let target = TARGETS + place.0 as usize;
            self.child.open(target)?.fill(POISON);
            let cmfn = self.child.frame(target);
            list.push(self.child.tmem_call(&Op::GetPage { handle: place.handle(), cmfn })?);
        }
        after.iter().for_each(|&call| list.push(call));
        self.child.run(0, list.calls())?;
        for (number, place) in places.enumerate() {
            expect("the survivor's get", self.child.answer(0, number)?, SUCCESS)?;
            let window = self.child.open(TARGETS + place.0 as usize)?;
            self.child.check_page(&window, place.handle(), place.content())?;
        }
        Ok(())
    }

    /// Joins the pool that another owns, and puts its pages there.
    pub(super) fn join(&self) -> CaseResult {
        let pool = NewPool { flags: SHARED, uuid: self.joined };
        self.put(JOINED, &[self.child.tmem_call(&Op::NewPool(pool))?])?;
        expect("joining", self.child.answer(0, 0)?, JOINED.into())
    }

    /// One page must be there.
    pub(super) fn check_one(&self, number: u32) -> CaseResult {
        self.get([Place(number % (POOLS * PAGES))].into_iter(), &[])
    }

    /// All of them must be; then it leaves the pool that it joined.
    pub(super) fn check_all_and_leave(&self, rig: &Rig) -> CaseResult {
        let leave = self.child.tmem_call(&Op::DestroyPool { pool_id: JOINED })?;
        self.get((0..POOLS * PAGES).map(Place), &[leave])?;
        expect("leaving", self.child.answer(0, (POOLS * PAGES) as usize)?, SUCCESS)?;
        rig.get_hit(at(self.first_domains, 1, 1), Content(1))
    }

    /// After everything that can be evicted was: the pages in the shared pool are gone, others not.
    pub(super) fn put_again(&self) -> CaseResult {
        self.put(OWNED, &[])?;
        self.get(Place::of(OWN), &[])
    }

    /// Its end.
    pub(super) fn destroy(self) -> CaseResult {
        self.child.destroy()
    }
}

/// Calls for one vCPU.
struct List {
    calls: [Call; crate::toolstack::CALLS],
    used: usize,
}

impl List {
    fn new(first: &[Call]) -> Self {
        let mut list = Self { calls: [Call::raw(0, [0; 5]); crate::toolstack::CALLS], used: 0 };
        first.iter().for_each(|&call| list.push(call));
        list
    }

    /// Adds a call; one too many is dropped.
    fn push(&mut self, call: Call) {
        if let Some(place) = self.calls.get_mut(self.used) {
            *place = call;
            self.used += 1;
        }
    }

    fn calls(&self) -> &[Call] {
        self.calls.get(..self.used).unwrap_or_default()
    }
}

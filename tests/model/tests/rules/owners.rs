//! Many CPUs at once, with a model for each: every thread owns handles of its own in pools that all
//! use, so that it knows what it may see there, while domains die, pools come and go and pages are
//! evicted around it: R5, R6, R7, R11, R12, R17, R36, R42, R53, P32.
//!
//! A thread notes each page that it misses although it had stored it. When all is over, the host's
//! report must hold an eviction for each of them.

use crate::threads::{THREADS, on_all_cpus};
use hypercall_abi::{Handle, Uuid};
use std::collections::BTreeMap;
use std::sync::Mutex;
use tmem_host_sim::{Content, DomainSpec, SimHost};
use tmem_model_tests::{Guest, Rng, World, answer, at, destroy_domain, flags, scaled};
use tmem_service::{Clients, DomainId, PoolStats};

/// Pools of domain 1 that all threads use, by id.
const KINDS: [u32; 3] = [flags::PERSISTENT, flags::EPHEMERAL, flags::SHARED];
const PERSISTENT: u32 = 0;
const EPHEMERAL: u32 = 1;
const INDEXES: u64 = 14;

/// One page's name: pool, object, index.
type Name = (u32, u64, u32);

/// One thread's view.
struct Owner {
    cpu: u32,
    guest: Guest,
    rng: Rng,
    /// What each of its handles holds, if nothing was evicted.
    stored: BTreeMap<Name, Content>,
    /// What was stored and is missing.
    missed: Vec<Name>,
    /// What it did in each pool.
    counted: [PoolStats; 3],
    nr_puts: u32,
}

impl Owner {
    fn new(cpu: u32, guest: Guest) -> Self {
        let (rng, stored, missed) = (Rng::new(u64::from(cpu)), BTreeMap::new(), Vec::new());
        Self { cpu, guest, rng, stored, missed, counted: Default::default(), nr_puts: 0 }
    }

    /// A handle of this thread's; others use the same pools and shards, never the same objects.
    fn name(&mut self) -> Name {
        let pool = u32::try_from(self.rng.below(3)).unwrap_or(0);
        let object = u64::from(self.cpu) + u64::from(THREADS) * self.rng.below(3);
        (pool, object, u32::try_from(self.rng.below(INDEXES)).unwrap_or(0))
    }

    /// One call on a handle of its own.
    fn step(&mut self) {
        let name = self.name();
        match self.rng.below(20) {
            0..9 => self.put(name),
            9..17 => self.get(name),
            17 | 18 => self.flush(name),
            _ => self.flush_object(name),
        }
    }

    fn put(&mut self, name: Name) {
        self.nr_puts += 1;
        let content = Content::Unique(self.nr_puts * THREADS + self.cpu);
        let answer = self.guest.put(handle(name), content);
        match answer {
            answer::SUCCESS => drop(self.stored.insert(name, content)),
            answer::NO_MEMORY | answer::NO_SPACE | answer::FROZEN => {
                // A frozen client's duplicate goes through; so there was no page, or none is left.
                if self.stored.remove(&name).is_some() && answer != answer::NO_SPACE {
                    self.missed.push(name);
                }
            }
            _ => assert_eq!(answer, answer::SUCCESS, "a put into {name:?}"),
        }
        let counted = &mut self.counted[name.0 as usize];
        // Whether it replaced a page depends on evictions.
        counted.puts_stored += u64::from(answer == answer::SUCCESS);
    }

    fn get(&mut self, name: Name) {
        let (answer, content) = self.guest.get(handle(name));
        let counted = &mut self.counted[name.0 as usize];
        match answer {
            answer::SUCCESS => {
                counted.hits += 1;
                assert_eq!(content, self.stored.get(&name).copied(), "a get of {name:?}");
                if name.0 == EPHEMERAL {
                    self.stored.remove(&name);
                }
            }
            answer::NOTHING | answer::EMPTY => {
                counted.misses += u64::from(answer == answer::NOTHING);
                // From here on it goes on missing until the next put (R6).
                if self.stored.remove(&name).is_some() {
                    self.missed.push(name);
                }
            }
            _ => assert_eq!(answer, answer::SUCCESS, "a get of {name:?}"),
        }
    }

    fn flush(&mut self, name: Name) {
        let answer = self.guest.flush(handle(name));
        assert!([answer::SUCCESS, answer::FROZEN].contains(&answer), "a flush: {answer}");
        self.stored.remove(&name);
        self.counted[name.0 as usize].flushes += 1;
    }

    fn flush_object(&mut self, (pool, object, _): Name) {
        let answer = self.guest.flush_object(pool, object);
        assert!([answer::SUCCESS, answer::FROZEN].contains(&answer), "a flush: {answer}");
        self.stored.retain(|&(in_pool, of, _), _| (in_pool, of) != (pool, object));
        self.counted[pool as usize].flushes += 1;
    }

    /// Looks at all that it should have once more.
    fn look(&mut self) {
        let names: Vec<Name> = self.stored.keys().copied().collect();
        names.into_iter().for_each(|name| self.get(name));
    }
}

fn handle((pool, object, index): Name) -> Handle {
    at(pool, object, index)
}

/// What the thread does to a domain of its own, and to all: churn that must not be seen elsewhere.
struct Churn {
    domain: u16,
    guest: Guest,
}

impl Churn {
    fn step(&self, world: &World, rng: &mut Rng) {
        let (service, domain) = (world.service(), DomainId(self.domain));
        match rng.below(12) {
            0 => {
                destroy_domain(service, self.domain);
                service.platform().create_domain(DomainSpec::new(self.domain).gfns(64));
                service.set_auth(domain, Uuid([7, 0]), true).expect("room for one");
            }
            // Joins the pool that domain 1 owns and uses, or makes pools of its own.
            1..5 => drop(self.guest.new_pool(rng.pick(&KINDS), 7)),
            5..8 => {
                let pool = u32::try_from(rng.below(4)).unwrap_or(0);
                self.guest.destroy(pool);
            }
            8 => {
                let is_frozen = rng.one_in(3);
                let who = rng.pick(&[Clients::One(DomainId(1)), Clients::All]);
                service.set_frozen(who, is_frozen).expect("domain 1 is a client");
            }
            _ => {
                let object = 1000 + u64::from(self.domain);
                for index in 0..6 {
                    let pool = u32::try_from(rng.below(4)).unwrap_or(0);
                    self.guest.put(at(pool, object, index), Content::Unique(1 << 31));
                }
            }
        }
    }
}

fn world(nr_frames: usize) -> World {
    let mut builder = SimHost::builder().frames(nr_frames).cpus(THREADS as usize);
    for domain in 1..=1 + u16::try_from(THREADS).unwrap_or(0) {
        builder = builder.domain(DomainSpec::new(domain).gfns(64));
    }
    let world = World::new(builder);
    for DomainId(domain) in world.host().domain_ids() {
        let allowed = world.service().set_auth(DomainId(domain), Uuid([7, 0]), true);
        allowed.expect("room for one");
    }
    for (pool, kind) in (0..).zip(KINDS) {
        assert_eq!(world.guest(1).new_pool(kind, 7), pool);
    }
    world
}

/// Every miss of a stored page has its eviction in the host's report.
fn assert_all_evicted(world: &World, missed: &[Name]) {
    let mut reported: BTreeMap<Name, u32> = BTreeMap::new();
    for page in world.host().take_evicted() {
        if page.owner == DomainId(1) {
            *reported.entry((page.pool_id.into(), page.object[0], page.index)).or_default() += 1;
        }
    }
    for name in missed {
        let left = reported.get_mut(name).filter(|left| **left > 0);
        *left.unwrap_or_else(|| unreachable!("{name:?} is missing and was not evicted")) -= 1;
    }
}

/// Plays on a host of `nr_frames` frames; returns how many pages were missed.
fn play(nr_frames: usize, nr_rounds: u32, has_churn: bool) -> usize {
    let world = world(nr_frames);
    let results = Mutex::new((Vec::new(), <[PoolStats; 3]>::default()));
    on_all_cpus(
        &world,
        |_| 1,
        |cpu, guest| {
            let domain = 2 + u16::try_from(cpu).unwrap_or(0);
            let gfn = 8 + 2 * u64::from(cpu);
            let churn = Churn { domain, guest: world.guest(domain).with_frames(gfn, gfn + 1) };
            let mut owner = Owner::new(cpu, guest);
            for _ in 0..nr_rounds {
                owner.step();
                if has_churn && owner.rng.one_in(5) {
                    churn.step(&world, &mut owner.rng);
                }
            }
            owner.look();
            let persistent = owner.missed.iter().filter(|name| name.0 == PERSISTENT).count();
            assert_eq!(persistent, 0, "persistent pages are missing");
            let mut results = results.lock().expect("no thread has failed");
            results.0.append(&mut owner.missed);
            for (sum, counted) in results.1.iter_mut().zip(&owner.counted) {
                sum.puts_stored += counted.puts_stored;
                sum.hits += counted.hits;
                sum.misses += counted.misses;
                sum.flushes += counted.flushes;
            }
        },
    );
    let (missed, counted) = results.into_inner().expect("no thread has failed");
    assert_all_evicted(&world, &missed);
    if !has_churn {
        assert_counts(&world, &counted);
    }
    missed.len()
}

/// The figures of each pool are the sums of what the threads saw.
fn assert_counts(world: &World, counted: &[PoolStats; 3]) {
    let mut nr_pages = 0;
    for (pool, counted) in (0..).zip(counted) {
        let stats = world.service().pool_stats(DomainId(1), pool).expect("the pool is there");
        assert_eq!(stats.puts_stored + stats.puts_replaced, counted.puts_stored, "puts, {pool}");
        assert_eq!(stats.hits, counted.hits, "hits in pool {pool}");
        assert_eq!(stats.misses, counted.misses, "misses in pool {pool}");
        assert_eq!(stats.flushes, counted.flushes, "flushes in pool {pool}");
        nr_pages += stats.pages;
    }
    assert_eq!(world.service().audit().expect("the books are right").pages, nr_pages);
}

#[test]
fn r17_p32_threads_with_room_miss_nothing_and_the_figures_are_their_sums() {
    assert_eq!(play(1000, scaled(4000), false), 0, "pages are missing on a host with room");
}

#[test]
fn r12_p32_threads_on_a_full_host_miss_only_what_was_evicted() {
    assert!(play(60, scaled(4000), false) > 0, "the host was never full");
}

#[test]
fn r11_r27_p58_threads_see_nothing_of_domains_that_come_and_go_around_them() {
    assert_eq!(play(1000, scaled(2000), true), 0, "pages are missing on a host with room");
    assert!(play(70, scaled(3000), true) > 0, "the host was never full");
}

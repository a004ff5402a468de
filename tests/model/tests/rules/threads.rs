//! Many CPUs at once: P2, P4, P34, P36, P51, R17, R19, R28.
//!
//! Each thread plays a CPU of its own with frames of its own. Pages say by their content which
//! handle and which put they belong to, so a mixture, a stale page or a foreign one is noticed.

use hypercall_abi::{Handle, Uuid};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tmem_host_sim::{Content, DomainSpec, SimHost, on_cpu};
use tmem_model_tests::{Guest, Rng, World, answer, at, destroy_domain, flags, scaled};
use tmem_service::{DomainId, Progress};

/// More than the CPUs of a small test machine would only wait for each other's tickets.
pub(crate) const THREADS: u32 = 2;

/// Rounds of a test: `nr`, or more in a long run, but never more than a page's content has room to
/// count.
pub(crate) fn rounds(nr: u32) -> u32 {
    scaled(nr).min(1 << VERSION_BITS)
}

pub(crate) fn world(nr_frames: usize) -> World {
    let mut builder = SimHost::builder().frames(nr_frames).cpus(THREADS as usize);
    for domain in 1..=4 {
        builder = builder.domain(DomainSpec::new(domain).gfns(64));
    }
    World::new(builder)
}

/// Runs `work` on every CPU at once, each with a guest of the domain that `domain_of` names.
pub(crate) fn on_all_cpus(
    world: &World,
    domain_of: fn(u32) -> u16,
    work: impl Fn(u32, Guest) + Sync,
) {
    let start = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        let run = |cpu: u32| {
            let gfn = 8 + 2 * u64::from(cpu);
            let guest = world.guest(domain_of(cpu)).with_frames(gfn, gfn + 1);
            let (work, start) = (&work, &start);
            scope.spawn(move || {
                start.wait();
                on_cpu(cpu as usize, || work(cpu, guest));
            })
        };
        let threads: Vec<_> = (0..THREADS).map(run).collect();
        // The scope would wait too, but in a way that ThreadSanitizer sees only where it has
        // compiled the standard library.
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    world.service().audit().expect("the books are right");
}

/// Runs its closure when it goes, also when its thread panics: others that wait for this one are
/// told in any case, and the test fails instead of hanging.
pub(crate) struct Finally<F: Fn()>(pub(crate) F);

impl<F: Fn()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

pub(crate) fn all_in_domain_1(_: u32) -> u16 {
    1
}

fn one_domain_each(cpu: u32) -> u16 {
    1 + u16::try_from(cpu).unwrap_or(0)
}

/// Bits of a content's number that tell the version; the index is above them.
const VERSION_BITS: u32 = 16;

/// The content of version `version` of page `index`.
pub(crate) fn versioned(index: u32, version: u32) -> Content {
    Content::Unique(index << VERSION_BITS | version)
}

fn index_of(content: Content) -> u32 {
    match content {
        Content::Unique(number) => number >> VERSION_BITS,
        Content::Same(_) => u32::MAX,
    }
}

#[test]
fn r28_p4_first_calls_at_once_make_one_client() {
    for _ in 0..rounds(20) {
        let world = world(100);
        on_all_cpus(&world, all_in_domain_1, |_, guest| {
            assert!(guest.new_pool(flags::EPHEMERAL, 0) >= 0);
        });
        let totals = world.service().audit().expect("the books are right");
        assert_eq!((totals.clients, totals.pools), (1, u64::from(THREADS)));
    }
}

#[test]
fn p51_puts_at_once_into_one_new_object_are_all_stored() {
    for _ in 0..rounds(10) {
        let world = world(1000);
        world.guest(1).new_pool(flags::PERSISTENT, 0);
        on_all_cpus(&world, all_in_domain_1, |cpu, guest| {
            for number in 0..40 {
                let index = number * THREADS + cpu;
                assert_eq!(guest.put(at(0, 1, index), versioned(index, 1)), 1);
            }
        });
        let guest = world.guest(1);
        for index in 0..40 * THREADS {
            assert_eq!(guest.get(at(0, 1, index)), (1, Some(versioned(index, 1))));
        }
    }
}

#[test]
fn r17_gets_and_puts_of_the_same_handles_at_once_never_mix_pages() {
    for pool in [flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED] {
        let world = world(60);
        world.service().set_auth(DomainId(1), Uuid([7, 0]), true).expect("room");
        world.guest(1).new_pool(pool, 7);
        on_all_cpus(&world, all_in_domain_1, |cpu, guest| {
            let mut rng = Rng::new(u64::from(cpu));
            for version in 0..rounds(400) {
                let index = u32::try_from(rng.below(8)).unwrap_or(0);
                let handle = at(0, 1, index);
                match rng.below(8) {
                    0..4 => {
                        let answer = guest.put(handle, versioned(index, version));
                        assert_eq!(answer, 1);
                    }
                    4..7 => {
                        if let (_, Some(content)) = guest.get(handle) {
                            assert_eq!(index_of(content), index, "a page of another handle");
                        }
                    }
                    _ => assert_eq!(guest.flush(handle), 1),
                }
            }
        });
    }
}

#[test]
fn p36_everything_at_once_under_pressure() {
    let world = world(80);
    for domain in 1..=4 {
        world.service().set_auth(DomainId(domain), Uuid([7, 0]), true).expect("room");
        let guest = world.guest(domain);
        assert_eq!(guest.new_pool(flags::SHARED, 7), 0);
        assert_eq!(guest.new_pool(flags::EPHEMERAL, 0), 1);
        assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 2);
    }
    on_all_cpus(&world, one_domain_each, |cpu, guest| {
        let mut rng = Rng::new(u64::from(cpu));
        for version in 0..rounds(600) {
            let index = u32::try_from(rng.below(40)).unwrap_or(0);
            let pool = u32::try_from(rng.below(3)).unwrap_or(0);
            let handle = at(pool, u64::from(index % 3), index);
            match rng.below(40) {
                0..22 => {
                    let answer = guest.put(handle, versioned(index, version));
                    let expected = [1, answer::NO_MEMORY, answer::NO_SPACE, answer::NO_DEVICE];
                    assert!(expected.contains(&answer), "put: {answer}");
                }
                22..36 => {
                    if let (_, Some(content)) = guest.get(handle) {
                        assert_eq!(index_of(content), index, "a page of another handle");
                    }
                }
                36 => drop(guest.flush_object(pool, u64::from(index % 3))),
                37 if pool < 2 => {
                    let kind = [flags::SHARED, flags::EPHEMERAL][pool as usize];
                    assert_eq!(guest.destroy(pool), 1);
                    assert_eq!(guest.new_pool(kind, 7), i64::from(pool));
                }
                _ => assert_eq!(guest.flush(handle), 1),
            }
        }
    });
}

#[test]
fn p2_a_pool_made_and_destroyed_while_others_use_its_id() {
    let world = world(200);
    let is_over = AtomicBool::new(false);
    on_all_cpus(&world, all_in_domain_1, |cpu, guest| {
        if cpu == 0 {
            let _over = Finally(|| is_over.store(true, Ordering::Relaxed));
            for round in 0..rounds(100) {
                let kind = [flags::EPHEMERAL, flags::PERSISTENT][round as usize % 2];
                assert_eq!(guest.new_pool(kind, 0), 0);
                guest.put(at(0, 1, 1), versioned(1, 1));
                assert_eq!(guest.destroy(0), 1);
            }
        }
        let mut version = 0;
        while !is_over.load(Ordering::Relaxed) {
            version = (version + 1) % 1000;
            let index = version % 16;
            let answer = guest.put(at(0, u64::from(index % 2), index), versioned(index, version));
            assert!([1, answer::NO_DEVICE].contains(&answer), "put: {answer}");
            if let (_, Some(content)) = guest.get(at(0, u64::from(index % 2), index)) {
                assert_eq!(index_of(content), index);
            }
            let answer = guest.flush_object(0, 1);
            assert!([1, answer::NO_DEVICE].contains(&answer), "flush: {answer}");
        }
    });
    assert_eq!(world.host().nr_frames_out(), 0);
    assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
}

#[test]
fn p34_parallel_puts_at_the_maximum_never_exceed_it() {
    for nr_max in [20, 61, 150] {
        let spec = DomainSpec::new(1).gfns(64).max(nr_max);
        let world = World::new(SimHost::builder().frames(1000).cpus(THREADS as usize).domain(spec));
        world.guest(1).new_pool(flags::PERSISTENT, 0);
        let nr_stored = AtomicU32::new(0);
        on_all_cpus(&world, all_in_domain_1, |cpu, guest| {
            for number in 0..100 {
                let index = number * THREADS + cpu;
                match guest.put(at(0, 1, index), versioned(index, 1)) {
                    1 => drop(nr_stored.fetch_add(1, Ordering::Relaxed)),
                    answer => assert_eq!(answer, answer::NO_MEMORY),
                }
            }
        });
        let totals = world.service().audit().expect("the books are right");
        assert_eq!(totals.persistent_pages, u64::from(nr_stored.into_inner()));
        // The simulated account refuses to go above the maximum; it never goes below the pages.
        let nr_charged = u64::from(world.host().domain(DomainId(1)).nr_charged());
        assert!(nr_charged >= totals.persistent_pages && nr_charged <= u64::from(nr_max));
    }
}

#[test]
fn p36_p58_domains_die_while_others_share_a_pool_with_them() {
    let world = world(150);
    let service = world.service();
    let allow = |domain| service.set_auth(DomainId(domain), Uuid([7, 0]), true).expect("room");
    (1..=4).for_each(allow);
    on_all_cpus(&world, one_domain_each, |cpu, guest| {
        let domain = one_domain_each(cpu);
        for round in 0..rounds(20) {
            assert_eq!(guest.new_pool(flags::SHARED, 7), 0);
            assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 1);
            for index in 0..20 {
                let object = u64::from(index % 3);
                guest.put(at(0, object, index), versioned(index, round));
                guest.put(at(1, object, index), versioned(index, round));
                let other = (index + 7) % 20;
                if let (_, Some(content)) = guest.get(at(0, u64::from(other % 3), other)) {
                    assert_eq!(index_of(content), other);
                }
            }
            destroy_domain(service, domain);
            service.platform().create_domain(DomainSpec::new(domain).gfns(64));
            allow(domain);
        }
    });
}

#[test]
fn r29_calls_that_race_with_their_domains_death_leave_no_client() {
    for _ in 0..rounds(20) {
        let world = world(200);
        on_all_cpus(&world, all_in_domain_1, |cpu, guest| {
            if cpu == 0 {
                std::thread::yield_now();
                let service = world.service();
                service.platform().kill_domain(DomainId(1));
                // As a hypervisor does it: until nothing is left.
                while service.destroy_domain(DomainId(1)) == Progress::More {}
                return;
            }
            for index in 0..20 {
                guest.new_pool(flags::PERSISTENT, 0);
                guest.put(at(0, 1, index), versioned(index, 1));
            }
        });
        // A call that was under way when the domain died has ended by now: one more round, as a
        // hypervisor whose vCPUs are stopped before it begins.
        destroy_domain(world.service(), 1);
        let totals = world.service().audit().expect("the books are right");
        assert_eq!((totals.clients, totals.pools, totals.frames), (0, 0, 0));
    }
}

#[test]
fn r19_what_one_cpu_was_told_is_stored_another_finds() {
    let world = world(100);
    world.guest(1).new_pool(flags::PERSISTENT, 0);
    let latest = AtomicU32::new(0);
    on_all_cpus(&world, all_in_domain_1, |cpu, guest| {
        let handle: Handle = at(0, 1, 1);
        if cpu == 0 {
            let _over = Finally(|| latest.store(u32::MAX, Ordering::Release));
            for version in 1..rounds(300) {
                assert_eq!(guest.put(handle, versioned(1, version)), 1);
                latest.store(version, Ordering::Release);
            }
            return;
        }
        loop {
            let known = latest.load(Ordering::Acquire);
            if known == u32::MAX {
                return;
            }
            let (answer, content) = guest.get(handle);
            match content {
                Some(Content::Unique(number)) => {
                    assert!(number % (1 << VERSION_BITS) >= known, "a stale page")
                }
                _ => assert!(known == 0, "answer {answer} after version {known} was stored"),
            }
        }
    });
}

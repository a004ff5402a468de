//! What is counted, against what happened: R74. With several threads: `owners.rs`.

use hypercall_abi::Uuid;
use std::collections::BTreeSet;
use tmem_host_sim::Content;
use tmem_model_tests::{BAD_GFN, Rng, World, answer, at, flags};
use tmem_service::{DomainId, PoolStats};

fn stats(world: &World, domain: u16, pool: u32) -> PoolStats {
    world.service().pool_stats(DomainId(domain), pool).expect("the pool is there")
}

/// What pool 0 of domain 1 should say, and which pages it should hold, by object and index.
#[derive(Default)]
struct Ledger {
    is_exclusive: bool,
    expected: PoolStats,
    pages: BTreeSet<(u64, u32)>,
}

impl Ledger {
    /// Makes one random call and enters what it should count as.
    fn step(&mut self, world: &World, rng: &mut Rng) {
        let (guest, expected) = (world.guest(1), &mut self.expected);
        let page = (rng.below(3), u32::try_from(rng.below(30)).unwrap_or(0));
        let handle = at(0, page.0, page.1);
        match rng.below(10) {
            0..5 => {
                let answer = guest.put(handle, Content::Unique(1));
                for evicted in world.host().take_evicted() {
                    assert!(self.pages.remove(&(evicted.object[0], evicted.index)));
                    expected.evicted += 1;
                }
                if answer == answer::SUCCESS {
                    let is_new = self.pages.insert(page);
                    expected.puts_stored += u64::from(is_new);
                    expected.puts_replaced += u64::from(!is_new);
                } else {
                    self.pages.remove(&page);
                }
            }
            5..8 => match guest.get(handle).0 {
                answer::SUCCESS => {
                    expected.hits += 1;
                    assert!(self.pages.contains(&page));
                    if self.is_exclusive {
                        self.pages.remove(&page);
                    }
                }
                answer::NOTHING => expected.misses += 1,
                answer => assert_eq!(answer, answer::EMPTY),
            },
            // What fails is neither hit nor miss.
            8 => match guest.with_frames(0, BAD_GFN).get(handle).0 {
                answer::NOTHING => expected.misses += 1,
                answer => assert!([answer::BAD_ADDRESS, answer::EMPTY].contains(&answer)),
            },
            _ => {
                if rng.one_in(4) {
                    guest.flush_object(0, page.0);
                    self.pages.retain(|&(object, _)| object != page.0);
                } else {
                    guest.flush(handle);
                    self.pages.remove(&page);
                }
                expected.flushes += 1;
            }
        }
        expected.pages = self.pages.len() as u64;
        expected.removed = expected.puts_stored - expected.pages;
    }
}

#[test]
fn r74_each_pools_figures_are_exact_after_every_call() {
    for kind in [flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED] {
        let mut world = World::with_frames(25);
        assert!(world.set_auth(1, Uuid([7, 0]), true));
        assert_eq!(world.new_pool(1, kind, 7), 0);
        let mut rng = Rng::new(u64::from(kind));
        let mut ledger = Ledger { is_exclusive: kind == flags::EPHEMERAL, ..Ledger::default() };
        for _ in 0..3000 {
            ledger.step(&world, &mut rng);
            assert_eq!(stats(&world, 1, 0), ledger.expected);
        }
        let PoolStats { puts_stored, puts_replaced, hits, misses, flushes, .. } = ledger.expected;
        assert!([puts_stored, puts_replaced, hits, misses, flushes].iter().all(|&nr| nr > 50));
        assert_eq!(ledger.expected.evicted > 0, kind != flags::PERSISTENT);
    }
}

#[test]
fn r74_what_came_and_what_went_add_up() {
    // Private and ephemeral: each page that was stored was taken, evicted, flushed or is there.
    let mut world = World::with_frames(20);
    world.new_pool(1, flags::EPHEMERAL, 0);
    let mut rng = Rng::new(74);
    let mut nr_flushed = 0;
    for number in 0..4000 {
        let handle = at(0, rng.below(4), u32::try_from(rng.below(12)).unwrap_or(0));
        match rng.below(8) {
            0..5 => drop(world.put(1, handle, Content::Unique(number))),
            5..7 => drop(world.get(1, handle)),
            _ => {
                let before = stats(&world, 1, 0).pages;
                world.flush(1, handle);
                nr_flushed += before - stats(&world, 1, 0).pages;
            }
        }
    }
    let PoolStats { puts_stored, hits, evicted, removed, pages, .. } = stats(&world, 1, 0);
    assert_eq!(puts_stored, removed + pages);
    assert_eq!(removed, hits + evicted + nr_flushed);
    assert!(hits > 0 && evicted > 0 && nr_flushed > 0 && pages > 0);
}

#[test]
fn r74_a_pool_made_anew_starts_at_nothing() {
    let mut world = World::roomy();
    for kind in [flags::EPHEMERAL, flags::PERSISTENT] {
        assert_eq!(world.new_pool(1, kind, 0), 0);
        assert_eq!(stats(&world, 1, 0), PoolStats::default());
        world.put(1, at(0, 1, 1), Content::Unique(1));
        world.get(1, at(0, 1, 1));
        world.flush(1, at(0, 1, 1));
        assert_eq!(world.destroy(1, 0), 1);
        assert!(world.service().pool_stats(DomainId(1), 0).is_none());
    }
}

fn of_client(world: &World, domain: u16) -> PoolStats {
    world.service().client_stats(DomainId(domain)).expect("the domain is a client")
}

/// The sum of two accounts.
fn plus(a: PoolStats, b: PoolStats) -> PoolStats {
    PoolStats {
        puts_stored: a.puts_stored + b.puts_stored,
        puts_replaced: a.puts_replaced + b.puts_replaced,
        hits: a.hits + b.hits,
        misses: a.misses + b.misses,
        flushes: a.flushes + b.flushes,
        evicted: a.evicted + b.evicted,
        removed: a.removed + b.removed,
        pages: a.pages + b.pages,
    }
}

/// Whatever happens to pools and domains, what happened in them stays in the host's account.
#[test]
fn r74_the_hosts_figures_are_those_of_its_clients_and_of_what_is_gone() {
    let mut world = World::with_frames(60);
    for domain in 1..=3 {
        for kind in [flags::EPHEMERAL, flags::PERSISTENT, flags::EPHEMERAL] {
            assert!(world.new_pool(domain, kind, 0) >= 0);
        }
    }
    let mut rng = Rng::new(7);
    let mut nr_stored = 0;
    for number in 0..3000 {
        let domain = 1 + u16::try_from(rng.below(3)).unwrap_or(0);
        let pool = u32::try_from(rng.below(3)).unwrap_or(0);
        let handle = at(pool, rng.below(3), u32::try_from(rng.below(9)).unwrap_or(0));
        match rng.below(10) {
            0..6 => drop(world.put(domain, handle, Content::Unique(number))),
            6..9 => drop(world.get(domain, handle)),
            _ => drop(world.flush(domain, handle)),
        }
        if number % 100 == 0 {
            let of_pools = |d| (0..3).map(|p| stats(&world, d, p)).fold(PoolStats::default(), plus);
            let sum = (1..=3).map(|domain| {
                assert_eq!(of_client(&world, domain), of_pools(domain));
                of_client(&world, domain)
            });
            let sum = sum.fold(PoolStats::default(), plus);
            assert_eq!(world.service().host_stats(), sum);
            assert_eq!(sum.puts_stored, sum.removed + sum.pages);
            nr_stored = sum.puts_stored;
        }
    }
    assert!(nr_stored > 500);
    // A pool goes, and then a domain: the host remembers what happened there, and its pages as
    // removed.
    let before = world.service().host_stats();
    let gone = stats(&world, 1, 1);
    assert!(gone.pages > 0 && gone.hits > 0);
    assert_eq!(world.destroy(1, 1), 1);
    let after = world.service().host_stats();
    let (removed, pages) = (before.removed + gone.pages, before.pages - gone.pages);
    assert_eq!(after, PoolStats { removed, pages, ..before });
    let gone = plus(gone, of_client(&world, 2));
    world.destroy_domain(2);
    assert_eq!(world.service().client_stats(DomainId(2)), None);
    let after = world.service().host_stats();
    let (removed, pages) = (before.removed + gone.pages, before.pages - gone.pages);
    assert_eq!(after, PoolStats { removed, pages, ..before });
    let alive = plus(of_client(&world, 1), of_client(&world, 3));
    let gone = PoolStats { removed: gone.removed + gone.pages, pages: 0, ..gone };
    assert_eq!(after, plus(alive, gone));
    assert_eq!(after.pages, world.audit().pages);
}

/// A shared pool's figures are its owner's, and go with the pool when it changes hands (R37).
#[test]
fn r74_r37_a_shared_pools_figures_go_with_it_to_its_next_owner() {
    let mut world = World::roomy();
    for domain in [1, 2] {
        assert!(world.set_auth(domain, Uuid([7, 0]), true));
        assert_eq!(world.new_pool(domain, flags::SHARED, 7), 0);
    }
    // A second name for the pool counts nothing twice.
    assert_eq!(world.new_pool(1, flags::SHARED, 7), 1);
    for index in 0..40 {
        world.put(2, at(0, 1, index), Content::Unique(index));
        world.put(1, at(0, 2, index), Content::Unique(index));
    }
    for index in 0..10 {
        world.get(2, at(0, 1, index));
        world.get(2, at(0, 3, index));
    }
    let all =
        PoolStats { puts_stored: 80, hits: 10, misses: 10, pages: 80, ..PoolStats::default() };
    assert_eq!((of_client(&world, 1), of_client(&world, 2)), (all, PoolStats::default()));
    assert_eq!(world.destroy(1, 0), 1);
    assert_eq!(of_client(&world, 1), all, "it is still in by its second name");
    assert_eq!(world.destroy(1, 1), 1);
    // The leaver's last-used object went along.
    let rest = PoolStats { removed: 40, pages: 40, ..all };
    assert_eq!((of_client(&world, 1), of_client(&world, 2)), (PoolStats::default(), rest));
    assert_eq!(world.service().host_stats(), rest);
    assert_eq!(world.destroy(2, 0), 1);
    assert_eq!(of_client(&world, 2), PoolStats::default());
    assert_eq!(world.service().host_stats(), PoolStats { removed: 80, pages: 0, ..all });
}

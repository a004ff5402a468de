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

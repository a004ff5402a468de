//! What meets a slice of a long call between two of its frees: another CPU finishes the call and
//! gives the pool id, the pool's record or the client's to somebody else (P2, P36, P57, R36).

use super::*;
use hypercall_abi::Op;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tmem_host_sim::SimHost;

const DESTROY: Op = Op::DestroyPool { pool_id: 0 };
/// Pages of the pool that goes: one slice, or a few, in every shard.
const OLD_PAGES: u32 = 100;
/// Pages of the pool that comes.
const NEW_PAGES: u32 = 24;
/// The free at which the other CPU comes in.
const MOMENTS: [u64; 12] = [1, 2, 3, 5, 8, 12, 13, 21, 34, 55, 89, 100];

/// Spread over objects, and so over shards.
fn page(number: u32) -> Handle {
    at(0, u64::from(number), number)
}

fn fill(guest: &Guest, nr_pages: u32, first: u32) {
    for number in 0..nr_pages {
        assert_eq!(guest.put(page(number), Content::Unique(first + number)), 1);
    }
}

/// Makes slices of a call until `meanwhile` has come in at the free of this number; makes none after
/// the one in which it came.
fn meet_at_free(
    world: &World,
    moment: u64,
    meanwhile: impl FnOnce() + Send + 'static,
    mut slice: impl FnMut(),
) {
    let has_met = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&has_met);
    world.host().on_nth_free(moment, move || {
        tell.store(true, Ordering::Relaxed);
        on_cpu(1, meanwhile);
    });
    for _ in 0..OLD_PAGES {
        slice();
        if has_met.load(Ordering::Relaxed) {
            return;
        }
    }
    unreachable!("less than {moment} frames were freed");
}

/// The pool that was made meanwhile has all that was put into it.
fn assert_new_pool_is_whole(world: &World, guest: &Guest) {
    world.service().audit().expect("the books are right");
    assert_eq!(world.host().nr_frames_out(), NEW_PAGES as usize);
    for number in 0..NEW_PAGES {
        assert_eq!(guest.get(page(number)), (1, Some(Content::Unique(1000 + number))));
    }
}

/// A world in which each of `domains` has pool 0, all of them the same one if `kind` is shared, and
/// the first has filled it.
fn filled(kind: u32, domains: &[u16]) -> Arc<World> {
    let world = World::new(SimHost::builder().frames(400).cpus(2).domains(3));
    for &domain in domains {
        world.service().set_auth(DomainId(domain), Uuid([7, 0]), true).expect("room for one");
        assert_eq!(world.guest(domain).new_pool(kind, 7), 0);
    }
    fill(&world.guest(domains[0]), OLD_PAGES, 0);
    Arc::new(world)
}

#[test]
fn p2_p57_a_slice_of_a_destroy_takes_nothing_of_the_pool_that_came_meanwhile() {
    for kind in ALL_KINDS {
        for moment in MOMENTS {
            let world = filled(kind, &[1]);
            let (guest, other) = (world.guest(1), world.guest(1).with_frames(4, 5));
            let meanwhile = move || {
                assert_eq!(other.destroy(0), 1);
                assert_eq!(other.new_pool(kind, 7), 0);
                fill(&other, NEW_PAGES, 1000);
            };
            meet_at_free(&world, moment, meanwhile, || {
                let _ = guest.slice(DESTROY);
            });
            assert_new_pool_is_whole(&world, &guest);
            assert_eq!(guest.destroy(0), 1);
            assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
        }
    }
}

#[test]
fn r36_p36_a_slice_of_leaving_takes_nothing_of_the_pool_that_came_meanwhile() {
    for moment in MOMENTS {
        let world = filled(flags::SHARED, &[1, 2]);
        let (leaver, stayer) = (world.guest(1), world.guest(2));
        let other = stayer.clone();
        let meanwhile = move || {
            assert_eq!(other.destroy(0), 1);
            assert_eq!(other.new_pool(flags::SHARED, 7), 0);
            fill(&other, NEW_PAGES, 1000);
        };
        meet_at_free(&world, moment, meanwhile, || {
            let _ = leaver.slice(DESTROY);
        });
        leaver.destroy(0);
        assert_new_pool_is_whole(&world, &stayer);
    }
}

#[test]
fn p36_p58_a_slice_of_a_death_takes_nothing_of_the_domain_that_came_meanwhile() {
    for kind in ALL_KINDS {
        for moment in MOMENTS {
            let world = filled(kind, &[1]);
            let within = Arc::clone(&world);
            let meanwhile = move || {
                while within.service().destroy_domain(DomainId(1)) == Progress::More {}
            };
            world.host().kill_domain(DomainId(1));
            let slice = || {
                let _ = world.service().destroy_domain(DomainId(1));
            };
            meet_at_free(&world, moment, meanwhile, slice);
            while world.service().destroy_domain(DomainId(1)) == Progress::More {}
            assert_eq!(world.host().nr_frames_out(), 0);
            assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
            world.service().audit().expect("the books are right");
            let guest = world.guest(2);
            assert_eq!(guest.new_pool(kind, 0), 0);
            fill(&guest, NEW_PAGES, 1000);
            assert_new_pool_is_whole(&world, &guest);
        }
    }
}

#[test]
fn r7_p57_puts_and_flushes_between_the_frees_of_a_flush() {
    let flush = Op::FlushObject { pool_id: 0, object: hypercall_abi::ObjectId([1, 0, 0]) };
    for kind in ALL_KINDS {
        for moment in MOMENTS {
            let world = filled(kind, &[1]);
            let (guest, other) = (world.guest(1), world.guest(1).with_frames(4, 5));
            for index in 0..OLD_PAGES {
                assert_eq!(guest.put(at(0, 1, index), A), 1);
            }
            let meanwhile = move || {
                for index in 0..OLD_PAGES {
                    assert_eq!(other.get(at(0, 1, index)), (0, None), "flushed from the first on");
                }
                assert_eq!(other.put(at(0, 1, 7), B), 1);
                assert_eq!(other.call(flush), 1);
                assert_eq!(other.put(at(0, 1, 8), C), 1);
            };
            meet_at_free(&world, moment, meanwhile, || {
                let _ = guest.slice(flush);
            });
            world.service().audit().expect("the books are right");
            assert_eq!(guest.get(at(0, 1, 7)), (0, None));
            // Put after the one flush and during the other: there or not, but nothing else.
            assert!([(1, Some(C)), (0, None)].contains(&guest.get(at(0, 1, 8))));
            assert_eq!(guest.call(flush), 1);
            assert_eq!(world.host().nr_frames_out(), (OLD_PAGES - 1) as usize);
        }
    }
}

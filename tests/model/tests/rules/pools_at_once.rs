//! Two CPUs destroy, flush and make the same pool at once: P2, P29, P36, P57.

use crate::threads::{Finally, all_in_domain_1, on_all_cpus, rounds, versioned, world};
use hypercall_abi::{ObjectId, Op, Uuid};
use std::sync::atomic::{AtomicBool, Ordering};
use tmem_model_tests::{answer, at, flags};
use tmem_service::DomainId;

/// Both CPUs make the same long call at once, slice by slice: each frame is freed once, and both are
/// told that the work is done.
#[test]
fn p57_p29_two_cpus_that_destroy_or_flush_the_same_at_once() {
    let object = ObjectId([1, 0, 0]);
    let flush = Op::FlushObject { pool_id: 0, object };
    let destroy = Op::DestroyPool { pool_id: 0 };
    for calls in [[flush, flush], [destroy, destroy], [flush, destroy]] {
        for kind in [flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED] {
            let world = world(300);
            world.service().set_auth(DomainId(1), Uuid([7, 0]), true).expect("room");
            let guest = world.guest(1);
            assert_eq!(guest.new_pool(kind, 7), 0);
            for round in 0..rounds(5) {
                for index in 0..150 {
                    assert_eq!(guest.put(at(0, 1, index), versioned(index, round)), 1);
                }
                on_all_cpus(&world, all_in_domain_1, |cpu, guest| {
                    let answer = guest.call(calls[cpu as usize % 2]);
                    // The last slice of a destroy may be the other's.
                    let late = if calls[0] == destroy { answer::NOTHING } else { 1 };
                    let gone = if calls[1] == destroy { answer::NO_DEVICE } else { 1 };
                    assert!([1, late, gone].contains(&answer), "answer {answer}");
                });
                assert_eq!(world.host().nr_frames_out(), 0);
                if calls[1] == destroy {
                    assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
                    assert_eq!(guest.new_pool(kind, 7), 0);
                }
            }
        }
    }
}

/// One CPU destroys pool 0 again and again and may be late with it: the other has finished the work
/// by then and made a new pool in its place, of which nothing may go while it lives.
#[test]
fn p2_p36_a_destroy_that_comes_late_takes_nothing_of_a_pool_made_anew() {
    const NR_PAGES: u32 = 8;
    for kind in [flags::PERSISTENT, flags::SHARED] {
        let world = world(100);
        world.service().set_auth(DomainId(1), Uuid([7, 0]), true).expect("room");
        let is_over = AtomicBool::new(false);
        on_all_cpus(&world, all_in_domain_1, |cpu, guest| {
            if cpu != 0 {
                while !is_over.load(Ordering::Relaxed) {
                    guest.destroy(0);
                }
                return;
            }
            let _over = Finally(|| is_over.store(true, Ordering::Relaxed));
            for round in 0..rounds(1000) {
                while guest.destroy(0) != answer::NOTHING {}
                assert_eq!(guest.new_pool(kind, 7), 0);
                let put = |index| guest.put(at(0, 1, index), versioned(index, round));
                let nr_stored = (0..NR_PAGES).take_while(|&index| put(index) == 1).count();
                for index in (0..NR_PAGES).take(nr_stored) {
                    let (answer, content) = guest.get(at(0, 1, index));
                    if answer == answer::NO_DEVICE {
                        break;
                    }
                    assert_eq!((answer, content), (1, Some(versioned(index, round))));
                }
            }
        });
        world.guest(1).destroy(0);
        assert_eq!(world.host().nr_frames_out(), 0);
        assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
    }
}

//! How much one put may do to others: it evicts at most eight pages, whatever was stored (R69).
//!
//! The model counts the evictions of every call, and allows a refusal only after eight of them.

use tmem_host_sim::{Content, Fault, SimHost};
use tmem_model_tests::{EVICTED_PER_PUT_MAX, World, answer, at, flags};

/// Handles by number: pool, object, index.
type Layout = fn(u32) -> (u32, u64, u32);

/// What fills the host, and what is put then: dense objects, one page an object, pages far apart,
/// many pools, pages that share nothing.
const LAYOUTS: [Layout; 5] = [
    |n| (0, 1, n),
    |n| (0, u64::from(n), 0),
    |n| (0, 1, n << 22 | n),
    |n| (n % 8, u64::from(n % 8), n),
    |n| (n % 8, u64::from(n) << 33, u32::MAX - n),
];

#[test]
fn r69_a_put_evicts_a_bounded_number_of_pages_whatever_was_stored() {
    for filled in LAYOUTS {
        for put in LAYOUTS {
            // What sixteen pools take at least leaves room for pages.
            let host = SimHost::builder().frames(450).metadata_in_frames().domains(2);
            assert_puts_find_room(World::new(host), filled, put);
        }
    }
    assert_eq!(EVICTED_PER_PUT_MAX, 8);
}

/// However many pages go, there is no metadata for the new one: the put gives up at its bound.
#[test]
fn r69_a_put_that_finds_no_metadata_gives_up_after_eight_evictions() {
    let mut world = World::with_frames(40);
    for domain in [1, 2] {
        world.new_pool(domain, flags::EPHEMERAL, 0);
    }
    for index in 0..40 {
        assert_eq!(world.put(1, at(0, 1, index), Content::Unique(index)), 1);
    }
    world.host().fail_all(Fault::Metadata);
    for nr_puts in 1..=3 {
        assert_eq!(world.put(2, at(0, 1, 1), Content::Unique(99)), answer::NO_MEMORY);
        assert_eq!(world.audit().pages, 40 - 8 * nr_puts, "after {nr_puts} puts");
    }
}

/// Domain 1 fills the host in one way, domain 2 puts in another.
fn assert_puts_find_room(mut world: World, filled: Layout, put: Layout) {
    for domain in [1, 2] {
        for _ in 0..8 {
            assert!(world.new_pool(domain, flags::EPHEMERAL, 0) >= 0);
        }
    }
    for number in 0..1200 {
        let (pool, object, index) = filled(number);
        world.put(1, at(pool, object, index), Content::Unique(number));
    }
    world.audit();
    let mut nr_stored = 0;
    for number in 0..100 {
        let (pool, object, index) = put(number);
        nr_stored += world.put(2, at(pool, object, index), Content::Unique(number)).max(0);
    }
    assert!(nr_stored >= 80, "only {nr_stored} of 100 puts found memory");
}

/// Eight pools that each held something everywhere, on a host hardly larger than the metadata that
/// they took (274 frames where there is no end of them): another guest's puts must find that memory.
#[test]
fn p21_one_guests_emptied_pools_do_not_make_anothers_puts_fail() {
    let mut world = World::new(SimHost::builder().frames(270).metadata_in_frames().domains(2));
    for _ in 0..8 {
        assert!(world.new_pool(1, flags::EPHEMERAL, 0) >= 0);
    }
    assert_eq!(world.new_pool(2, flags::EPHEMERAL, 0), 0);
    for number in 0..700 {
        let pool = number % 8;
        world.put(1, at(pool, u64::from(pool), number), Content::Unique(number));
    }
    world.audit();
    let put = |number| world.put(2, at(0, 1, number), Content::Unique(number)).max(0);
    let nr_stored: i64 = (0..100).map(put).sum();
    assert!(nr_stored >= 50, "only {nr_stored} of 100 puts found memory");
    world.audit();
}

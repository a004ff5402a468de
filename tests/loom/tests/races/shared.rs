//! A shared pool that some leave and others use.

use super::*;
use std::sync::Arc;
use tmem_engine::{DomainId, Engine};

const UUID: [u64; 2] = [7, 7];
const SHARED: PoolKind = PoolKind::Shared(UUID);

/// An engine with so many frames, and two domains that may join the pool.
fn two_guests(nr_frames: u32) -> (Arc<Engine<LoomHost>>, [Guest; 2]) {
    let engine = LoomHost::new(nr_frames, false).start();
    let guests = [1, 2].map(|domain| {
        let guest = Guest::new(&engine, domain);
        engine.set_auth(DomainId(domain), UUID, true).expect("room for one");
        guest
    });
    (engine, guests)
}

fn clean(engine: &Engine<LoomHost>, guests: &[Guest]) {
    for guest in guests {
        for pool in [0, 1] {
            let _ = guest.destroy(pool);
        }
    }
    LoomHost::assert_all_given_back(engine);
}

/// Both domains in the pool, the first as its owner. Domain 1 has put PAGE, domain 2 STRANGER.
fn meet(
    name: &str,
    preemptions: usize,
    calls: impl Fn(&Guest, &Guest) -> Vec<Call<Vec<Told>>> + Send + Sync + 'static,
) {
    explore(name, preemptions, move || {
        let (engine, guests) = two_guests(4);
        let [owner, other] = &guests;
        assert_eq!((owner.new_pool(SHARED).0, other.new_pool(SHARED).0), (0, 0));
        assert_eq!(owner.put(0, PAGE, 1).event, Event::Put(1));
        assert_eq!(other.put(0, STRANGER, 2).event, Event::Put(2));
        let threads = race(calls(owner, other));
        LoomHost::audit(&engine);
        let after: Vec<Told> = [PAGE, STRANGER].map(|page| other.get(0, page)).into();
        let pages = vec![(PAGE, 1, 1), (STRANGER, 2, 2)];
        judge(&Before { is_exclusive: false, members: vec![1, 2], pages }, &threads, &after);
        clean(&engine, &guests);
    });
}

#[test]
fn r36_r37_p8_owner_leaves_while_the_other_puts_and_gets() {
    meet("owner leaves, put, get", 2, |owner, other| {
        vec![
            cpu(owner, |owner| vec![owner.destroy(0)]),
            cpu(other, |other| vec![other.put(0, PAGE, 5), other.get(0, PAGE)]),
            cpu(other, |other| vec![other.get(0, PAGE), other.get(0, STRANGER)]),
        ]
    });
}

#[test]
fn r36_owner_reads_and_leaves_while_the_other_reads() {
    meet("owner reads and leaves, get, flush", 2, |owner, other| {
        vec![
            cpu(owner, |owner| vec![owner.get(0, STRANGER)]),
            cpu(owner, |owner| vec![owner.destroy(0)]),
            cpu(other, |other| vec![other.get(0, PAGE), other.flush(0, STRANGER)]),
        ]
    });
}

#[test]
fn r37_r38_owner_leaves_while_the_other_leaves_and_makes_another_pool() {
    meet("both leave, a new pool", 3, |owner, other| {
        vec![
            cpu(owner, |owner| vec![owner.destroy(0)]),
            cpu(other, |other| {
                let destroyed = other.destroy(0);
                let (id, created) = other.new_pool(EPHEMERAL);
                assert_eq!(id, 0, "R23: the lowest free id");
                vec![destroyed, created, other.put(0, PAGE, 9)]
            }),
        ]
    });
}

#[test]
fn r35_p8_one_domain_leaves_by_both_its_ids_while_the_other_reads() {
    explore("left by two ids, get", 3, || {
        let (engine, guests) = two_guests(4);
        let [owner, other] = &guests;
        assert_eq!(other.new_pool(SHARED).0, 0);
        assert_eq!((owner.new_pool(SHARED).0, owner.new_pool(SHARED).0), (0, 1));
        assert_eq!(owner.put(1, PAGE, 1).event, Event::Put(1));
        assert_eq!(other.put(0, STRANGER, 2).event, Event::Put(2));
        let threads = race(vec![
            cpu(owner, |owner| vec![owner.destroy(0)]),
            cpu(owner, |owner| vec![owner.destroy(1)]),
            cpu(other, |other| vec![other.get(0, STRANGER)]),
        ]);
        LoomHost::audit(&engine);
        assert_eq!(threads[2][0].event, Event::Hit(2), "R37: others' pages stay");
        assert_eq!(other.get(0, PAGE).event, Event::Miss, "R36: what it used last is gone");
        assert_eq!(other.get(0, STRANGER).event, Event::Hit(2), "R37: others' pages stay");
        clean(&engine, &guests);
    });
}

#[test]
fn r35_p8_one_id_is_left_while_the_other_is_used() {
    explore("one of two ids left, another leaves, get, put", 3, || {
        let (engine, guests) = two_guests(4);
        let [owner, other] = &guests;
        assert_eq!((owner.new_pool(SHARED).0, owner.new_pool(SHARED).0), (0, 1));
        assert_eq!(other.new_pool(SHARED).0, 0);
        assert_eq!(owner.put(0, PAGE, 1).event, Event::Put(1));
        assert_eq!(other.put(0, STRANGER, 2).event, Event::Put(2));
        let threads = race(vec![
            cpu(owner, |owner| vec![owner.destroy(0)]),
            cpu(owner, |owner| vec![owner.get(1, PAGE), owner.put(1, NEIGHBOUR, 3)]),
            // While somebody leaves, each look at a page asks whether its last user is still there.
            cpu(other, |other| vec![other.destroy(0)]),
        ]);
        LoomHost::audit(&engine);
        let events = [threads[1][0].event, threads[1][1].event];
        assert_eq!(events, [Event::Hit(1), Event::Put(3)], "R35: the other id works on");
        let pages = [PAGE, NEIGHBOUR].map(|page| owner.get(1, page).event);
        assert_eq!(pages, [Event::Hit(1), Event::Hit(3)], "R35: nothing is lost");
        clean(&engine, &guests);
    });
}

#[test]
fn r31_r38_one_joins_while_the_last_leaves() {
    explore("last leaves, one joins", 4, || {
        let (engine, guests) = two_guests(4);
        let [owner, other] = &guests;
        assert_eq!(owner.new_pool(SHARED).0, 0);
        assert_eq!(owner.put(0, PAGE, 1).event, Event::Put(1));
        let _ = race(vec![
            cpu(owner, |owner| vec![owner.destroy(0)]),
            cpu(other, |other| {
                let (id, joined) = other.new_pool(SHARED);
                assert_eq!(id, 0);
                let put = other.put(0, STRANGER, 2);
                assert_eq!(put.event, Event::Put(2), "whichever pool it is, it works");
                vec![joined, put]
            }),
        ]);
        LoomHost::audit(&engine);
        assert_eq!(other.get(0, PAGE).event, Event::Miss, "R36, R38: gone with its last user");
        assert_eq!(other.get(0, STRANGER).event, Event::Hit(2));
        assert_eq!(owner.new_pool(SHARED).0, 0);
        assert_eq!(owner.get(0, STRANGER).event, Event::Hit(2), "R31: the same pool");
        clean(&engine, &guests);
    });
}

#[test]
fn r10_r43_eviction_against_a_get_that_leaves_the_page() {
    explore("shared get, evict", 4, || {
        let (engine, guests) = two_guests(2);
        let [owner, _] = &guests;
        assert_eq!(owner.new_pool(SHARED).0, 0);
        assert_eq!(owner.put(0, PAGE, 1).event, Event::Put(1));
        assert_eq!(owner.put(0, NEIGHBOUR, 2).event, Event::Put(2));
        let mut threads = race(vec![
            cpu(owner, |owner| vec![owner.get(0, PAGE)]),
            cpu(owner, |owner| vec![owner.put(0, Page::new(1, 3), 3)]),
        ]);
        threads.extend(owner.evictions(0));
        LoomHost::audit(&engine);
        let after: Vec<Told> = [PAGE, NEIGHBOUR].map(|page| owner.get(0, page)).into();
        let pages = vec![(PAGE, 1, 1), (NEIGHBOUR, 2, 1)];
        judge(&Before { is_exclusive: false, members: vec![1], pages }, &threads, &after);
        clean(&engine, &guests);
    });
}

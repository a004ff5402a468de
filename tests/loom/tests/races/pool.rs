//! Pools that go, in slices of one page, while calls are under way in them.

use super::*;

/// Domain 1 with pool 0 holding `pages`, each its place in the list from 1 on; `calls` at once; what
/// a get of each page then finds in whatever pool 0 is, if there is one.
fn meet(
    name: &str,
    preemptions: usize,
    (kind, nr_frames, pages): (PoolKind, u32, &'static [Page]),
    calls: impl Fn(&Guest) -> Vec<Call<Vec<Told>>> + Send + Sync + 'static,
) {
    explore(name, preemptions, move || {
        let engine = LoomHost::new(nr_frames, false).start();
        let guest = Guest::new(&engine, 1);
        assert_eq!(guest.new_pool(kind).0, 0);
        let stored: Vec<_> = (1..).zip(pages).map(|(value, &page)| (page, value, 1)).collect();
        for &(page, value, _) in &stored {
            assert_eq!(guest.put(0, page, value).event, Event::Put(value));
        }
        let mut threads = race(calls(&guest));
        threads.extend(guest.evictions(0));
        LoomHost::audit(&engine);
        let after: Vec<Told> = pages.iter().map(|&page| guest.get(0, page)).collect();
        let is_exclusive = kind == EPHEMERAL;
        judge(&Before { is_exclusive, members: vec![1], pages: stored }, &threads, &after);
        for pool in [0, 1] {
            let _ = guest.destroy(pool);
        }
        LoomHost::assert_all_given_back(&engine);
    });
}

/// Destroys pool 0 and makes another of the same id, with a page of the same name.
fn renew(guest: &Guest, kind: PoolKind) -> Vec<Told> {
    let destroyed = guest.destroy(0);
    let (id, created) = guest.new_pool(kind);
    assert_eq!(id, 0, "R23: the lowest free id");
    vec![destroyed, created, guest.put(0, PAGE, 9)]
}

#[test]
fn r7_r22_p2_pool_destroyed_and_made_anew_against_get_and_put() {
    for (kind, new) in [(EPHEMERAL, PERSISTENT), (PERSISTENT, EPHEMERAL), (PERSISTENT, PERSISTENT)]
    {
        let setting: (_, _, &[Page]) = (kind, 4, &[PAGE]);
        meet("destroy and renew, get", 2, setting, move |guest| {
            vec![
                cpu(guest, move |guest| renew(&guest, new)),
                cpu(guest, |guest| vec![guest.get(0, PAGE)]),
            ]
        });
        meet("destroy and renew, put", 2, setting, move |guest| {
            vec![
                cpu(guest, move |guest| renew(&guest, new)),
                cpu(guest, |guest| vec![guest.put(0, PAGE, 8)]),
            ]
        });
        meet("destroy and renew, flush", 2, setting, move |guest| {
            vec![
                cpu(guest, move |guest| renew(&guest, new)),
                cpu(guest, |guest| vec![guest.flush(0, PAGE)]),
            ]
        });
        meet("destroy and renew, get, put", 1, setting, move |guest| {
            vec![
                cpu(guest, move |guest| renew(&guest, new)),
                cpu(guest, |guest| vec![guest.get(0, PAGE)]),
                cpu(guest, |guest| vec![guest.put(0, PAGE, 8)]),
            ]
        });
    }
}

#[test]
fn r22_r69_pool_destroyed_by_two_cpus_while_one_reads() {
    for kind in [EPHEMERAL, PERSISTENT] {
        meet("two destroy, one reads", 2, (kind, 3, &[PAGE, STRANGER]), |guest| {
            vec![
                cpu(guest, |guest| vec![guest.destroy(0)]),
                cpu(guest, |guest| vec![guest.destroy(0)]),
                cpu(guest, |guest| vec![guest.get(0, PAGE), guest.get(0, PAGE)]),
            ]
        });
    }
}

#[test]
fn r22_p2_pool_destroyed_by_two_cpus_and_made_anew_by_one() {
    meet("destroy and renew, destroy", 3, (EPHEMERAL, 3, &[PAGE]), |guest| {
        vec![
            cpu(guest, |guest| vec![guest.destroy(0)]),
            cpu(guest, |guest| {
                let destroyed = guest.destroy(0);
                let (id, created) = guest.new_pool(PERSISTENT);
                let put = guest.put(id, PAGE, 9);
                // Either id: the other CPU may have the old pool's in hand, or take the new one.
                if id == 0 { vec![destroyed, created, put] } else { vec![destroyed] }
            }),
        ]
    });
}

#[test]
fn r7_flush_of_an_object_in_slices_against_put_and_get() {
    for kind in [EPHEMERAL, PERSISTENT] {
        meet("flush object, put, get", 2, (kind, 4, &[PAGE, NEIGHBOUR]), |guest| {
            vec![
                cpu(guest, |guest| vec![guest.flush_object(0, PAGE)]),
                cpu(guest, |guest| vec![guest.put(0, NEIGHBOUR, 8)]),
                cpu(guest, |guest| vec![guest.get(0, PAGE), guest.get(0, NEIGHBOUR)]),
            ]
        });
    }
}

#[test]
fn r11_r41_eviction_out_of_a_pool_whose_record_becomes_a_persistent_pools() {
    meet("destroy and renew, evict", 2, (EPHEMERAL, 2, &[PAGE]), |guest| {
        assert_eq!(guest.new_pool(EPHEMERAL).0, 1);
        assert_eq!(guest.put(1, NEIGHBOUR, 5).event, Event::Put(5));
        let other = guest.clone();
        vec![
            cpu(guest, |guest| renew(&guest, PERSISTENT)),
            silently(move || {
                let _ = other.put(1, PAGE, 6);
            }),
        ]
    });
}

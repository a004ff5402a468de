//! Clients that come and go.

use super::*;
use std::sync::Arc;
use tmem_engine::DomainId;

#[test]
fn r23_r28_p4_client_made_by_two_cpus_at_once() {
    explore("two make one client, one another", 2, || {
        let engine = LoomHost::new(2, false).start();
        let come = |domain| -> Call<_> {
            let engine = Arc::clone(&engine);
            Box::new(move || {
                let guest = Guest::new(&engine, domain);
                let (pool, _) = guest.new_pool(EPHEMERAL);
                (guest, pool)
            })
        };
        let come_only = |domain| -> Call<_> {
            let engine = Arc::clone(&engine);
            Box::new(move || (Guest::new(&engine, domain), 0))
        };
        let came = race(vec![come(1), come(1), come_only(2)]);
        let clients: Vec<_> = came.iter().map(|(guest, _)| guest.client()).collect();
        assert_eq!(clients[0], clients[1], "R28: one client");
        assert_ne!(clients[0], clients[2], "another domain is another client");
        let mut pools = [came[0].1, came[1].1];
        pools.sort_unstable();
        assert_eq!(pools, [0, 1], "R23: an id for each");
        LoomHost::audit(&engine);
        let totals = engine.audit().expect("the engine's books agree");
        assert_eq!((totals.clients, totals.pools), (2, 2));
        for pool in pools {
            assert_eq!(came[0].0.destroy(pool).event, Event::Destroyed);
        }
        LoomHost::assert_all_given_back(&engine);
    });
}

#[test]
fn r27_r29_domain_dies_during_its_calls_and_its_record_serves_another() {
    for kind in [EPHEMERAL, PERSISTENT] {
        explore("death, get, put, another client", 2, move || {
            let engine = LoomHost::new(3, false).start();
            let guest = Guest::new(&engine, 1);
            assert_eq!(guest.new_pool(kind).0, 0);
            assert_eq!(guest.put(0, PAGE, 1).event, Event::Put(1));
            let dying = Arc::clone(&engine);
            let threads = race(vec![
                cpu(&guest, |guest| vec![guest.get(0, PAGE)]),
                cpu(&guest, |guest| vec![guest.put(0, NEIGHBOUR, 2)]),
                silently(move || {
                    while !dying.destroy_client(DomainId(1)) {}
                    assert_eq!(dying.client_of(DomainId(1)), None, "R27: it is no client");
                    let _ = Guest::new(&dying, 2);
                }),
            ]);
            let [got, put] = [threads[0][0].event, threads[1][0].event];
            assert!([Event::Hit(1), Event::NoPool].contains(&got), "{got:?}");
            assert!([Event::Put(2), Event::NoPool].contains(&put), "{put:?}");
            LoomHost::assert_all_given_back(&engine);
        });
    }
}

#[test]
fn r27_domain_destroyed_by_two_cpus() {
    explore("two destroy one client", 2, || {
        let engine = LoomHost::new(3, false).start();
        let guest = Guest::new(&engine, 1);
        assert_eq!((guest.new_pool(PERSISTENT).0, guest.new_pool(EPHEMERAL).0), (0, 1));
        for pool in [0, 1] {
            assert_eq!(guest.put(pool, PAGE, 1).event, Event::Put(1));
        }
        let die = || {
            let engine = Arc::clone(&engine);
            silently(move || while !engine.destroy_client(DomainId(1)) {})
        };
        let _ = race(vec![die(), die()]);
        assert_eq!(engine.client_of(DomainId(1)), None);
        LoomHost::assert_all_given_back(&engine);
    });
}

//! GET_POOLS and SET_POOLS. R58, P5, P23, P47, P72.

use super::*;

#[test]
fn r58_p23_p72_pools_are_read_and_made_again_elsewhere() {
    let mut world = listed_world();
    world.new_pool(1, flags::EPHEMERAL, 0);
    assert_eq!(world.destroy(1, 1), 1);
    let record = |flags, id, n_pages, uuid| PoolInfo { flags, id, n_pages, uuid: Uuid([uuid, 0]) };
    let expected =
        [record(SHARED, 0, 3, 0xab), record(PERSISTENT, 2, 2, 0), record(EPHEMERAL, 3, 0, 0)];
    assert_eq!(get_pools(&world, 1, 16), (3, expected.to_vec()));
    // As many as there is room for, and none in none.
    assert_eq!(get_pools(&world, 1, 2), (2, expected[..2].to_vec()));
    assert_eq!(get_pools(&world, 1, 0), (0, vec![]));
    assert_eq!(get_pools(&world, 3, 16), (0, vec![]));

    // What was read makes the same pools for another; only pages must not be claimed.
    assert!(world.set_auth(4, Uuid([0xab, 0]), true));
    assert_eq!(set_pools(&world, 4, &expected), -22);
    assert_eq!(get_pools(&world, 4, 16), (0, vec![]));
    let empty = expected.map(|record| PoolInfo { n_pages: 0, ..record });
    assert_eq!(set_pools(&world, 4, &empty), 3);
    let mut made = empty;
    // The shared one is joined, with its pages.
    made[0].n_pages = 3;
    assert_eq!(get_pools(&world, 4, 16), (3, made.to_vec()));
    let guest = world.guest(4);
    assert_eq!(guest.put(at(2, 1, 1), Content::Unique(5)), 1);
    assert_eq!(guest.get(at(2, 1, 1)).0, 1);
    assert_eq!(guest.get(at(0, 1, 1)).0, 1);
    assert_eq!(guest.put(at(1, 1, 1), Content::ZERO), answer::NO_DEVICE);
    world.service().audit().expect("the books are right");
}

#[test]
fn r58_p23_each_pool_that_can_t_be_made_is_refused() {
    let world = World::roomy();
    let record = |flags, id| PoolInfo { flags, id, ..PoolInfo::default() };
    let one = |flags, id| [record(flags, id)];
    assert_eq!(set_pools(&world, 1, &[]), 0);
    assert_eq!(set_pools(&world, 1, &one(EPHEMERAL, 15)), 1);
    for (records, why) in [
        (one(EPHEMERAL, 15), "taken"),
        (one(EPHEMERAL, 16), "no such id"),
        (one(EPHEMERAL, u32::MAX), "no such id"),
        (one(0, 1), "no version"),
        (one(PERSISTENT | SHARED, 1), "shared and persistent"),
        (one(EPHEMERAL | 4, 1), "precompressed"),
        (one(EPHEMERAL | 0x10, 1), "page size"),
        (one(EPHEMERAL | 0x100, 1), "reserved"),
    ] {
        assert_eq!(set_pools(&world, 1, &records), -1, "{why}");
    }
    // Those before one that fails stay.
    assert_eq!(
        set_pools(&world, 1, &[record(EPHEMERAL, 3), record(0, 4), record(EPHEMERAL, 5)]),
        -1
    );
    let ids =
        |world: &World| get_pools(world, 1, 16).1.iter().map(|pool| pool.id).collect::<Vec<_>>();
    assert_eq!(ids(&world), [3, 15]);
    // Nobody is authorised: a private pool, as a guest would get (R32).
    let shared = PoolInfo { uuid: Uuid([7, 7]), ..record(SHARED, 0) };
    assert_eq!(set_pools(&world, 1, &[shared]), 1);
    assert_eq!(get_pools(&world, 1, 16).1[0], record(EPHEMERAL, 0));
    world.host().fail_all(Fault::Metadata);
    assert_eq!(set_pools(&world, 1, &one(EPHEMERAL, 9)), -12);
    assert_eq!(set_pools(&world, 2, &one(EPHEMERAL, 9)), -12);
    world.host().heal();

    let memory = Buffer::new(ADDRESS, &[0; 32 * 17]);
    for len in [1, 31, 33, u32::MAX] {
        for who in [ClientId::One(1), ClientId::One(4000), ClientId::All] {
            let set = ControlOp::SetPools { who, len, buffer: ADDRESS };
            let get = ControlOp::GetPools { who, len, buffer: ADDRESS };
            assert_eq!((control(&world, set, &memory), control(&world, get, &memory)), (-22, -22));
        }
    }
    let who = ClientId::One(1);
    let long = ControlOp::SetPools { who, len: 32 * 17, buffer: ADDRESS };
    assert_eq!(control(&world, long, &memory), -7);
    let long = ControlOp::GetPools { who, len: 32 * 17, buffer: ADDRESS };
    assert_eq!(control(&world, long, &memory), -7);
    for who in [ClientId::All, ClientId::One(3)] {
        let get = ControlOp::GetPools { who, len: 32, buffer: ADDRESS };
        assert_eq!(control(&world, get, &memory), -22);
    }
    let all = ControlOp::SetPools { who: ClientId::All, len: 32, buffer: ADDRESS };
    assert_eq!(control(&world, all, &memory), -22);
}

#[test]
fn p5_p47_no_pool_is_made_for_a_dying_domain_or_none() {
    let mut world = World::roomy();
    world.new_pool(1, flags::EPHEMERAL, 0);
    world.kill(1);
    // Its destruction has not begun here: it is a client yet, with ids to spare.
    let record = PoolInfo { flags: EPHEMERAL, id: 3, ..PoolInfo::default() };
    assert_eq!(set_pools(&world, 1, &[record]), -22);
    assert_eq!(get_pools(&world, 1, 16).0, 1);
    world.destroy_domain(1);
    for domain in [1, 4000] {
        assert_eq!(set_pools(&world, domain, &[record]), -22);
        assert_eq!(world.service().client_state(DomainId(domain)), None);
    }
}

#[test]
fn r34_r58_a_shared_pool_more_than_the_host_has_room_for_is_refused() {
    let world = World::roomy();
    let shared =
        |id, uuid| PoolInfo { flags: SHARED, id, uuid: Uuid([uuid, 1]), ..PoolInfo::default() };
    let allow = |domain, uuid| {
        world.service().set_auth(DomainId(domain), Uuid([uuid, 1]), true).expect("there is room");
    };
    let all: Vec<PoolInfo> = (0..16).map(|id| shared(id, 100 + u64::from(id))).collect();
    for record in &all {
        allow(1, record.uuid.0[0]);
    }
    assert_eq!(set_pools(&world, 1, &all), 16);
    for uuid in [7, 100] {
        allow(2, uuid);
    }
    assert_eq!(set_pools(&world, 2, &[shared(0, 7)]), -1);
    assert_eq!(get_pools(&world, 2, 16), (0, vec![]), "the id is free");
    assert_eq!(set_pools(&world, 2, &[shared(0, 100)]), 1, "one that there is can be joined");
    assert_eq!(world.guest(1).destroy(15), 1);
    assert_eq!(set_pools(&world, 2, &[shared(1, 7)]), 1);
}

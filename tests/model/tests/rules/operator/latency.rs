//! How long calls took, by client and by pool: counted where they were made, and nowhere else. R27, R29,
//! R71, R74.

use super::*;
use hypercall_abi::{Handle, NewPool, ObjectId, Op, command};

/// All four histograms of a record.
type Calls = [Histogram; 4];

fn set_measuring(world: &World, on: bool) {
    assert_eq!(control(world, ControlOp::SetMeasuring { on }, &Buffer::default()), 0);
}

fn measured_world() -> World {
    let world = World::roomy();
    set_measuring(&world, true);
    world
}

fn try_calls(world: &World, of: StatsOf) -> Option<Calls> {
    let memory = Buffer::new(ADDRESS, &[0xaa; STATS_BYTES]);
    let answer = control(world, ControlOp::GetStats { of, len: WHOLE, buffer: ADDRESS }, &memory);
    let (bytes, is_there) = (memory.bytes(), answer == 0);
    let info = StatsInfo::decode(&bytes);
    is_there.then(|| Timed::ALL.map(|of| Histogram::decode(&bytes, &info, of)))
}

fn calls_of_client(world: &World, domain: u16) -> Calls {
    try_calls(world, StatsOf::Client { domain, or_next: false }).expect("it is a client")
}

fn calls_of_pool(world: &World, domain: u16, pool_id: u32) -> Calls {
    try_calls(world, StatsOf::Pool { domain, pool_id, or_next: false }).expect("it is a pool")
}

/// How many calls there are in each.
fn counts(calls: Calls) -> [u64; 4] {
    calls.map(|histogram| histogram.count())
}

/// A call, each slice of it handed on as the hypervisor's glue does it: by the first two words of the
/// operation.
fn timed(world: &World, domain: u16, op: Op, nanoseconds: u64) -> i64 {
    let guest = world.guest(domain);
    loop {
        let outcome = guest.slice(op);
        hand_on(world, domain, op, nanoseconds);
        if let tmem_service::Outcome::Done(status) = outcome {
            return status.encode();
        }
    }
}

fn hand_on(world: &World, domain: u16, op: Op, nanoseconds: u64) {
    let [command, pool_id] = words(op);
    world.service().measured(DomainId(domain), command, pool_id, nanoseconds);
}

/// The first two words of an operation.
fn words(op: Op) -> [u32; 2] {
    let block = op.encode();
    [0, 4].map(|at| u32::from_le_bytes(block[at..at + 4].try_into().expect("a word")))
}

fn put(handle: Handle) -> Op {
    Op::PutPage { handle, cmfn: tmem_model_tests::SOURCE_GFN }
}

fn get(handle: Handle) -> Op {
    Op::GetPage { handle, cmfn: tmem_model_tests::TARGET_GFN }
}

fn new_pool(flags: u32, uuid: u64) -> Op {
    Op::NewPool(NewPool { flags, uuid: Uuid([uuid, 0]) })
}

#[test]
fn r74_a_call_is_counted_for_its_client_and_its_pool_and_nobody_else() {
    let world = measured_world();
    for domain in 1..=2 {
        assert_eq!(timed(&world, domain, new_pool(flags::EPHEMERAL, 0), 10), 0);
        assert_eq!(timed(&world, domain, new_pool(flags::PERSISTENT, 0), 10), 1);
    }
    for index in 0..5 {
        assert_eq!(timed(&world, 1, put(at(1, 1, index)), 1000), 1);
    }
    assert_eq!(timed(&world, 1, get(at(1, 1, 0)), 300), 1);
    assert_eq!(timed(&world, 1, get(at(0, 1, 0)), 70), answer::EMPTY);
    assert_eq!(timed(&world, 1, Op::FlushPage { handle: at(1, 1, 1) }, 64), 1);
    let object = ObjectId([1, 0, 0]);
    assert_eq!(timed(&world, 1, Op::FlushObject { pool_id: 1, object }, u64::MAX), 1);
    // To a pool that it has not.
    assert_eq!(timed(&world, 1, put(at(2, 1, 0)), 3), -19);
    assert_eq!(timed(&world, 1, put(at(u32::MAX, 1, 0)), 0), -19);

    let of_pool = calls_of_pool(&world, 1, 1);
    assert_eq!(counts(of_pool), [5, 1, 1, 1]);
    assert_eq!([of_pool[0].0[9], of_pool[1].0[8], of_pool[2].0[6], of_pool[3].0[31]], [5, 1, 1, 1]);
    assert_eq!(counts(calls_of_pool(&world, 1, 0)), [0, 1, 0, 0]);
    let of_client = calls_of_client(&world, 1);
    assert_eq!(counts(of_client), [7, 2, 1, 3]);
    assert_eq!([of_client[0].0[0], of_client[0].0[1], of_client[0].0[9]], [1, 1, 5]);
    assert_eq!(of_client[3].0[3], 2);
    // The other has the same ids.
    assert_eq!(counts(calls_of_client(&world, 2)), [0, 0, 0, 2]);
    for pool_id in [0, 1] {
        assert_eq!(counts(calls_of_pool(&world, 2, pool_id)), [0; 4]);
    }
}

/// A new pool has no id yet, an unknown command names none: their second word is anything.
#[test]
fn a_command_that_names_no_pool_is_counted_for_the_client_only() {
    let world = measured_world();
    assert_eq!(timed(&world, 1, new_pool(flags::EPHEMERAL, 0), 10), 0);
    for number in [command::NEW_POOL, 0, 3, 8, u32::MAX] {
        for pool_id in [0, 15, 16, u32::MAX] {
            world.service().measured(DomainId(1), number, pool_id, 10);
        }
    }
    assert_eq!(counts(calls_of_pool(&world, 1, 0)), [0; 4]);
    assert_eq!(counts(calls_of_client(&world, 1)), [0, 0, 0, 21]);
}

#[test]
fn r74_a_shared_pool_has_one_histogram_for_all_its_members() {
    let mut world = measured_world();
    for domain in 1..=2 {
        assert!(world.set_auth(domain, Uuid([7, 0]), true));
        assert_eq!(timed(&world, domain, new_pool(flags::SHARED, 7), 10), 0);
    }
    for index in 0..3 {
        timed(&world, 1, put(at(0, 1, index)), 100);
    }
    timed(&world, 2, get(at(0, 1, 1)), 100);
    for domain in 1..=2 {
        assert_eq!(counts(calls_of_pool(&world, domain, 0)), [3, 1, 0, 0]);
    }
    assert_eq!(counts(calls_of_client(&world, 1)), [3, 0, 0, 1]);
    assert_eq!(counts(calls_of_client(&world, 2)), [0, 1, 0, 1]);
    // Who has left has no part in it any more; for the other it goes on.
    assert_eq!(timed(&world, 1, Op::DestroyPool { pool_id: 0 }, 5), 1);
    assert_eq!(try_calls(&world, StatsOf::Pool { domain: 1, pool_id: 0, or_next: false }), None);
    timed(&world, 1, put(at(0, 1, 9)), 100);
    timed(&world, 2, put(at(0, 1, 9)), 100);
    assert_eq!(counts(calls_of_pool(&world, 2, 0))[..2], [4, 1]);
}

#[test]
fn r27_a_pool_id_and_a_domain_that_are_there_again_begin_empty() {
    let mut world = measured_world();
    assert_eq!(timed(&world, 1, new_pool(flags::PERSISTENT, 0), 10), 0);
    assert_eq!(timed(&world, 1, put(at(0, 1, 1)), 10), 1);
    assert_eq!(counts(calls_of_pool(&world, 1, 0)), [1, 0, 0, 0]);
    assert_eq!(timed(&world, 1, Op::DestroyPool { pool_id: 0 }, 10), 1);
    // Another's pool out of the same record, then the same id.
    for domain in [2, 1] {
        assert_eq!(timed(&world, domain, new_pool(flags::PERSISTENT, 0), 10), 0);
        assert_eq!(counts(calls_of_pool(&world, domain, 0)), [0; 4]);
        timed(&world, domain, put(at(0, 1, 1)), 10);
        assert_eq!(counts(calls_of_pool(&world, domain, 0)), [1, 0, 0, 0]);
    }
    world.destroy_domain(1);
    world.host().create_domain(DomainSpec::new(1));
    timed(&world, 1, Op::FlushPage { handle: at(0, 1, 1) }, 10);
    assert_eq!(counts(calls_of_client(&world, 1)), [0, 0, 1, 0]);
}

#[test]
fn measuring_that_is_begun_anew_begins_at_0() {
    let world = measured_world();
    timed(&world, 1, new_pool(flags::EPHEMERAL, 0), 10);
    timed(&world, 1, put(at(0, 1, 1)), 10);
    let before = (calls_of_client(&world, 1), calls_of_pool(&world, 1, 0));
    assert_eq!((counts(before.0), counts(before.1)), ([1, 0, 0, 1], [1, 0, 0, 0]));
    // What is ended stays to be read, and nothing comes to it.
    set_measuring(&world, false);
    world.service().measured(DomainId(1), command::PUT_PAGE, 0, 10);
    assert_eq!((calls_of_client(&world, 1), calls_of_pool(&world, 1, 0)), before);
    set_measuring(&world, true);
    assert_eq!(counts(calls_of_client(&world, 1)), [0; 4]);
    assert_eq!(counts(calls_of_pool(&world, 1, 0)), [0; 4]);
    timed(&world, 1, get(at(0, 1, 1)), 10);
    assert_eq!(counts(calls_of_client(&world, 1)), [0, 1, 0, 0]);
    assert_eq!(counts(calls_of_pool(&world, 1, 0)), [0, 1, 0, 0]);
    // Also while it goes on.
    set_measuring(&world, true);
    assert_eq!(counts(calls_of_client(&world, 1)), [0; 4]);
}

#[test]
fn nothing_is_allocated_while_nothing_is_measured() {
    let world = World::roomy();
    for domain in 1..=4 {
        assert_eq!(world.guest(domain).new_pool(flags::PERSISTENT, 0), 0);
    }
    let one_put = |world: &World, domain| hand_on(world, domain, put(at(0, 1, 1)), 10);
    let frames =
        |world: &World| (of_host(world).counters.record_frames, world.host().nr_metadata());
    let before = frames(&world);
    one_put(&world, 1);
    assert_eq!(frames(&world), before);
    set_measuring(&world, true);
    assert_eq!(frames(&world), before, "not before there is a call");
    one_put(&world, 1);
    let after = (before.0 + 2, before.1 + 2);
    assert_eq!(frames(&world), after, "a frame for the client and one for the pool");
    // Both have room for the next two; nobody is charged, and no pool has more metadata.
    one_put(&world, 2);
    one_put(&world, 3);
    assert_eq!(frames(&world), after);
    for domain in 1..=3 {
        assert_eq!(world.host().domain(DomainId(domain)).nr_charged(), 0);
        assert_eq!(of_client(&world, domain).counters.metadata_frames, 0);
        assert_eq!(counts(calls_of_client(&world, domain)), [1, 0, 0, 0]);
        assert_eq!(counts(calls_of_pool(&world, domain, 0)), [1, 0, 0, 0]);
    }
    set_measuring(&world, false);
    one_put(&world, 4);
    assert_eq!(frames(&world), after);
    assert_eq!(world.service().audit().expect("the books are right").kept_frames, after.0);
}

#[test]
fn r71_where_there_is_no_memory_for_a_histogram_a_call_is_not_counted() {
    for nth in 1..=4 {
        let mut world = measured_world();
        world.new_pool(1, flags::PERSISTENT, 0);
        assert_eq!(world.put(1, at(0, 1, 1), Content::Unique(1)), 1);
        let before = world.host().nr_metadata();
        world.host().fail_from(Fault::Metadata, nth);
        hand_on(&world, 1, put(at(0, 1, 1)), 10);
        let nr_made = u64::from(nth > 1) + u64::from(nth > 2);
        assert_eq!(world.host().nr_metadata(), before + nr_made);
        assert_eq!(world.host().fired(Fault::Metadata) > 0, nth <= 2);
        assert_eq!(counts(calls_of_client(&world, 1)), [u64::from(nth > 1), 0, 0, 0]);
        assert_eq!(counts(calls_of_pool(&world, 1, 0)), [u64::from(nth > 2), 0, 0, 0]);
        world.audit();
        // The next call tries again.
        world.host().heal();
        hand_on(&world, 1, get(at(0, 1, 1)), 10);
        assert_eq!(counts(calls_of_client(&world, 1))[1], 1);
        assert_eq!(counts(calls_of_pool(&world, 1, 0))[1], 1);
        assert_eq!(world.host().nr_metadata(), before + 2);
        assert_eq!(world.get(1, at(0, 1, 1)), (1, Some(Content::Unique(1))));
    }
}

/// One call may cost others two pages, one for each frame; where all pages stay, it costs nothing.
#[test]
fn on_a_full_host_a_histogram_takes_the_place_of_one_evicted_page() {
    for kind in [flags::EPHEMERAL, flags::PERSISTENT] {
        let builder = SimHost::builder().frames(40).metadata_in_frames().domains(2);
        let world = World::new(builder);
        let guest = world.guest(1);
        assert_eq!(guest.new_pool(kind, 0), 0);
        for index in 0..60 {
            guest.put(at(0, 1, index), Content::Unique(index));
        }
        set_measuring(&world, true);
        let pages = || world.service().audit().expect("the books are right").pages;
        let before = pages();
        hand_on(&world, 1, get(at(0, 1, 1)), 10);
        hand_on(&world, 1, get(at(0, 1, 1)), 10);
        let (nr_evicted, nr_counted) = if kind == flags::EPHEMERAL { (2, 2) } else { (0, 0) };
        assert_eq!(before - pages(), nr_evicted);
        assert_eq!(counts(calls_of_client(&world, 1)), [0, nr_counted, 0, 0]);
        assert_eq!(counts(calls_of_pool(&world, 1, 0)), [0, nr_counted, 0, 0]);
        for domain in 1..=2 {
            tmem_model_tests::destroy_domain(world.service(), domain);
        }
    }
}

#[test]
fn r29_nothing_is_counted_for_who_is_dying_or_was_never_there() {
    let mut world = measured_world();
    world.new_pool(1, flags::PERSISTENT, 0);
    for index in 0..100 {
        world.put(1, at(0, 1, index), Content::Unique(index));
    }
    hand_on(&world, 1, put(at(0, 1, 1)), 10);
    let before = world.host().nr_metadata();
    for domain in [2, 4000, u16::MAX] {
        hand_on(&world, domain, put(at(0, 1, 1)), 10);
    }
    assert_eq!(world.host().nr_metadata(), before);
    assert_eq!(try_calls(&world, StatsOf::Client { domain: 2, or_next: false }), None);
    world.kill(1);
    assert_eq!(world.destroy_domain_slice(1), tmem_service::Progress::More);
    hand_on(&world, 1, put(at(0, 1, 1)), 10);
    // What was counted before is told until it is gone.
    assert_eq!(counts(calls_of_client(&world, 1)), [1, 0, 0, 0]);
    assert_eq!(counts(calls_of_pool(&world, 1, 0)), [1, 0, 0, 0]);
    while world.destroy_domain_slice(1) == tmem_service::Progress::More {}
    assert_eq!(try_calls(&world, StatsOf::Client { domain: 1, or_next: false }), None);
}

/// Histograms are kept for the next user of the record: as many frames as the most clients and pools
/// that there were at once, however often they come and go.
#[test]
fn r27_histograms_are_reused_and_none_is_lost() {
    let mut world = World::roomy();
    set_measuring(&world, true);
    let mut kept = None;
    for _ in 0..20 {
        for domain in 1..=4 {
            for kind in [flags::EPHEMERAL, flags::PERSISTENT] {
                let id = timed(&world, domain, new_pool(kind, 0), 10);
                let handle = at(u32::try_from(id).expect("an id"), 1, 1);
                assert_eq!(timed(&world, domain, put(handle), 10), 1);
            }
        }
        for domain in 1..=3 {
            world.destroy_domain(domain);
            world.host().create_domain(DomainSpec::new(domain));
        }
        for pool_id in [0, 1] {
            assert_eq!(timed(&world, 4, Op::DestroyPool { pool_id }, 10), 1);
        }
        let now = of_host(&world).counters.record_frames;
        assert_eq!(*kept.get_or_insert(now), now);
        assert_eq!(world.service().audit().expect("the books are right").kept_frames, now);
    }
}

#[test]
fn r74_a_clients_histogram_has_at_least_its_pools_calls_whatever_cpus_count_at_once() {
    let world = World::new(SimHost::builder().frames(4000).domains(2).cpus(2));
    set_measuring(&world, true);
    for domain in 1..=2 {
        for kind in [flags::EPHEMERAL, flags::PERSISTENT] {
            world.guest(domain).new_pool(kind, 0);
            // The first call clears, and may make others on other CPUs be missed.
            let pool_id = u32::from(kind == flags::PERSISTENT);
            hand_on(&world, domain, get(at(pool_id, 9, 9)), 10);
        }
    }
    std::thread::scope(|scope| {
        for cpu in 0..2 {
            let world = &world;
            scope.spawn(move || {
                on_cpu(cpu, || {
                    for number in 0..2000 {
                        let domain = 1 + u16::try_from(number % 2).unwrap_or(0);
                        let op = Op::FlushPage { handle: at(number / 2 % 2, 1, number) };
                        world.guest(domain).call(op);
                        hand_on(world, domain, op, number.into());
                    }
                });
            });
        }
    });
    for domain in 1..=2 {
        let client = calls_of_client(&world, domain);
        let pools = [0, 1].map(|pool_id| calls_of_pool(&world, domain, pool_id));
        assert_eq!(counts(client), [0, 2, 2000, 0]);
        for (at, histogram) in client.iter().enumerate() {
            let sum = pools.map(|pool| pool[at].0);
            let sum: Vec<u64> = std::iter::zip(sum[0], sum[1]).map(|(a, b)| a + b).collect();
            assert_eq!(histogram.0[..], sum[..]);
        }
    }
}

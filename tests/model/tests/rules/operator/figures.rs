//! What is counted, and where it is found. R29, R58, R74.

use super::*;

#[test]
fn r74_figures_of_pools_clients_and_host_add_up() {
    let mut world = World::with_frames(60);
    assert!(world.set_auth(1, Uuid([7, 9]), true) && world.set_auth(2, Uuid([7, 9]), true));
    for domain in 1..=2 {
        for kind in [flags::EPHEMERAL, flags::PERSISTENT] {
            world.new_pool(domain, kind, 0);
        }
    }
    for number in 0..900_u32 {
        let domain = 1 + u16::try_from(number % 2).unwrap_or(0);
        let handle = at(number / 2 % 2, u64::from(number % 3), number % 37);
        match number % 5 {
            0..3 => drop(world.put(domain, handle, Content::Unique(number))),
            3 => drop(world.get(domain, handle)),
            _ => drop(world.flush(domain, handle)),
        }
    }
    let mut clients = Vec::new();
    for domain in 1..=2 {
        let pools = [0, 1].map(|pool_id| of_pool(&world, domain, pool_id));
        let client = of_client(&world, domain);
        assert_eq!(client.counters, sum(pools));
        assert_eq!(
            (client.kind, client.domain, client.pools),
            (StatsKind::Client, domain.into(), 2)
        );
        assert_eq!(pools[0].flags, StatsFlags::OWNER);
        assert_eq!(pools[1].flags, StatsFlags::OWNER | StatsFlags::PERSISTENT);
        let seen = world.service().pool_stats(DomainId(domain), 0).expect("it is there");
        let told = pools[0].counters;
        assert_eq!(
            (told.puts_stored, told.hits, told.misses),
            (seen.puts_stored, seen.hits, seen.misses)
        );
        assert_eq!((told.flushes, told.removed), (seen.flushes, seen.removed));
        assert_eq!((told.ephemeral_pages, told.evictions_suffered), (seen.pages, seen.evicted));
        assert_eq!(told.gets, told.hits + told.misses);
        assert_eq!(told.puts_stored, told.removed + told.ephemeral_pages + told.unreachable_pages);
        clients.push(client);
    }
    let host = of_host(&world);
    assert_eq!(hosts_alone(&host), sum(clients));
    assert_eq!((host.kind, host.domain, host.members, host.pools), (StatsKind::Host, 0xffff, 2, 4));
    assert_eq!((host.version, host.size), (StatsInfo::VERSION, WHOLE));
    let totals = world.audit();
    let told = host.counters;
    assert_eq!(told.stored_bytes, totals.pages * 4096);
    assert_eq!(told.taken_bytes, totals.frames * 4096);
    assert_eq!(told.metadata_frames, totals.metadata_frames);
    assert_eq!(told.record_frames, totals.kept_frames);
    let in_use = told.taken_bytes / 4096 + told.metadata_frames + told.record_frames;
    assert_eq!(told.held_frames, in_use + told.ready_frames);
    assert_eq!(world.host().nr_metadata(), told.metadata_frames + told.record_frames);
    assert_eq!(told.ephemeral_pages, totals.ephemeral_pages);
    assert_eq!(told.persistent_pages, totals.persistent_pages);
    assert!(told.evictions_suffered > 0 && told.evictions_caused > 0);

    // What happened in a pool that is gone counts for the host.
    let gone = of_pool(&world, 2, 0).counters;
    assert!(gone.evictions_caused > 0 && gone.ephemeral_pages > 0);
    assert_eq!(world.destroy(2, 0), 1);
    let after = of_host(&world).counters;
    assert_eq!(after.evictions_caused, told.evictions_caused);
    assert_eq!(after.puts_stored, told.puts_stored);
    assert_eq!(after.ephemeral_pages, told.ephemeral_pages - gone.ephemeral_pages);
    world.new_pool(2, flags::EPHEMERAL, 0);
    assert_eq!(of_pool(&world, 2, 0).counters, StatsCounters::default());
}

#[test]
fn r74_refused_puts_count_by_their_cause() {
    let builder =
        SimHost::builder().frames(4).domain(DomainSpec::new(1)).domain(DomainSpec::new(2));
    let mut world = World::new(builder);
    world.new_pool(1, flags::PERSISTENT, 0);
    world.new_pool(2, flags::EPHEMERAL, 0);
    let count = |world: &World, domain| of_pool(world, domain, 0).counters;
    let put = |world: &mut World, domain, index| world.put(domain, at(0, 1, index), Content::ZERO);

    assert_eq!(put(&mut world, 1, 0), 1);
    assert_eq!(world.put_from(1, at(0, 1, 1), Content::ZERO, BAD_GFN), answer::BAD_ADDRESS);
    assert_eq!(count(&world, 1).puts_bad_frame, 1);
    assert!(world.set_frozen(1, true));
    assert_eq!(put(&mut world, 1, 2), answer::FROZEN);
    assert_eq!(put(&mut world, 1, 0), 1, "a duplicate");
    assert_eq!(count(&world, 1).puts_frozen, 1);
    assert!(world.set_frozen(1, false));
    // Three of the frames: the fourth takes the first one's place.
    for index in 0..4 {
        assert_eq!(put(&mut world, 2, index), 1);
    }
    let (one, two) = (count(&world, 1), count(&world, 2));
    assert_eq!((one.evictions_caused, two.evictions_caused, two.evictions_suffered), (0, 1, 1));
    assert_eq!(put(&mut world, 1, 3), 1);
    let (one, two) = (count(&world, 1), count(&world, 2));
    assert_eq!((one.evictions_caused, two.evictions_caused, two.evictions_suffered), (1, 1, 2));
    for index in 4..6 {
        assert_eq!(put(&mut world, 1, index), 1);
    }
    assert_eq!(put(&mut world, 1, 6), answer::NO_MEMORY);
    assert_eq!(count(&world, 1).puts_no_memory, 1);
    world.host().fail_all(Fault::Frame);
    world.host().fail_all(Fault::Spare);
    assert_eq!(put(&mut world, 1, 0), answer::NO_SPACE);
    world.host().heal();
    let all = count(&world, 1);
    let causes = [all.puts_no_memory, all.puts_no_space, all.puts_frozen, all.puts_bad_frame];
    assert_eq!(causes, [1, 1, 1, 1]);
    assert_eq!(sum([of_client(&world, 1), of_client(&world, 2)]), hosts_alone(&of_host(&world)));
}

#[test]
fn r58_figures_are_found_one_after_the_other() {
    let mut world = World::roomy();
    world.set_auth(3, Uuid([5, 6]), true);
    world.set_auth(1, Uuid([5, 6]), true);
    world.new_pool(3, flags::SHARED, 5);
    world.new_pool(1, flags::EPHEMERAL, 0);
    world.new_pool(1, flags::PERSISTENT, 0);
    world.new_pool(1, flags::EPHEMERAL, 0);
    assert_eq!(world.destroy(1, 1), 1);
    // A client without pools.
    world.flush(2, at(0, 0, 0));

    let mut found = Vec::new();
    let mut next = StatsOf::Client { domain: 0, or_next: true };
    while let Ok(info) = try_stats(&world, next) {
        found.push(info.domain);
        let domain = u16::try_from(info.domain + 1).expect("small");
        next = StatsOf::Client { domain, or_next: true };
    }
    assert_eq!(found, [1, 2, 3]);
    assert_eq!(try_stats(&world, next), Err(-2));

    let mut found = Vec::new();
    let (mut domain, mut pool_id) = (0, 0);
    while let Ok(info) = try_stats(&world, StatsOf::Pool { domain, pool_id, or_next: true }) {
        found.push((info.domain, info.pool_id));
        domain = u16::try_from(info.domain).expect("small");
        // Also from the last one's id on there is a next.
        pool_id = info.pool_id + 1;
    }
    assert_eq!(found, [(1, 0), (1, 2), (3, 0)]);
    let of = StatsOf::Pool { domain: 1, pool_id: u32::MAX - 1, or_next: true };
    assert_eq!(try_stats(&world, of).map(|info| (info.domain, info.pool_id)), Ok((3, 0)));

    for of in [
        StatsOf::Client { domain: 4, or_next: false },
        StatsOf::Client { domain: 0xfffe, or_next: true },
        StatsOf::Pool { domain: 1, pool_id: 1, or_next: false },
        StatsOf::Pool { domain: 1, pool_id: 16, or_next: false },
        StatsOf::Pool { domain: 2, pool_id: 0, or_next: false },
        StatsOf::Pool { domain: 0xfffe, pool_id: 0, or_next: true },
    ] {
        assert_eq!(try_stats(&world, of), Err(-2), "{of:?}");
    }
}

#[test]
fn r74_a_shared_pool_s_record_tells_its_owner_its_name_and_its_members() {
    let mut world = World::roomy();
    for domain in 1..=2 {
        assert!(world.set_auth(domain, Uuid([7, 0]), true));
        assert_eq!(world.new_pool(domain, flags::SHARED, 7), 0);
    }
    assert!(world.set_weight(1, 5) && world.set_frozen(1, true));
    let [first, second] = [1, 2].map(|domain| of_pool(&world, domain, 0));
    let shared = StatsFlags::SHARED | StatsFlags::FROZEN;
    assert_eq!((first.flags, second.flags), (shared | StatsFlags::OWNER, shared));
    for info in [first, second] {
        assert_eq!((info.owner, info.members, info.weight), (1, 2, 5));
        assert_eq!(info.uuid, Uuid([7, 0]));
    }
    assert_eq!(world.destroy(1, 0), 1);
    let second = of_pool(&world, 2, 0);
    assert_eq!(
        (second.owner, second.members, second.flags),
        (2, 1, StatsFlags::SHARED | StatsFlags::OWNER)
    );
}

/// A domain that has begun to die keeps its record until its last page is gone, and says so.
#[test]
fn r29_what_is_dying_is_told_as_such() {
    let mut world = World::roomy();
    world.new_pool(1, flags::PERSISTENT, 0);
    for index in 0..100 {
        world.put(1, at(0, 1, index), Content::Unique(index));
    }
    world.kill(1);
    let _ = world.destroy_domain_slice(1);
    let (client, pool) = (of_client(&world, 1), of_pool(&world, 1, 0));
    assert!(client.flags.contains(StatsFlags::DYING) && pool.flags.contains(StatsFlags::DYING));
    assert_eq!(get_pools(&world, 1, 16), (0, vec![]));
    let told = pool.counters;
    assert_eq!(told.puts_stored, told.removed + told.persistent_pages + told.unreachable_pages);
    assert!(told.taken_bytes > 0 && told.taken_bytes < 100 * 4096);
    assert_eq!(client.counters, told);
    while world.destroy_domain_slice(1) == tmem_service::Progress::More {}
}

#[test]
fn latencies_are_measured_when_that_is_asked_for_from_0_on() {
    let world = World::roomy();
    let histogram = Histogram([3; 32]);
    world.host().set_latencies(Timed::Put, histogram);
    let read = |of| {
        let memory = Buffer::new(ADDRESS, &[0xaa; STATS_BYTES]);
        let op = ControlOp::GetStats { of: StatsOf::Host, len: WHOLE, buffer: ADDRESS };
        assert_eq!(control(&world, op, &memory), 0);
        let info = StatsInfo::decode(&memory.bytes());
        (info.flags.contains(StatsFlags::MEASURING), Histogram::decode(&memory.bytes(), &info, of))
    };
    assert_eq!(read(Timed::Put), (false, histogram));
    assert_eq!(read(Timed::Get), (false, Histogram::default()));
    let set = |on| control(&world, ControlOp::SetMeasuring { on }, &Buffer::default());
    assert_eq!(set(true), 0);
    assert_eq!(read(Timed::Put), (true, Histogram::default()));
    world.host().set_latencies(Timed::Other, histogram);
    assert_eq!(set(false), 0);
    assert_eq!(read(Timed::Other), (false, histogram));
}

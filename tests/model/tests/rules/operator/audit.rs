//! AUDIT, and other operations over all that there is, in slices. R69.

use super::*;

fn audit(world: &World, len: u32) -> (i64, u32, AuditInfo) {
    let memory = Buffer::new(ADDRESS, &[0xaa; AUDIT_INFO_BYTES]);
    let op = ControlOp::Audit { len, buffer: ADDRESS };
    let (answer, nr_slices) = control_in_slices(world, op, &memory);
    (answer, nr_slices, AuditInfo::decode(&memory.bytes()))
}

#[test]
fn r69_the_audit_goes_in_slices_and_counts_what_there_is() {
    let mut world = World::with_frames(3000);
    for domain in 1..=3 {
        for kind in [flags::EPHEMERAL, flags::PERSISTENT] {
            world.new_pool(domain, kind, 0);
        }
    }
    for index in 0..2400_u32 {
        let domain = 1 + u16::try_from(index % 3).unwrap_or(0);
        world.put(
            domain,
            at(index / 3 % 2, u64::from(index % 7), index * 3),
            Content::Unique(index),
        );
    }
    let (answer, nr_slices, found) = audit(&world, AuditInfo::SIZE);
    let totals = world.audit();
    assert_eq!((answer, found.fault, found.busy_shards), (0, 0, 0));
    assert!(nr_slices > 100, "{nr_slices}");
    assert_eq!(found.slices, nr_slices.into());
    assert_eq!((found.version, found.size, found.pools), (1, AuditInfo::SIZE, totals.pools));
    assert_eq!((found.objects, found.frames), (totals.objects, totals.frames));
    assert_eq!(found.ephemeral_pages, totals.ephemeral_pages);
    assert_eq!(found.persistent_pages, totals.persistent_pages);
    assert_eq!(found.metadata_frames, totals.metadata_frames);
    assert_eq!(found.metadata_told, totals.metadata_frames);
    // The answer alone.
    assert_eq!(audit(&world, 0).0, 0);
    assert_eq!(World::roomy().host().nr_frames_out(), 0);
}

#[test]
fn r69_freezing_all_and_settings_of_all_go_in_slices() {
    let mut builder = SimHost::builder().frames(10);
    for id in 1..=200 {
        builder = builder.domain(DomainSpec::new(id));
    }
    let world = World::new(builder);
    for domain in 1..=200 {
        world.guest(domain).flush(at(0, 0, 0));
    }
    let state = |domain| world.service().client_state(DomainId(domain)).expect("a client");
    let op = ControlOp::SetFrozen { who: ClientId::All, frozen: true };
    let (answer, nr_slices) = control_in_slices(&world, op, &Buffer::default());
    assert_eq!((answer, nr_slices), (0, 4));
    assert!((1..=200).all(|domain| state(domain).frozen));
    let info = ClientInfo {
        version: ClientInfo::VERSION,
        maxpools: 16,
        nr_pools: 0,
        flags: hypercall_abi::control::ClientFlags::empty(),
        weight: 3,
    };
    let memory = Buffer::new(ADDRESS, &info.encode());
    let op = ControlOp::SetClientInfo { who: ClientId::All, buffer: ADDRESS };
    assert_eq!(control_in_slices(&world, op, &memory), (0, 4));
    assert!((1..=200).all(|domain| state(domain).weight == 3));
    assert_eq!(of_host(&world).weight, 600);
    world.service().audit().expect("the sum of weights is right");
    // Where there is no client there is nothing to set.
    assert_eq!(control(&World::roomy(), op, &memory), -2);
}

/// What an audit has counted in a shard goes through the caller's operation, so a caller can make it
/// find what a defect would.
#[test]
fn r58_an_audit_that_finds_something_says_what_and_where() {
    let mut world = World::roomy();
    world.new_pool(1, flags::PERSISTENT, 0);
    world.new_pool(2, flags::EPHEMERAL, 0);
    for index in 0..400 {
        assert_eq!(world.put(2, at(0, 1, index), Content::Unique(index)), 1);
    }
    for len in [AuditInfo::SIZE, 0] {
        let memory = Buffer::new(ADDRESS, &[0xaa; AUDIT_INFO_BYTES]);
        let mut block = ControlOp::Audit { len, buffer: ADDRESS }.encode();
        let answer = loop {
            match world.service().control(&mut block, &memory) {
                ControlOutcome::Done(status) => break status.encode(),
                ControlOutcome::Again => {}
            }
            // In the middle of a shard: one more than there is.
            let [place, counted, changes] = progress(&block);
            if counted != 0 && place & 0xffff_ffff != 0 {
                set_progress(&mut block, [place, counted + 1, changes]);
            }
        };
        assert_eq!(answer, -5);
        let found = AuditInfo::decode(&memory.bytes());
        if len == 0 {
            assert_eq!(memory.bytes(), [0xaa; AUDIT_INFO_BYTES]);
            continue;
        }
        // Sums that do not agree, in the second pool.
        assert_eq!((found.version, found.fault, found.pool, found.owner), (1, 7, 1, 2));
        assert!(found.shard < 8 && found.slices > 2, "{found:?}");
    }
    assert_eq!(audit(&world, AuditInfo::SIZE).0, 0, "nothing is wrong");
}

//! Guests that go on while the operator looks. R69, R70, R74.

use super::*;

/// A host of 64 clients with 16 pools each.
fn crowded(nr_pages: u32) -> World {
    let mut builder = SimHost::builder().frames(40_000).cpus(2);
    for id in 1..=64 {
        builder = builder.domain(DomainSpec::new(id).gfns(32));
    }
    let world = World::new(builder);
    for domain in 1..=64 {
        let guest = world.guest(domain);
        for pool in 0..16 {
            assert_eq!(
                guest.new_pool(if pool % 2 == 0 { flags::EPHEMERAL } else { flags::PERSISTENT }, 0),
                pool
            );
            for index in 0..nr_pages {
                guest
                    .put(at(u32::try_from(pool).expect("small"), 1, index), Content::Unique(index));
            }
        }
    }
    world
}

/// The most locks that one slice takes. No lock is held for longer than the reading of a few words,
/// so this bounds what a slice costs others; it does not grow with pages.
fn most_locks(world: &World, op: ControlOp) -> (u64, u32) {
    let memory = Buffer::new(ADDRESS, &vec![0; 1 << 20]);
    let mut block = op.encode();
    let mut most = 0;
    for nr_slices in 1.. {
        let before = SimHost::nr_locks_taken();
        let outcome = world.service().control(&mut block, &memory);
        most = most.max(SimHost::nr_locks_taken() - before);
        assert_eq!(SimHost::nr_locks_held(), 0);
        if outcome != ControlOutcome::Again {
            return (most, nr_slices);
        }
    }
    unreachable!("it ends")
}

#[test]
fn r69_r70_what_the_operator_reads_is_read_in_short_holds() {
    let list = ControlOp::List { who: ClientId::All, long: true, len: 1 << 20, buffer: ADDRESS };
    let stats = ControlOp::GetStats { of: StatsOf::Host, len: WHOLE, buffer: ADDRESS };
    let [few, many] = [1, 30].map(crowded);
    for op in [list, stats] {
        let (most, nr_slices) = most_locks(&few, op);
        assert!(most <= 32 * 8 + 4, "{most} locks in a slice");
        assert!(nr_slices > 30, "{nr_slices} slices");
        assert_eq!(most_locks(&many, op), (most, nr_slices), "pages make no difference");
    }
    let audit = ControlOp::Audit { len: 0, buffer: 0 };
    assert!(most_locks(&many, audit).0 <= 16);
}

/// While the operator lists and audits without end, guests put and get; the books are right
/// afterwards, and the figures never wrap.
#[test]
fn r70_r74_guests_go_on_while_the_operator_looks() {
    let world = crowded(1);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (world, done) = (&world, &done);
        let guests = scope.spawn(move || {
            on_cpu(1, || {
                for number in 0..4000_u32 {
                    let domain = 1 + u16::try_from(number % 64).unwrap_or(0);
                    let guest = world.guest(domain);
                    let handle = at(number % 16, 2, number / 64);
                    assert_eq!(guest.put(handle, Content::Unique(number)), 1);
                    assert_eq!(guest.get(handle).0, 1);
                    if number % 3 == 0 {
                        guest.flush_object(number % 16, 2);
                    }
                }
                done.store(true, Ordering::Release);
            });
        });
        on_cpu(0, || {
            let memory = Buffer::new(ADDRESS, &vec![0; 1 << 16]);
            while !done.load(Ordering::Acquire) && !guests.is_finished() {
                for op in [
                    ControlOp::List {
                        who: ClientId::All,
                        long: true,
                        len: 1 << 16,
                        buffer: ADDRESS,
                    },
                    ControlOp::Audit { len: AuditInfo::SIZE, buffer: ADDRESS },
                ] {
                    assert_eq!(control(world, op, &memory), 0);
                }
                let host = of_host(world).counters;
                assert!(host.removed < 1 << 32 && host.unreachable_pages < 1 << 32);
            }
        });
        guests.join().expect("the guests' answers are right");
    });
    world.service().audit().expect("the books are right");
    let clients = (1..=64).map(|domain| of_client(&world, domain));
    assert_eq!(hosts_alone(&of_host(&world)), sum(clients));
}

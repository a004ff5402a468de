//! Guests that go on while the operator looks. R69, R70, R74.

use super::*;
use std::cell::Cell;
use std::sync::mpsc;
use std::time::Duration;
use tmem_service::{BadBuffer, FrameId, ToolstackMemory};

/// When a guest counts as stuck behind the operator, who waits for it. It takes a second; this long, so
/// that no busy machine fails the test.
const STUCK: Duration = Duration::from_secs(600);

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

/// A toolstack's memory in which each access takes as long as a guest takes for a put into each of the
/// host's pools, and which fails when that does not come to an end.
struct Slow<'a> {
    world: &'a World,
    memory: Buffer,
    /// Accesses, and those that guests have used.
    nr_accesses: Cell<u32>,
    nr_used: Cell<u32>,
}

impl Slow<'_> {
    fn access(&self) {
        // Each would take minutes.
        let nr = self.nr_accesses.get();
        self.nr_accesses.set(nr + 1);
        if !nr.is_multiple_of(53) {
            return;
        }
        let (done, is_done) = mpsc::channel();
        let guests: Vec<_> = (1..=64).map(|domain| self.world.guest(domain)).collect();
        std::thread::spawn(move || {
            on_cpu(1, || {
                for (guest, pool) in
                    guests.iter().flat_map(|guest| (0..16).map(move |id| (guest, id)))
                {
                    assert_eq!(guest.put(at(pool, 3, 3), Content::Unique(nr)), 1);
                    assert_eq!(guest.get(at(pool, 3, 3)).0, 1);
                    guest.flush(at(pool, 3, 3));
                }
            });
            done.send(()).expect("somebody waits");
        });
        is_done.recv_timeout(STUCK).expect("no guest waits for the operator");
        self.nr_used.set(self.nr_used.get() + 1);
    }
}

impl ToolstackMemory for Slow<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), BadBuffer> {
        self.access();
        self.memory.read(address, into)
    }

    fn write(&self, address: u64, from: &[u8]) -> Result<(), BadBuffer> {
        self.access();
        self.memory.write(address, from)
    }

    fn read_page(&self, _: u64, _: FrameId) -> Result<(), BadBuffer> {
        Err(BadBuffer)
    }

    fn write_page(&self, _: u64, _: FrameId) -> Result<(), BadBuffer> {
        Err(BadBuffer)
    }
}

#[test]
fn r70_guests_put_into_every_pool_while_a_list_of_64_clients_stands_still() {
    let world = crowded(1);
    let memory = Buffer::new(ADDRESS, &vec![0; 1 << 18]);
    let memory = Slow { world: &world, memory, nr_accesses: Cell::new(0), nr_used: Cell::new(0) };
    let mut block =
        ControlOp::List { who: ClientId::All, long: true, len: 1 << 18, buffer: ADDRESS }.encode();
    while world.service().control(&mut block, &memory) == ControlOutcome::Again {}
    let bytes = memory.memory.bytes();
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    let lines = text.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"P="));
    assert_eq!(lines.count(), 64 * 16);
    assert!(memory.nr_used.get() > 20, "{} of {:?}", memory.nr_used.get(), memory.nr_accesses);
    world.service().audit().expect("the books are right");
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

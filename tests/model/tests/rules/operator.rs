//! What the operator asks for: figures, text, pools, an audit. R58, R69, R70, R74, P23, P24, P64, P72.

use crate::control::{ADDRESS, control, control_in_slices};
use hypercall_abi::control::{
    AUDIT_INFO_BYTES, AuditInfo, ClientId, ClientInfo, ControlOp, Histogram, POOL_INFO_BYTES,
    PoolInfo, STATS_BYTES, StatsCounters, StatsFlags, StatsInfo, StatsKind, StatsOf, Timed,
    set_progress,
};
use hypercall_abi::{PoolFlags, Uuid};
use std::sync::atomic::{AtomicBool, Ordering};
use tmem_host_sim::{Content, DomainSpec, Fault, SimHost, on_cpu};
use tmem_model_tests::{BAD_GFN, Buffer, World, answer, at, flags};
use tmem_service::{ControlOutcome, DomainId};

const WHOLE: u32 = StatsInfo::SIZE;

/// GET_STATS with a buffer for all of it.
fn try_stats(world: &World, of: StatsOf) -> Result<StatsInfo, i64> {
    let memory = Buffer::new(ADDRESS, &[0xaa; STATS_BYTES]);
    match control(world, ControlOp::GetStats { of, len: WHOLE, buffer: ADDRESS }, &memory) {
        0 => Ok(StatsInfo::decode(&memory.bytes())),
        status => Err(status),
    }
}

fn of_host(world: &World) -> StatsInfo {
    try_stats(world, StatsOf::Host).expect("the host has figures")
}

fn of_client(world: &World, domain: u16) -> StatsInfo {
    try_stats(world, StatsOf::Client { domain, or_next: false }).expect("it is a client")
}

fn of_pool(world: &World, domain: u16, pool_id: u32) -> StatsInfo {
    try_stats(world, StatsOf::Pool { domain, pool_id, or_next: false }).expect("it is a pool")
}

/// The sum of what was counted, but for what is the host's alone.
fn sum(parts: impl IntoIterator<Item = StatsInfo>) -> StatsCounters {
    parts.into_iter().fold(StatsCounters::default(), |sum, part| sum.wrapping_add(part.counters))
}

fn hosts_alone(host: &StatsInfo) -> StatsCounters {
    StatsCounters { record_frames: 0, ..host.counters }
}

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
    assert_eq!(told.bytes_stored, totals.pages * 4096);
    assert_eq!(told.bytes_taken, totals.frames * 4096);
    assert_eq!(told.metadata_frames, totals.metadata_frames);
    assert_eq!(told.record_frames, totals.kept_frames);
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

/// Bytes behind the buffer that may not change.
const GUARD: [u8; 8] = [0xc3; 8];

#[test]
fn p23_a_shorter_buffer_gets_the_first_bytes_and_no_more() {
    let mut world = World::roomy();
    world.new_pool(1, flags::EPHEMERAL, 0);
    world.put(1, at(0, 1, 1), Content::ZERO);
    let buckets = Histogram(core::array::from_fn(|bucket| bucket as u64));
    world.host().set_latencies(Timed::Get, buckets);
    for of in [
        StatsOf::Host,
        StatsOf::Client { domain: 1, or_next: true },
        StatsOf::Pool { domain: 0, pool_id: 3, or_next: true },
    ] {
        let read = |len: usize| {
            let memory = Buffer::new(ADDRESS, &[&vec![0xaa; len][..], &GUARD].concat());
            let len = u32::try_from(len).expect("short");
            assert_eq!(
                control(&world, ControlOp::GetStats { of, len, buffer: ADDRESS }, &memory),
                0
            );
            memory.bytes()
        };
        let whole = read(STATS_BYTES);
        let info = StatsInfo::decode(&whole);
        assert_eq!(info.size, WHOLE);
        let gets = Histogram::decode(&whole, &info, Timed::Get);
        assert_eq!(gets, if of == StatsOf::Host { buckets } else { Histogram::default() });
        for len in 0..=STATS_BYTES {
            let bytes = read(len);
            assert_eq!(bytes[..len], whole[..len], "{len}");
            assert_eq!(bytes[len..], GUARD, "{len}");
        }
        // A longer one gets no more than there is.
        assert_eq!(read(STATS_BYTES + 100)[STATS_BYTES..][..100], [0xaa; 100]);
    }
}

#[test]
fn p64_a_bad_address_is_told_wherever_the_record_meets_it() {
    let mut world = World::roomy();
    world.new_pool(1, flags::EPHEMERAL, 0);
    let short = Buffer::new(ADDRESS, &[0; 100]);
    let one = ClientId::One(1);
    for of in [
        StatsOf::Host,
        StatsOf::Client { domain: 1, or_next: false },
        StatsOf::Pool { domain: 1, pool_id: 0, or_next: false },
    ] {
        for (len, buffer) in
            [(WHOLE, ADDRESS), (101, ADDRESS), (1, u64::MAX), (8, 0), (WHOLE, u64::MAX - 4)]
        {
            let op = ControlOp::GetStats { of, len, buffer };
            assert_eq!(control(&world, op, &short), -14, "{op:?}");
        }
        assert_eq!(
            control(&world, ControlOp::GetStats { of, len: 100, buffer: ADDRESS }, &short),
            0
        );
    }
    for op in [
        ControlOp::List { who: ClientId::All, long: true, len: 4096, buffer: ADDRESS },
        ControlOp::List { who: one, long: true, len: 4096, buffer: 0 },
        ControlOp::List { who: one, long: false, len: 4096, buffer: u64::MAX },
        ControlOp::GetPools { who: one, len: 32, buffer: 0 },
        ControlOp::GetPools { who: one, len: 32, buffer: u64::MAX },
        ControlOp::SetPools { who: one, len: 32, buffer: 0 },
        ControlOp::Audit { len: 88, buffer: 0 },
        ControlOp::Audit { len: 88, buffer: u64::MAX - 3 },
    ] {
        assert_eq!(control(&world, op, &short), -14, "{op:?}");
    }
    // Three whole records, and a part of one.
    let records = [4, 5, 6].map(|id| PoolInfo { flags: EPHEMERAL, id, ..PoolInfo::default() });
    let bytes = [&records.each_ref().map(PoolInfo::encode).concat()[..], &[0; 4]].concat();
    let op = ControlOp::SetPools { who: one, len: 128, buffer: ADDRESS };
    assert_eq!(control(&world, op, &Buffer::new(ADDRESS, &bytes)), -14);
    assert_eq!(pools(&world, 1, 16).0, 4);
}

/// LIST into a buffer of `len` bytes: the answer, and the text.
fn list(world: &World, who: ClientId, long: bool, len: usize) -> (i64, String) {
    let memory = Buffer::new(ADDRESS, &[&vec![0xaa; len][..], &GUARD].concat());
    let op =
        ControlOp::List { who, long, len: u32::try_from(len).expect("short"), buffer: ADDRESS };
    let answer = control(world, op, &memory);
    let bytes = memory.bytes();
    assert_eq!(bytes[len..], GUARD);
    let text = bytes[..len].split(|&byte| byte == 0).next().unwrap_or_default();
    if answer == 0 && len > 0 {
        assert!(text.len() < len, "the text ends with a NUL");
    }
    (answer, String::from_utf8_lossy(text).into_owned())
}

/// Two shared pools with two members each, a private one, a client without pools.
fn listed_world() -> World {
    let mut world = World::roomy();
    for (domain, uuid) in [(1, 0xab), (2, 0xab), (2, 0xcd), (1, 0xcd)] {
        assert!(world.set_auth(domain, Uuid([uuid, 0]), true));
        world.new_pool(domain, flags::SHARED, uuid);
    }
    world.new_pool(1, flags::PERSISTENT, 0);
    for index in 0..3 {
        world.put(1, at(0, 1, index), Content::Unique(index));
        world.put(1, at(2, 1, index), Content::Unique(index));
    }
    world.put(1, at(2, 1, 0), Content::Unique(9));
    world.get(2, at(0, 1, 1));
    world.get(1, at(2, 1, 1));
    world.get(1, at(2, 1, 7));
    world.flush(1, at(2, 1, 2));
    world.set_weight(2, 30);
    world.set_frozen(2, true);
    world.put(2, at(1, 9, 9), Content::ZERO);
    world.flush(3, at(0, 0, 0));
    world
}

const SHORT: &str = "\
G=Tt:12,Te:1,Cf:0,Pf:0,Et:0,Rt:0
S=SI:0,PT:ES,U0:ab,U1:0,SC:1,SC:2,sn:2
S=SI:1,PT:ES,U0:cd,U1:0,SC:2,SC:1,sn:2
C=CI:1,ww:0,co:0,fr:0,Ge:1,Pp:4,Gp:1
P=CI:1,PI:0,PT:ES,U0:ab,U1:0
P=CI:1,PI:1,PT:ES,U0:cd,U1:0
P=CI:1,PI:2,PT:PP,U0:0,U1:0
C=CI:2,ww:30,co:0,fr:1,Ge:0,Pp:0,Gp:0
P=CI:2,PI:0,PT:ES,U0:ab,U1:0
P=CI:2,PI:1,PT:ES,U0:cd,U1:0
C=CI:3,ww:0,co:0,fr:0,Ge:0,Pp:0,Gp:0
T=
";

#[test]
fn r58_p24_the_text_is_as_it_was_without_its_defects() {
    let world = listed_world();
    assert_eq!(list(&world, ClientId::All, false, 32768), (0, SHORT.to_owned()));
    let (answer, long) = list(&world, ClientId::All, true, 32768);
    assert_eq!(answer, 0);
    let lines: Vec<&str> = long.lines().collect();
    assert_eq!(lines.len(), SHORT.lines().count());
    for (line, short) in lines.iter().zip(SHORT.lines()) {
        assert!(line.starts_with(short), "{line} has the keys of the short form first");
    }
    assert_eq!(lines[0], "G=Tt:12,Te:1,Cf:0,Pf:0,Et:0,Rt:0,Ec:3,Pc:5,Fc:5");
    assert!(lines[1].ends_with(",sn:2,Pc:3,ps:3,pt:3,pd:0,pr:0,px:0,gs:1,gt:1,ft:0"));
    assert!(lines[2].ends_with(",sn:2,Pc:0,ps:0,pt:1,pd:0,pr:0,px:1,gs:0,gt:0,ft:0"));
    assert!(lines[3].ends_with(",Gp:1,Ec:3"));
    assert!(lines[6].ends_with(",U1:0,Pc:2,ps:4,pt:4,pd:0,pr:1,px:0,gs:1,gt:2,ft:1"));
    // One client: its own lines only.
    let (answer, one) = list(&world, ClientId::One(2), false, 4096);
    let expected: String = SHORT.lines().skip(7).take(3).flat_map(|line| [line, "\n"]).collect();
    assert_eq!((answer, one), (0, expected));
    for domain in [0, 4, 0x7ff0, 0xfffe] {
        assert_eq!(list(&world, ClientId::One(domain), false, 4096).0, -1);
    }
}

#[test]
fn p24_the_text_stops_before_the_line_that_does_not_fit() {
    let world = listed_world();
    let (_, of_one) = list(&world, ClientId::One(2), false, 4096);
    for len in 0..700 {
        for (who, whole) in [(ClientId::All, SHORT), (ClientId::One(2), &of_one[..])] {
            let (answer, text) = list(&world, who, false, len);
            assert_eq!(answer, 0);
            assert!(whole.starts_with(&text), "{len}");
            let next = whole[text.len()..].lines().next();
            let is_cut_at_a_line = text.is_empty() || text.ends_with('\n');
            assert!(is_cut_at_a_line, "{len}: {text}");
            // The next line and its end did not fit; sums over all need a certain room.
            let has_no_room = next.is_none_or(|next| text.len() + next.len() + 2 > len);
            assert!(has_no_room || who == ClientId::All && len < 256, "{len}: {text}");
        }
    }
}

/// Progress is the caller's: whatever it says, nothing is written outside of the buffer and the
/// operation ends.
#[test]
fn p23_made_up_progress_harms_its_caller_only() {
    let world = listed_world();
    let words =
        [0, 1, 2, 15, 31, 32, 1 << 32, 1 << 40, 1 << 56, 2 << 56, 3 << 56, u64::MAX, 1 << 48];
    let ops = [
        ControlOp::List { who: ClientId::All, long: true, len: 512, buffer: ADDRESS },
        ControlOp::List { who: ClientId::One(1), long: true, len: 512, buffer: ADDRESS },
        ControlOp::GetStats { of: StatsOf::Host, len: 512, buffer: ADDRESS },
        ControlOp::GetStats {
            of: StatsOf::Pool { domain: 1, pool_id: 0, or_next: true },
            len: 512,
            buffer: ADDRESS,
        },
        ControlOp::GetStats {
            of: StatsOf::Client { domain: 1, or_next: true },
            len: 512,
            buffer: ADDRESS,
        },
        ControlOp::Audit { len: 512, buffer: ADDRESS },
        ControlOp::SetFrozen { who: ClientId::All, frozen: false },
    ];
    for op in ops {
        for first in words {
            for second in words {
                let memory = Buffer::new(ADDRESS, &[&[0xff; 512][..], &GUARD].concat());
                let mut block = op.encode();
                set_progress(&mut block, [first, second, first ^ second]);
                let mut left = 20_000;
                while world.service().control(&mut block, &memory) == ControlOutcome::Again {
                    left -= 1;
                    assert!(left > 0, "{op:?} {first:#x} {second:#x} ends");
                }
                assert_eq!(memory.bytes()[512..], GUARD);
            }
        }
    }
    world.service().audit().expect("nothing is harmed");
}

/// GET_POOLS with room for `nr` records: the answer, and the records.
fn pools(world: &World, domain: u16, nr: usize) -> (i64, Vec<PoolInfo>) {
    let len = nr * POOL_INFO_BYTES;
    let memory = Buffer::new(ADDRESS, &[&vec![0xaa; len][..], &GUARD].concat());
    let op = ControlOp::GetPools {
        who: ClientId::One(domain),
        len: u32::try_from(len).expect("short"),
        buffer: ADDRESS,
    };
    let answer = control(world, op, &memory);
    let bytes = memory.bytes();
    assert_eq!(bytes[len..], GUARD);
    let nr_records = usize::try_from(answer).unwrap_or(0);
    let untouched = &bytes[nr_records * POOL_INFO_BYTES..len];
    assert!(untouched.iter().all(|&byte| byte == 0xaa));
    let records = bytes[..nr_records * POOL_INFO_BYTES].chunks(POOL_INFO_BYTES);
    (answer, records.map(|bytes| PoolInfo::decode(bytes.try_into().expect("a record"))).collect())
}

fn set_pools(world: &World, domain: u16, records: &[PoolInfo]) -> i64 {
    let bytes: Vec<u8> = records.iter().flat_map(PoolInfo::encode).collect();
    let len = u32::try_from(bytes.len()).expect("short");
    let op = ControlOp::SetPools { who: ClientId::One(domain), len, buffer: ADDRESS };
    control(world, op, &Buffer::new(ADDRESS, &bytes))
}

const PERSISTENT: u32 = PoolFlags::PERSIST.to_word();
const EPHEMERAL: u32 = PoolFlags::empty().to_word();
const SHARED: u32 = PoolFlags::SHARED.to_word();

#[test]
fn r58_p23_p72_pools_are_read_and_made_again_elsewhere() {
    let mut world = listed_world();
    world.new_pool(1, flags::EPHEMERAL, 0);
    assert_eq!(world.destroy(1, 1), 1);
    let record = |flags, id, n_pages, uuid| PoolInfo { flags, id, n_pages, uuid: Uuid([uuid, 0]) };
    let expected =
        [record(SHARED, 0, 3, 0xab), record(PERSISTENT, 2, 2, 0), record(EPHEMERAL, 3, 0, 0)];
    assert_eq!(pools(&world, 1, 16), (3, expected.to_vec()));
    // As many as there is room for, and none in none.
    assert_eq!(pools(&world, 1, 2), (2, expected[..2].to_vec()));
    assert_eq!(pools(&world, 1, 0), (0, vec![]));
    assert_eq!(pools(&world, 3, 16), (0, vec![]));

    // What was read makes the same pools for another; only pages must not be claimed.
    assert!(world.set_auth(4, Uuid([0xab, 0]), true));
    assert_eq!(set_pools(&world, 4, &expected), -22);
    assert_eq!(pools(&world, 4, 16), (0, vec![]));
    let empty = expected.map(|record| PoolInfo { n_pages: 0, ..record });
    assert_eq!(set_pools(&world, 4, &empty), 3);
    let mut made = empty;
    // The shared one is joined, with its pages.
    made[0].n_pages = 3;
    assert_eq!(pools(&world, 4, 16), (3, made.to_vec()));
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
    let ids = |world: &World| pools(world, 1, 16).1.iter().map(|pool| pool.id).collect::<Vec<_>>();
    assert_eq!(ids(&world), [3, 15]);
    // Nobody is authorised: a private pool, as a guest would get (R32).
    let shared = PoolInfo { uuid: Uuid([7, 7]), ..record(SHARED, 0) };
    assert_eq!(set_pools(&world, 1, &[shared]), 1);
    assert_eq!(pools(&world, 1, 16).1[0], record(EPHEMERAL, 0));
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
    assert_eq!(pools(&world, 1, 16).0, 1);
    world.destroy_domain(1);
    for domain in [1, 4000] {
        assert_eq!(set_pools(&world, domain, &[record]), -22);
        assert_eq!(world.service().client_state(DomainId(domain)), None);
    }
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
    assert_eq!(pools(&world, 1, 16), (0, vec![]));
    let told = pool.counters;
    assert_eq!(told.puts_stored, told.removed + told.persistent_pages + told.unreachable_pages);
    assert!(told.bytes_taken > 0 && told.bytes_taken < 100 * 4096);
    assert_eq!(client.counters, told);
    while world.destroy_domain_slice(1) == tmem_service::Progress::More {}
}

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

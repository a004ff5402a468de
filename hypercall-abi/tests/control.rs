//! The control interface's bytes: layouts, boundaries of each field, and the way there and back.

use hypercall_abi::Uuid;
use hypercall_abi::control::{
    AUDIT_INFO_BYTES, AuditInfo, CONTROL_BYTES, ClientFlags, ClientId, ClientInfo, ControlOp,
    ControlStatus, HISTOGRAM_BYTES, Histogram, PoolInfo, STATS_BYTES, STATS_INFO_BYTES,
    SYSCTL_BYTES, StatsCounters, StatsFlags, StatsInfo, StatsKind, StatsOf, Timed, progress,
    set_progress, subcommand, sysctl,
};

fn block(command: u32, cli_id: u32) -> [u8; CONTROL_BYTES] {
    let mut bytes = [0; CONTROL_BYTES];
    bytes[..4].copy_from_slice(&command.to_le_bytes());
    bytes[8..12].copy_from_slice(&cli_id.to_le_bytes());
    bytes
}

#[test]
fn p75_every_operation_survives_the_way_there_and_back() {
    let who = ClientId::One(7);
    for op in [
        ControlOp::SetFrozen { who, frozen: true },
        ControlOp::SetFrozen { who: ClientId::All, frozen: false },
        ControlOp::Flush { kib: 4096, freed_pages: 12 },
        ControlOp::GetClientInfo { who, buffer: 0x1234_5678_9abc },
        ControlOp::SetClientInfo { who: ClientId::All, buffer: u64::MAX },
        ControlOp::QueryFreeable,
        ControlOp::SetAuth { who, len: 32, buffer: 0x1000 },
        ControlOp::GetAuth { who, len: 512, buffer: 0x7000 },
        ControlOp::List { who: ClientId::All, long: true, len: 32768, buffer: 0x2000 },
        ControlOp::List { who, long: false, len: 0, buffer: 0 },
        ControlOp::GetPools { who, len: 512, buffer: 0x3000 },
        ControlOp::SetPools { who, len: 32, buffer: 0x4000 },
        ControlOp::GetStats { of: StatsOf::Host, len: 8, buffer: 0x5000 },
        ControlOp::GetStats {
            of: StatsOf::Client { domain: 7, or_next: true },
            len: 64,
            buffer: 1,
        },
        ControlOp::GetStats {
            of: StatsOf::Pool { domain: 7, pool_id: 15, or_next: false },
            len: 64,
            buffer: 1,
        },
        ControlOp::GetStats {
            of: StatsOf::Pool { domain: 0, pool_id: u32::MAX - 1, or_next: true },
            len: 64,
            buffer: 1,
        },
        ControlOp::Audit { len: 88, buffer: 0x6000 },
        ControlOp::SetMeasuring { on: true },
        ControlOp::SetMeasuring { on: false },
    ] {
        assert_eq!(ControlOp::decode(&op.encode()), Ok(op));
    }
}

#[test]
fn fields_lie_where_sysctl_h_has_them() {
    let op = ControlOp::SetAuth { who: ClientId::One(0x0102), len: 0x20, buffer: 0x1122_3344 };
    let bytes = op.encode();
    assert_eq!(bytes[0..4], 11_u32.to_le_bytes());
    assert_eq!(bytes[8..12], 0x0102_u32.to_le_bytes());
    assert_eq!(bytes[12..16], 0x20_u32.to_le_bytes());
    assert_eq!(bytes[48..56], 0x1122_3344_u64.to_le_bytes());
    let flush = ControlOp::Flush { kib: 77, freed_pages: 5 }.encode();
    assert_eq!(flush[16..20], 77_u32.to_le_bytes());
    assert_eq!(flush[24..32], 5_u64.to_le_bytes());

    let whole = sysctl(0x15, &op);
    assert_eq!(whole.len(), SYSCTL_BYTES);
    assert_eq!(whole[0..8], [24, 0, 0, 0, 0x15, 0, 0, 0]);
    assert_eq!(whole[8..64], bytes);
    assert!(whole[64..].iter().all(|&byte| byte == 0));
}

#[test]
fn p23_a_client_number_is_never_cut_to_16_bits() {
    let frozen = |cli_id| ControlOp::decode(&block(subcommand::FREEZE, cli_id));
    let whom = |who| Ok(ControlOp::SetFrozen { who, frozen: true });
    assert_eq!(frozen(1), whom(ClientId::One(1)));
    assert_eq!(frozen(0xfffe), whom(ClientId::One(0xfffe)));
    assert_eq!(frozen(0xffff), whom(ClientId::All));
    assert_eq!(frozen(u32::MAX), whom(ClientId::All));
    for other in [0x1_0001, 0x1_ffff, u32::MAX - 1] {
        assert_eq!(frozen(other), Err(ControlStatus::NotPermitted), "{other:#x}");
    }
    let status = |command| ControlOp::decode(&block(command, 0x1_0001));
    assert_eq!(status(subcommand::SET_CLIENT_INFO), Err(ControlStatus::NoEntry));
    assert_eq!(status(subcommand::GET_CLIENT_INFO), Err(ControlStatus::Invalid));
    assert_eq!(status(subcommand::SET_AUTH), Err(ControlStatus::Invalid));
}

#[test]
fn r58_padding_and_unknown_operations_are_refused() {
    let mut padded = block(subcommand::QUERY_FREEABLE_MB, 0);
    padded[20] = 1;
    assert_eq!(ControlOp::decode(&padded), Err(ControlStatus::Invalid));
    for command in [3, 12, 18, 22, 29, 31, 34, 39, 44, u32::MAX] {
        let answer = ControlOp::decode(&block(command, 0xffff));
        assert_eq!(answer, Err(ControlStatus::NotPermitted), "{command}");
    }
    // FLUSH is for all clients together.
    let one = ControlOp::decode(&block(subcommand::FLUSH, 1));
    assert_eq!(one, Err(ControlStatus::NotPermitted));
}

#[test]
fn p80_destroy_which_never_destroyed_anything_is_refused() {
    assert_eq!(ControlOp::decode(&block(3, 1)), Err(ControlStatus::NotPermitted));
}

#[test]
fn records_survive_the_way_there_and_back() {
    let client = ClientInfo {
        version: ClientInfo::VERSION,
        maxpools: 16,
        nr_pools: 3,
        flags: ClientFlags::FROZEN | ClientFlags::MIGRATING,
        weight: 0x8000_0001,
    };
    let bytes = client.encode();
    assert_eq!(ClientInfo::decode(&bytes), client);
    assert_eq!(bytes[12..20], [5, 0, 0, 0, 1, 0, 0, 0x80]);

    let pool = PoolInfo { flags: PoolInfo::AUTHORISE, id: 9, n_pages: 1 << 40, uuid: Uuid([1, 2]) };
    let bytes = pool.encode();
    assert_eq!(PoolInfo::decode(&bytes), pool);
    assert_eq!(bytes[0..8], [4, 0, 0, 0, 9, 0, 0, 0]);
    assert_eq!(bytes[16..24], 1_u64.to_le_bytes());
    assert_eq!(bytes[24..32], 2_u64.to_le_bytes());
}

#[test]
fn statuses_have_xen_s_numbers() {
    let numbers = [
        (ControlStatus::Done(0), 0),
        (ControlStatus::Done(u32::MAX), 0xffff_ffff),
        (ControlStatus::NotPermitted, -1),
        (ControlStatus::NoEntry, -2),
        (ControlStatus::Inconsistent, -5),
        (ControlStatus::TooBig, -7),
        (ControlStatus::NoMemory, -12),
        (ControlStatus::BadAddress, -14),
        (ControlStatus::NoDevice, -19),
        (ControlStatus::Invalid, -22),
        (ControlStatus::OutOfRange, -34),
        (ControlStatus::NotSupported, -95),
    ];
    for (status, number) in numbers {
        assert_eq!(status.encode(), number);
    }
}

#[test]
fn p23_arguments_of_our_own_operations_have_no_second_meaning() {
    let stats = |pool_id: u32, cli_id, arg: u32| {
        let mut bytes = block(subcommand::GET_STATS, cli_id);
        bytes[4..8].copy_from_slice(&pool_id.to_le_bytes());
        bytes[16..20].copy_from_slice(&arg.to_le_bytes());
        ControlOp::decode(&bytes)
    };
    let of = |of| Ok(ControlOp::GetStats { of, len: 0, buffer: 0 });
    assert_eq!(stats(u32::MAX, 0xffff, 0), of(StatsOf::Host));
    assert_eq!(stats(u32::MAX, u32::MAX, 0), of(StatsOf::Host));
    assert_eq!(stats(u32::MAX, 3, 1), of(StatsOf::Client { domain: 3, or_next: true }));
    assert_eq!(stats(2, 3, 0), of(StatsOf::Pool { domain: 3, pool_id: 2, or_next: false }));
    for (pool_id, cli_id, arg) in [
        // All, but of one pool; all, and the next one.
        (0, 0xffff, 0),
        (u32::MAX, 0xffff, 1),
        // No domain's number.
        (u32::MAX, 0x1_0003, 0),
        // Bits without a meaning.
        (u32::MAX, 3, 2),
        (0, 3, u32::MAX),
    ] {
        let answer = stats(pool_id, cli_id, arg);
        assert_eq!(answer, Err(ControlStatus::Invalid), "{pool_id:#x} {cli_id:#x} {arg:#x}");
    }
    for arg in [2_u32, u32::MAX] {
        let mut bytes = block(subcommand::SET_MEASURING, 0);
        bytes[16..20].copy_from_slice(&arg.to_le_bytes());
        assert_eq!(ControlOp::decode(&bytes), Err(ControlStatus::Invalid));
    }
    let status = |command| ControlOp::decode(&block(command, 0x1_0001));
    assert_eq!(status(subcommand::LIST), Err(ControlStatus::NotPermitted));
    assert_eq!(status(subcommand::GET_POOLS), Err(ControlStatus::Invalid));
    assert_eq!(status(subcommand::SET_POOLS), Err(ControlStatus::Invalid));
    assert_eq!(status(subcommand::GET_AUTH), Err(ControlStatus::Invalid));
}

#[test]
fn progress_stands_in_the_object_id_alone() {
    let op = ControlOp::Audit { len: 1, buffer: 2 };
    let mut bytes = op.encode();
    assert_eq!(progress(&bytes), [0; 3]);
    set_progress(&mut bytes, [1, u64::MAX, 3]);
    assert_eq!(progress(&bytes), [1, u64::MAX, 3]);
    assert_eq!(bytes[24..32], 1_u64.to_le_bytes());
    assert_eq!(bytes[40..48], 3_u64.to_le_bytes());
    assert_eq!(ControlOp::decode(&bytes), Ok(op));
}

/// A record in which no two fields are alike.
fn stats() -> StatsInfo {
    StatsInfo {
        version: StatsInfo::VERSION,
        size: StatsInfo::SIZE,
        kind: StatsKind::Pool,
        domain: 3,
        pool_id: 4,
        flags: StatsFlags::SHARED | StatsFlags::FROZEN | StatsFlags::from_bits_retain(1 << 31),
        weight: 6,
        members: 7,
        pools: 8,
        owner: 9,
        uuid: Uuid([10, 11]),
        latency_offset: StatsInfo::LATENCY_OFFSET,
        nr_histograms: 4,
        nr_buckets: 32,
        latency_unit: StatsInfo::NANOSECONDS,
        counters: StatsCounters {
            ephemeral_pages: 20,
            persistent_pages: 21,
            unreachable_pages: 22,
            puts_stored: 23,
            puts_replaced: 24,
            puts_no_memory: 25,
            puts_no_space: 26,
            puts_frozen: 27,
            puts_bad_frame: 28,
            gets: 29,
            hits: 30,
            misses: 31,
            flushes: 32,
            removed: 33,
            evictions_suffered: 34,
            evictions_caused: 35,
            stored_bytes: 36,
            taken_bytes: 37,
            metadata_frames: 38,
            record_frames: 39,
            held_frames: 40,
            ready_frames: u64::MAX,
        },
    }
}

#[test]
fn figures_survive_the_way_there_and_back() {
    let info = stats();
    let bytes = info.encode();
    assert_eq!(StatsInfo::decode(&bytes), info);
    assert_eq!(bytes[0..8], [1, 0, 0, 0, 0xf8, 4, 0, 0]);
    // Counters lie in the order in which they are declared.
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    for at in 0..21 {
        assert_eq!(word(72 + at * 8), 20 + at as u64);
    }
    assert_eq!(word(72 + 21 * 8), u64::MAX);

    let sum = info.counters.wrapping_add(info.counters);
    assert_eq!(sum.ephemeral_pages, 40);
    assert_eq!(sum.ready_frames, u64::MAX - 1);
}

#[test]
fn a_record_cut_at_any_byte_reads_as_what_is_there() {
    let info = stats();
    let bytes = info.encode();
    for len in 0..=bytes.len() {
        let read = StatsInfo::decode(&bytes[..len]);
        let again = read.encode();
        // Whole words are read, and of those that are not there none is invented.
        let whole = if len < 40 { len & !3 } else { len & !7 };
        assert_eq!(again[..whole.min(56)], bytes[..whole.min(56)], "{len}");
        assert!(again[len..].iter().all(|&byte| byte == 0), "{len}");
    }
    assert_eq!(StatsInfo::decode(&[]), StatsInfo::default());
    for len in 0..AUDIT_INFO_BYTES {
        let _ = AuditInfo::decode(&[0xff; AUDIT_INFO_BYTES][..len]);
    }
}

#[test]
fn a_record_of_another_length_is_read_by_what_it_says_of_itself() {
    let mut histograms = [0; 4 * HISTOGRAM_BYTES];
    for (at, part) in histograms.chunks_mut(HISTOGRAM_BYTES).enumerate() {
        let buckets = core::array::from_fn(|bucket| (at * 100 + bucket) as u64);
        part.copy_from_slice(&Histogram(buckets).encode());
    }
    let get = |record: &[u8]| Histogram::decode(record, &StatsInfo::decode(record), Timed::Get).0;
    let expected = core::array::from_fn(|bucket| 100 + bucket as u64);

    let info = stats();
    let record = [&info.encode()[..], &histograms].concat();
    assert_eq!(record.len(), STATS_BYTES);
    assert_eq!(get(&record), expected);
    // A longer one, of a hypervisor that counts more.
    let longer = StatsInfo { latency_offset: StatsInfo::LATENCY_OFFSET + 16, ..info };
    let record = [&longer.encode()[..], &[0x55; 16], &histograms].concat();
    assert_eq!(get(&record), expected);
    assert_eq!(StatsInfo::decode(&record), longer);
    // A shorter one, which lacks the last counter: what lies there is a histogram.
    let shorter = StatsInfo { latency_offset: StatsInfo::LATENCY_OFFSET - 8, ..info };
    let record = [&shorter.encode()[..STATS_INFO_BYTES - 8], &histograms].concat();
    assert_eq!(get(&record), expected);
    assert_eq!(StatsInfo::decode(&record).counters.ready_frames, 0);
    assert_eq!(StatsInfo::decode(&record).counters.held_frames, 40);
    // None of this kind, fewer buckets, and nonsense.
    assert_eq!(get(&StatsInfo { nr_histograms: 1, ..info }.encode()), [0; 32]);
    let few = StatsInfo { nr_buckets: 2, ..info };
    let record = [&few.encode()[..], &7_u64.to_le_bytes().repeat(8)].concat();
    assert_eq!(get(&record)[..3], [7, 7, 0]);
    for nonsense in
        [StatsInfo { latency_offset: u32::MAX, ..info }, StatsInfo { nr_buckets: u32::MAX, ..info }]
    {
        assert_eq!(get(&nonsense.encode()), [0; 32]);
    }
}

#[test]
fn an_audit_s_record_survives_the_way_there_and_back() {
    let info = AuditInfo {
        version: AuditInfo::VERSION,
        size: AuditInfo::SIZE,
        fault: 3,
        pool: 4,
        shard: 5,
        owner: 6,
        pools: 7,
        objects: 8,
        ephemeral_pages: 9,
        persistent_pages: 10,
        frames: 11,
        metadata_frames: 12,
        busy_shards: 13,
        slices: u64::MAX,
        metadata_told: 14,
    };
    let bytes = info.encode();
    assert_eq!(AuditInfo::decode(&bytes), info);
    assert_eq!(bytes[24..32], 7_u64.to_le_bytes());
    assert_eq!(bytes[80..88], u64::MAX.to_le_bytes());
    // One that does not know the last word yet.
    assert_eq!(AuditInfo::decode(&bytes[..88]), AuditInfo { metadata_told: 0, ..info });
}

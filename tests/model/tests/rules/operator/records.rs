//! Records in buffers that are too short or can't be reached, and progress that was made up. P23, P64.

use super::*;

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
    assert_eq!(get_pools(&world, 1, 16).0, 4);
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

#[test]
fn r58_where_there_is_no_room_no_address_is_asked_for() {
    let mut world = World::roomy();
    world.new_pool(1, flags::EPHEMERAL, 0);
    let (one, none) = (ClientId::One(1), Buffer::default());
    for buffer in [0, u64::MAX - 8, u64::MAX] {
        for op in [
            ControlOp::GetStats { of: StatsOf::Host, len: 0, buffer },
            ControlOp::GetStats {
                of: StatsOf::Client { domain: 1, or_next: false },
                len: 0,
                buffer,
            },
            ControlOp::GetStats {
                of: StatsOf::Pool { domain: 1, pool_id: 0, or_next: false },
                len: 0,
                buffer,
            },
            ControlOp::Audit { len: 0, buffer },
            ControlOp::List { who: one, long: true, len: 0, buffer },
            ControlOp::GetPools { who: one, len: 0, buffer },
            ControlOp::SetPools { who: one, len: 0, buffer },
            ControlOp::GetAuth { who: one, len: 0, buffer },
            ControlOp::SetAuth { who: one, len: 0, buffer },
        ] {
            assert_eq!(control(&world, op, &none), 0, "{op:?}");
        }
    }
}

#[test]
fn r58_a_list_that_has_written_more_than_its_buffer_holds_is_impossible() {
    let world = listed_world();
    for who in [ClientId::All, ClientId::One(1)] {
        for (written, wanted) in [(512, 0), (513, -22), (u64::MAX, -22)] {
            let memory = Buffer::new(ADDRESS, &[0xff; 512]);
            let mut block =
                ControlOp::List { who, long: false, len: 512, buffer: ADDRESS }.encode();
            set_progress(&mut block, [2 << 56 | 1 << 5, written, 0]);
            let outcome = loop {
                match world.service().control(&mut block, &memory) {
                    ControlOutcome::Done(status) => break status.encode(),
                    ControlOutcome::Again => {}
                }
            };
            assert_eq!(outcome, wanted, "{who:?}, {written}");
            assert_eq!(memory.bytes(), [0xff; 512], "no line fits");
        }
    }
}

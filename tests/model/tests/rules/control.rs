//! The toolstack's operations, from their bytes to their results: R39, R45, R46, R53 to R58, P23,
//! P37, P44, P64, P68, P70.

use hypercall_abi::Uuid;
use hypercall_abi::control::{
    ClientFlags, ClientId, ClientInfo, ControlOp, ControlStatus, POOL_INFO_BYTES, PoolInfo,
    STATS_BYTES, StatsCounters, StatsInfo, StatsOf, progress, subcommand,
};
use tmem_host_sim::{Content, Fault};
use tmem_model_tests::{Buffer, World, at, flags};
use tmem_service::{ControlOutcome, DomainId, Progress};

/// Where the toolstack's buffer is.
pub(crate) const ADDRESS: u64 = 0x7000;

/// Carries an operation out to its end; its result, and the slices that it took.
pub(crate) fn control_in_slices(world: &World, op: ControlOp, memory: &Buffer) -> (i64, u32) {
    let mut block = op.encode();
    for nr_slices in 1.. {
        let frames_before = world.host().nr_frames_out();
        let outcome = world.service().control(&mut block, memory);
        assert!(
            frames_before.saturating_sub(world.host().nr_frames_out()) <= 64,
            "a slice is short"
        );
        if let ControlOutcome::Done(status) = outcome {
            return (status.encode(), nr_slices);
        }
    }
    unreachable!("an operation ends");
}

pub(crate) fn control(world: &World, op: ControlOp, memory: &Buffer) -> i64 {
    control_in_slices(world, op, memory).0
}

/// An operation without a buffer.
fn control_bare(world: &World, op: ControlOp) -> i64 {
    control(world, op, &Buffer::default())
}

fn set_auth(world: &World, domain: u16, records: &[PoolInfo]) -> i64 {
    let bytes = records.iter().flat_map(PoolInfo::encode).collect::<Vec<u8>>();
    let len = u32::try_from(bytes.len()).expect("short");
    let op = ControlOp::SetAuth { who: ClientId::One(domain), len, buffer: ADDRESS };
    control(world, op, &Buffer::new(ADDRESS, &bytes))
}

fn authorise(uuid: u64) -> PoolInfo {
    PoolInfo { flags: PoolInfo::AUTHORISE, uuid: Uuid([uuid, 0]), ..PoolInfo::default() }
}

fn info_of(world: &World, who: ClientId) -> ClientInfo {
    let memory = Buffer::new(ADDRESS, &[0xaa; 20]);
    assert_eq!(control(world, ControlOp::GetClientInfo { who, buffer: ADDRESS }, &memory), 0);
    ClientInfo::decode(&memory.bytes().try_into().expect("20 bytes"))
}

fn set_info(world: &World, who: ClientId, info: ClientInfo) -> i64 {
    let memory = Buffer::new(ADDRESS, &info.encode());
    control(world, ControlOp::SetClientInfo { who, buffer: ADDRESS }, &memory)
}

const SETTINGS: ClientInfo = ClientInfo {
    version: ClientInfo::VERSION,
    maxpools: 16,
    nr_pools: 0,
    flags: ClientFlags::empty(),
    weight: 5,
};

#[test]
fn r55_r56_flush_gives_back_what_was_asked_for_in_slices() {
    let mut world = World::roomy();
    world.new_pool(1, flags::EPHEMERAL, 0);
    for index in 0..300 {
        assert_eq!(world.put(1, at(0, 1, index), Content::Unique(index)), 1);
    }
    assert_eq!(control_bare(&world, ControlOp::QueryFreeable), 300 >> 8);
    let frames_before = world.host().nr_frames_out();
    // 401 KiB are 101 pages: four slices.
    let flush = |kib| ControlOp::Flush { kib, freed_pages: 0 };
    let (freed, nr_slices) = control_in_slices(&world, flush(401), &Buffer::default());
    assert_eq!((freed, nr_slices), (404, 4));
    assert_eq!(frames_before - world.host().nr_frames_out(), 101);
    assert_eq!(control_bare(&world, flush(0)), 0);
    // More than there is: all of it, and no end of slices.
    assert_eq!(control_bare(&world, flush(u32::MAX)), 199 * 4);
    assert_eq!(control_bare(&world, flush(4)), 0);
    assert_eq!(world.service().freeable_pages(), 0);
}

/// What the toolstack is told that it could have is what there is, after each flush and at its end; and
/// what was flushed is there for a new domain.
#[test]
fn p59_after_each_flush_all_counts_of_memory_are_of_what_is_there() {
    let nr_frames = 900;
    let mut world = World::with_frames(nr_frames);
    for domain in 1..=2 {
        world.new_pool(domain, flags::EPHEMERAL, 0);
        world.new_pool(domain, flags::PERSISTENT, 0);
        for index in 0..320 {
            let pool = u32::from(index % 4 == 0);
            let put = world.put(domain, at(pool, index.into(), index), Content::Unique(index));
            assert_eq!(put, 1);
        }
    }
    let flush = |kib| ControlOp::Flush { kib, freed_pages: 0 };
    let mut nr_left = 480;
    for nr_pages in [1, 31, 32, 33, 150, 0, 500] {
        let nr_freed = nr_left.min(nr_pages);
        assert_eq!(control_bare(&world, flush(nr_pages * 4)), i64::from(nr_freed) * 4);
        nr_left -= nr_freed;
        let totals = world.service().audit().expect("the books are right");
        assert_eq!(world.service().freeable_pages(), u64::from(nr_left));
        assert_eq!(control_bare(&world, ControlOp::QueryFreeable), i64::from(nr_left >> 8));
        assert_eq!((totals.ephemeral_pages, totals.persistent_pages), (nr_left.into(), 160));
        assert_eq!(totals.frames, u64::from(nr_left) + 160);
        assert_eq!(world.host().nr_frames_out() as u64, totals.frames, "the rest is the host's");
        let host = stats_of_host(&world);
        assert_eq!((host.ephemeral_pages, host.unreachable_pages), (nr_left.into(), 0));
        assert_eq!(host.taken_bytes, totals.frames * 4096);
        assert_eq!(host.evictions_suffered, u64::from(480 - nr_left));
    }
    // Every frame that is not a persistent page's can be had.
    let guest = world.guest(3);
    assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
    for index in 0..u32::try_from(nr_frames).expect("a few") - 160 {
        assert_eq!(guest.put(at(0, 1, index), Content::Unique(index)), 1, "{index}");
    }
    world.destroy_domain(3);
}

fn stats_of_host(world: &World) -> StatsCounters {
    let memory = Buffer::new(ADDRESS, &[0; STATS_BYTES]);
    let op = ControlOp::GetStats { of: StatsOf::Host, len: StatsInfo::SIZE, buffer: ADDRESS };
    assert_eq!(control(world, op, &memory), 0);
    StatsInfo::decode(&memory.bytes()).counters
}

#[test]
fn p23_flush_s_arithmetic_neither_wraps_nor_turns_negative() {
    let world = World::roomy();
    let op = |kib, freed_pages| ControlOp::Flush { kib, freed_pages };
    for kib in [u32::MAX - 3, u32::MAX - 2, u32::MAX] {
        assert_eq!(control_bare(&world, op(kib, 0)), 0);
    }
    // Progress is the toolstack's own figure: a wrong one spoils its own result only.
    assert_eq!(control_bare(&world, op(4, u64::MAX >> 3)), i64::from(i32::MAX));
}

#[test]
fn r53_r54_freeze_and_thaw_by_number_and_for_all() {
    let mut world = World::roomy();
    for domain in 1..=2 {
        world.new_pool(domain, flags::PERSISTENT, 0);
    }
    let frozen = |who, frozen| ControlOp::SetFrozen { who, frozen };
    let is_frozen = |world: &World, domain| {
        info_of(world, ClientId::One(domain)).flags.contains(ClientFlags::FROZEN)
    };
    assert_eq!(control_bare(&world, frozen(ClientId::One(1), true)), 0);
    assert_eq!((is_frozen(&world, 1), is_frozen(&world, 2)), (true, false));
    assert_eq!(world.guest(1).put(at(0, 1, 1), Content::ZERO), -1000);
    assert_eq!(control_bare(&world, frozen(ClientId::All, true)), 0);
    assert_eq!(control_bare(&world, frozen(ClientId::All, true)), 0);
    assert_eq!((is_frozen(&world, 1), is_frozen(&world, 2)), (true, true));
    assert_eq!(control_bare(&world, frozen(ClientId::All, false)), 0);
    assert_eq!((is_frozen(&world, 1), is_frozen(&world, 2)), (false, false));
    // One that is no client, and one that can't be.
    for domain in [3, 4, 0x7ff0, 0xfffe] {
        assert_eq!(control_bare(&world, frozen(ClientId::One(domain), true)), -1);
    }
}

#[test]
fn r45_r46_settings_are_read_and_written_whole() {
    let mut world = World::roomy();
    world.new_pool(1, flags::EPHEMERAL, 0);
    world.new_pool(1, flags::PERSISTENT, 0);
    world.new_pool(2, flags::EPHEMERAL, 0);
    let one = ClientId::One(1);
    assert_eq!(set_info(&world, one, SETTINGS), 0);
    let read = info_of(&world, one);
    assert_eq!(read, ClientInfo { nr_pools: 2, ..SETTINGS });
    // What is read can be written back.
    assert_eq!(set_info(&world, one, ClientInfo { weight: 9, ..read }), 0);
    assert_eq!(info_of(&world, one).weight, 9);
    assert_eq!(set_info(&world, ClientId::All, SETTINGS), 0);
    let weights = [1, 2].map(|domain| info_of(&world, ClientId::One(domain)).weight);
    assert_eq!(weights, [5, 5]);
    // No client: what it would begin with; nothing is made of it.
    let nobody = ClientInfo { weight: 0, ..SETTINGS };
    assert_eq!(info_of(&world, ClientId::One(3)), nobody);
    assert_eq!(info_of(&world, ClientId::All), nobody);
    assert_eq!(world.service().client_state(DomainId(3)), None);
    // Frozen is state, not a setting.
    let frozen = ClientInfo { flags: ClientFlags::FROZEN, ..SETTINGS };
    assert_eq!(set_info(&world, one, frozen), 0);
    assert_eq!(info_of(&world, one).flags, ClientFlags::empty());
    world.service().audit().expect("the sum of weights is right");
    for domain in [1, 2] {
        assert!(world.set_weight(domain, 0));
    }
}

#[test]
fn r58_bad_settings_are_refused_and_change_nothing() {
    let mut world = World::roomy();
    let one = ClientId::One(1);
    assert_eq!(set_info(&world, ClientId::All, SETTINGS), -2, "no clients");
    assert_eq!(set_info(&world, one, SETTINGS), -2, "no client");
    world.new_pool(1, flags::EPHEMERAL, 0);
    for who in [one, ClientId::All] {
        assert_eq!(set_info(&world, who, ClientInfo { version: 0, ..SETTINGS }), -95);
        assert_eq!(set_info(&world, who, ClientInfo { version: 2, ..SETTINGS }), -95);
        assert_eq!(set_info(&world, who, ClientInfo { maxpools: 17, ..SETTINGS }), -34);
        assert_eq!(set_info(&world, who, ClientInfo { maxpools: u32::MAX, ..SETTINGS }), -34);
        let compress = ClientInfo { flags: ClientFlags::COMPRESS, ..SETTINGS };
        assert_eq!(set_info(&world, who, compress), -95);
        assert_eq!(info_of(&world, one).weight, 0);
    }
}

#[test]
fn r39_authorisations_are_given_and_taken_back_by_record() {
    let world = World::roomy();
    // The domain becomes a client by it.
    assert_eq!(set_auth(&world, 1, &[authorise(5), authorise(6)]), 2);
    assert_eq!(set_auth(&world, 2, &[authorise(5)]), 1);
    let guests = [world.guest(1), world.guest(2)];
    for guest in &guests {
        assert_eq!(guest.new_pool(flags::SHARED, 5), 0);
    }
    assert_eq!(guests[0].put(at(0, 1, 1), Content::Unique(3)), 1);
    assert_eq!(guests[1].get(at(0, 1, 1)), (1, Some(Content::Unique(3))));
    // Taken back: the pool that was joined stays, the next one is private.
    let revoke = PoolInfo { flags: 0, ..authorise(5) };
    assert_eq!(set_auth(&world, 2, &[revoke]), 1);
    assert_eq!(guests[1].get(at(0, 1, 1)).0, 1);
    assert_eq!(guests[1].new_pool(flags::SHARED, 5), 1);
    assert_eq!(guests[1].get(at(1, 1, 1)).0, -1001);
    // Not there: not an error. Twice: stored once, so that there is room for sixteen.
    assert_eq!(set_auth(&world, 3, &[PoolInfo { flags: 0, ..authorise(77) }]), 1);
    let sixteen: Vec<_> = (0..16).map(|uuid| authorise(100 + uuid)).collect();
    assert_eq!(set_auth(&world, 3, &sixteen), 16);
    assert_eq!(set_auth(&world, 3, &sixteen), 16);
    assert_eq!(set_auth(&world, 3, &[authorise(1)]), -12);
}

#[test]
fn p23_p64_p68_lengths_domains_and_buffers_of_authorisations_are_judged() {
    let world = World::roomy();
    let bytes = [0; 32 * 17];
    let memory = Buffer::new(ADDRESS, &bytes);
    let op = |who, len, buffer| ControlOp::SetAuth { who, len, buffer };
    let one = ClientId::One(1);
    for len in [1, 31, 33, u32::MAX] {
        assert_eq!(control(&world, op(one, len, ADDRESS), &memory), -22, "{len}");
    }
    assert_eq!(control(&world, op(one, 32 * 17, ADDRESS), &memory), -7);
    assert_eq!(control(&world, op(one, 0, 0), &Buffer::default()), 0, "no record, no buffer");
    assert_eq!(control(&world, op(ClientId::All, 32, ADDRESS), &memory), -22, "no global switch");
    for buffer in [0, ADDRESS - 1, u64::MAX, u64::MAX - 31] {
        assert_eq!(control(&world, op(one, 64, buffer), &memory), -14, "{buffer:#x}");
    }
    // The second record lies behind the buffer's end.
    assert_eq!(control(&world, op(one, 64, ADDRESS), &Buffer::new(ADDRESS, &[0; 63])), -14);
    assert_eq!(set_auth(&world, 4000, &[authorise(1)]), -22, "there is no such domain");
    assert_eq!(world.service().client_state(DomainId(4000)), None);
}

/// GET_AUTH with room for `nr` records: the answer, and the records.
fn get_auth(world: &World, domain: u16, nr: usize) -> (i64, Vec<PoolInfo>) {
    const GUARD: [u8; 16] = [0xc3; 16];
    let len = nr * POOL_INFO_BYTES;
    let memory = Buffer::new(ADDRESS, &[&vec![0xaa; len][..], &GUARD].concat());
    let who = ClientId::One(domain);
    let len_told = u32::try_from(len).expect("short");
    let answer =
        control(world, ControlOp::GetAuth { who, len: len_told, buffer: ADDRESS }, &memory);
    let bytes = memory.bytes();
    assert_eq!(bytes[len..], GUARD);
    let (records, rest) = bytes[..len].split_at(32 * usize::try_from(answer).unwrap_or(0));
    assert!(rest.iter().all(|&byte| byte == 0xaa), "more was written than was told");
    let (records, _) = records.as_chunks();
    (answer, records.iter().map(PoolInfo::decode).collect())
}

#[test]
fn r68_what_a_domain_may_join_is_told_and_can_be_given_to_another() {
    let world = World::roomy();
    assert_eq!(set_auth(&world, 1, &[authorise(5), authorise(6), authorise(7)]), 3);
    assert_eq!(get_auth(&world, 1, 16), (3, vec![authorise(5), authorise(6), authorise(7)]));
    // What was taken back is not told, though it was joined.
    assert_eq!(world.guest(1).new_pool(flags::SHARED, 6), 0);
    assert_eq!(set_auth(&world, 1, &[PoolInfo { flags: 0, ..authorise(6) }]), 1);
    let left = vec![authorise(5), authorise(7)];
    assert_eq!(get_auth(&world, 1, 16), (2, left.clone()));
    // As many as there is room for.
    assert_eq!(get_auth(&world, 1, 1), (1, left[..1].to_vec()));
    assert_eq!(get_auth(&world, 1, 0), (0, vec![]));
    // The records are such as SET_AUTH takes.
    assert_eq!(set_auth(&world, 2, &left), 2);
    assert_eq!(get_auth(&world, 2, 16), (2, left));
    assert_eq!(world.guest(2).new_pool(flags::SHARED, 5), 0);
    assert_eq!(world.guest(1).new_pool(flags::SHARED, 5), 1);
    assert_eq!(world.guest(1).put(at(1, 1, 1), Content::Unique(3)), 1);
    assert_eq!(world.guest(2).get(at(0, 1, 1)), (1, Some(Content::Unique(3))));
    // A full table, and one that was never written.
    let sixteen: Vec<_> = (0..16).map(|uuid| authorise(100 + uuid)).collect();
    assert_eq!(set_auth(&world, 3, &sixteen), 16);
    assert_eq!(get_auth(&world, 3, 16), (16, sixteen));
    assert_eq!(world.guest(4).new_pool(flags::PERSISTENT, 0), 0);
    assert_eq!(get_auth(&world, 4, 16), (0, vec![]));
}

#[test]
fn r68_r30_rights_outlive_a_soft_reset_and_not_a_domain() {
    let mut world = World::roomy();
    assert_eq!(set_auth(&world, 1, &[authorise(5)]), 1);
    while world.service().reset_domain(DomainId(1)) == Progress::More {}
    assert_eq!(get_auth(&world, 1, 16), (1, vec![authorise(5)]));
    world.destroy_domain(1);
    assert_eq!(get_auth(&world, 1, 16), (-22, vec![]));
    // Its record serves another.
    assert_eq!(world.guest(2).new_pool(flags::PERSISTENT, 0), 0);
    assert_eq!(get_auth(&world, 2, 16), (0, vec![]));
}

#[test]
fn p23_p64_p72_lengths_domains_and_buffers_for_authorisations_are_judged() {
    let world = World::roomy();
    assert_eq!(set_auth(&world, 1, &[authorise(5), authorise(6)]), 2);
    let memory = Buffer::new(ADDRESS, &[0; 32 * 17]);
    let op = |who, len, buffer| ControlOp::GetAuth { who, len, buffer };
    let one = ClientId::One(1);
    for len in [1, 31, 33, u32::MAX] {
        for who in [one, ClientId::One(4000), ClientId::All] {
            assert_eq!(control(&world, op(who, len, ADDRESS), &memory), -22, "{len}");
        }
    }
    for len in [32 * 17, u32::MAX - 31] {
        assert_eq!(control(&world, op(one, len, ADDRESS), &memory), -7, "{len}");
    }
    // All, one that is no client, one that can't be; also with room for nothing.
    for who in [ClientId::All, ClientId::One(3), ClientId::One(4000), ClientId::One(0xfffe)] {
        for len in [0, 32] {
            assert_eq!(control(&world, op(who, len, ADDRESS), &memory), -22, "{who:?}");
        }
    }
    assert_eq!(world.service().client_state(DomainId(3)), None);
    for buffer in [0, ADDRESS - 1, u64::MAX, u64::MAX - 31] {
        assert_eq!(control(&world, op(one, 64, buffer), &memory), -14, "{buffer:#x}");
    }
    // The second record lies behind the buffer's end.
    assert_eq!(control(&world, op(one, 64, ADDRESS), &Buffer::new(ADDRESS, &[0; 63])), -14);
    assert_eq!(control(&world, op(one, 0, 0), &Buffer::default()), 0, "no record, no buffer");
    assert!(memory.bytes()[64..].iter().all(|&byte| byte == 0));
}

#[test]
fn p5_p37_p47_no_operation_makes_a_client_of_a_dying_domain() {
    let mut world = World::roomy();
    world.new_pool(1, flags::EPHEMERAL, 0);
    world.destroy_domain(1);
    let one = ClientId::One(1);
    assert_eq!(set_auth(&world, 1, &[authorise(1)]), -22);
    assert_eq!(set_info(&world, one, SETTINGS), -2);
    assert_eq!(control_bare(&world, ControlOp::SetFrozen { who: one, frozen: true }), -1);
    assert_eq!(info_of(&world, one).nr_pools, 0);
    assert_eq!(world.service().client_state(DomainId(1)), None);
}

#[test]
fn p52_no_memory_for_a_client_is_said() {
    let world = World::roomy();
    world.host().fail_all(Fault::Metadata);
    assert_eq!(set_auth(&world, 1, &[authorise(1)]), -12);
    world.host().heal();
    assert_eq!(set_auth(&world, 1, &[authorise(1)]), 1);
}

#[test]
fn p64_a_buffer_that_can_t_be_written_or_read_is_told() {
    let world = World::roomy();
    let who = ClientId::One(1);
    let short = Buffer::new(ADDRESS, &[0; 19]);
    for buffer in [ADDRESS, ADDRESS - 1, 0, u64::MAX - 18, u64::MAX] {
        assert_eq!(control(&world, ControlOp::GetClientInfo { who, buffer }, &short), -14);
        assert_eq!(control(&world, ControlOp::SetClientInfo { who, buffer }, &short), -14);
    }
    assert_eq!(short.bytes(), [0; 19]);
}

#[test]
fn r58_every_number_with_every_client_answers() {
    let world = World::roomy();
    let memory = Buffer::new(ADDRESS, &[0xff; 4096]);
    for command in (0..64).chain([u32::MAX]) {
        for cli_id in [0_u32, 1, 4, 0x7fff, 0xffff, 0x1_0000, u32::MAX] {
            let mut block = [0; 56];
            block[..4].copy_from_slice(&command.to_le_bytes());
            block[8..12].copy_from_slice(&cli_id.to_le_bytes());
            block[48..].copy_from_slice(&ADDRESS.to_le_bytes());
            let outcome = world.service().control(&mut block, &memory);
            if matches!(outcome, ControlOutcome::Again) {
                // Whatever stood there before, it goes on.
                assert_ne!(progress(&block), [0; 3]);
            }
            let is_known = [
                subcommand::THAW,
                subcommand::FREEZE,
                subcommand::FLUSH,
                subcommand::GET_CLIENT_INFO,
                subcommand::SET_CLIENT_INFO,
                subcommand::QUERY_FREEABLE_MB,
                subcommand::SET_AUTH,
                subcommand::SAVE_BEGIN,
                subcommand::SAVE_GET_NEXT_PAGE,
                subcommand::SAVE_GET_NEXT_INV,
                subcommand::SAVE_END,
                subcommand::RESTORE_BEGIN,
                subcommand::RESTORE_PUT_PAGE,
                subcommand::RESTORE_FLUSH_PAGE,
                subcommand::LIST,
                subcommand::GET_POOLS,
                subcommand::SET_POOLS,
                subcommand::GET_STATS,
                subcommand::AUDIT,
                subcommand::SET_MEASURING,
                subcommand::GET_AUTH,
            ]
            .contains(&command);
            if !is_known {
                assert_eq!(outcome, ControlOutcome::Done(ControlStatus::NotPermitted));
            }
        }
    }
}

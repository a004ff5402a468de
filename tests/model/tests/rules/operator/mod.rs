//! What the operator asks for: figures, text, pools, an audit, while guests go on or not.

mod audit;
mod busy;
mod figures;
mod latency;
mod pools;
mod records;
mod text;

use crate::control::{ADDRESS, control, control_in_slices};
use hypercall_abi::control::{
    AUDIT_INFO_BYTES, AuditInfo, ClientId, ClientInfo, ControlOp, Histogram, POOL_INFO_BYTES,
    PoolInfo, STATS_BYTES, StatsCounters, StatsFlags, StatsInfo, StatsKind, StatsOf, Timed,
    progress, set_progress,
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
    StatsCounters { record_frames: 0, held_frames: 0, ready_frames: 0, ..host.counters }
}

/// Bytes behind the buffer that may not change.
const GUARD: [u8; 8] = [0xc3; 8];

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

/// GET_POOLS with room for `nr` records: the answer, and the records.
fn get_pools(world: &World, domain: u16, nr: usize) -> (i64, Vec<PoolInfo>) {
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

//! The target `control`: the toolstack's operations, from arbitrary bytes, with arbitrary progress, in
//! a buffer of arbitrary length, between guests' calls.

use crate::bytes::{Bytes, pick};
use crate::host::{DOMAINS, world};
use hypercall_abi::control::{CONTROL_BYTES, ControlOp, SAVED_PAGE_BYTES, subcommand};
use hypercall_abi::{Handle, Op, PAGE_SIZE_BYTES, Uuid};
use tmem_host_sim::{Content, SimHost, SimToolstack};
use tmem_model_tests::answer::SUCCESS;
use tmem_model_tests::{TARGET_GFN, World, at, flags};
use tmem_service::{ControlOutcome, DomainId};

/// Where the toolstack's buffer is.
const ADDRESS: u64 = 0x7000;
/// Bytes behind the buffer that may not change.
const GUARD: usize = 16;
/// Slices that an operation may take: more than any does on so small a host.
const SLICES_MAX: u32 = 20_000;
/// Locks that one slice may take: 32 pools of 8 shards, and a few.
const LOCKS_PER_SLICE_MAX: u64 = 300;
/// Operations of one input: a bound for its time.
const OPERATIONS_MAX: u32 = 64;

/// What an operation may be refused with.
const ERRORS: [i64; 14] = [-1, -2, -5, -7, -12, -14, -16, -17, -19, -22, -28, -34, -95, -1000];
/// Saving and restoring.
const SAVE_AND_RESTORE: [u32; 7] = [
    subcommand::SAVE_BEGIN,
    subcommand::SAVE_GET_NEXT_PAGE,
    subcommand::SAVE_GET_NEXT_INV,
    subcommand::SAVE_END,
    subcommand::RESTORE_BEGIN,
    subcommand::RESTORE_PUT_PAGE,
    subcommand::RESTORE_FLUSH_PAGE,
];

/// Runs the script in `data`: four bytes for the host, then steps of sixteen bytes and more.
///
/// # Panics
/// When an operation writes outside of its buffer, does not end, answers what it never may, holds a
/// lock or too many of them, or leaves the books wrong.
pub fn control(data: &[u8]) {
    let mut bytes = Bytes(data);
    let world = world(&mut bytes);
    for domain in 1..=DOMAINS {
        let guest = world.guest(domain);
        let _ = world.service().set_auth(DomainId(domain), Uuid([1, 0]), true);
        for kind in [flags::PERSISTENT, flags::EPHEMERAL, flags::SHARED] {
            guest.new_pool(kind, 1);
        }
    }
    let (mut nr_operations, mut buffers) = (0, Vec::new());
    while nr_operations < OPERATIONS_MAX
        && let Some(step) = bytes.take::<16>()
    {
        nr_operations += 1;
        let raw = if step[0] & 1 == 0 { None } else { bytes.take::<CONTROL_BYTES>() };
        buffers.push(operate(&world, &step, raw));
        guests(&world, &step, &buffers);
    }
    // That nothing is left when all domains are gone, the world sees to.
    world.service().audit().expect("the books are right");
}

/// An operation: bytes as they come, or such as decode more often than not. What was in its buffer
/// before.
fn operate(world: &World, step: &[u8; 16], raw: Option<[u8; CONTROL_BYTES]>) -> Vec<u8> {
    let [_, what, who, pool, arg, len, len_high, fill, place, ..] = *step;
    let len = match len_high {
        // A page, with its name and without.
        0xf0.. => {
            if len & 1 == 0 {
                SAVED_PAGE_BYTES
            } else {
                PAGE_SIZE_BYTES
            }
        }
        _ => usize::from(len) | usize::from(len_high % 8) << 8,
    };
    let mut block = raw.unwrap_or_else(|| {
        let commands = [
            subcommand::LIST,
            subcommand::GET_STATS,
            subcommand::AUDIT,
            subcommand::GET_POOLS,
            subcommand::SET_POOLS,
            subcommand::SET_MEASURING,
            subcommand::FREEZE,
            subcommand::THAW,
            subcommand::GET_CLIENT_INFO,
            subcommand::SET_CLIENT_INFO,
            subcommand::SET_AUTH,
            subcommand::QUERY_FREEABLE_MB,
            subcommand::FLUSH,
            subcommand::GET_AUTH,
        ];
        let commands: Vec<u32> = commands.into_iter().chain(SAVE_AND_RESTORE).collect();
        let command = commands[usize::from(what) % commands.len()];
        let who = pick(who, [0xffff, 0, 1, 2, 3, 4, 5, u32::MAX, 0x1_0001]);
        let pool = pick(pool, [u32::MAX, 0, 1, 2, 3, 15, 16]);
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        // A record's length is more often right than that of any bytes.
        let len = if arg & 2 == 0 { len } else { len / 32 * 32 };
        let words = [command, pool, who, len, u32::from(arg & 5 == 5) | u32::from(arg & 1)];
        let mut block = [0; CONTROL_BYTES];
        block[..20].copy_from_slice(words.map(u32::to_le_bytes).as_flattened());
        // Progress: none, or anything.
        if place & 3 == 3 {
            block[24 + usize::from(place >> 2) % 24] = step[9];
            block[24 + usize::from(step[10]) % 24] = step[11];
        }
        block[48..].copy_from_slice(&ADDRESS.to_le_bytes());
        block
    });
    let record = (0..len).map(|at| step[12 + at / 4 % 4] & fill);
    let content: Vec<u8> = record.chain([0xc3; GUARD]).collect();
    let memory = SimToolstack::new(world.host(), ADDRESS, &content);
    // The length that is told may be longer than the buffer, guard included, is; then it is refused.
    let said = u32::from_le_bytes([block[12], block[13], block[14], block[15]]) as usize;
    let knows_no_length = matches!(
        ControlOp::decode(&block),
        Ok(ControlOp::GetClientInfo { .. } | ControlOp::SetClientInfo { .. })
    );
    for nr_slices in 0.. {
        assert!(nr_slices < SLICES_MAX, "the operation does not end");
        let before = SimHost::nr_locks_taken();
        let outcome = world.service().control(&mut block, &memory);
        assert_eq!(SimHost::nr_locks_held(), 0, "a lock is held");
        let nr_locks = SimHost::nr_locks_taken() - before;
        assert!(nr_locks <= LOCKS_PER_SLICE_MAX, "{nr_locks} locks in a slice");
        if let ControlOutcome::Done(status) = outcome {
            let answer = status.encode();
            assert!(answer >= 0 || ERRORS.contains(&answer), "{answer}");
            break;
        }
    }
    if !knows_no_length && said <= len {
        assert_eq!(memory.bytes()[len..], [0xc3; GUARD], "written beyond the buffer");
    }
    content
}

/// A get, whose page must be one that a guest put, or a whole one that could be restored from one of
/// the toolstack's `buffers`.
fn get(world: &World, domain: DomainId, handle: Handle, buffers: &[Vec<u8>]) -> i64 {
    let answer = world.guest(domain.0).call(Op::GetPage { handle, cmfn: TARGET_GFN });
    if answer == SUCCESS {
        let own = world.host().domain(domain);
        let is_restored = || {
            let page = own.bytes(TARGET_GFN);
            let mut pages = buffers.iter().flat_map(|buffer| buffer.windows(PAGE_SIZE_BYTES));
            pages.any(|restored| restored == page)
        };
        let is_put = own.content(TARGET_GFN).is_some();
        assert!(is_put || is_restored(), "a get of {handle:?} gave a torn or foreign page");
    }
    answer
}

/// What guests do in between.
fn guests(world: &World, step: &[u8; 16], buffers: &[Vec<u8>]) {
    let [_, _, _, _, _, _, _, _, _, _, _, _, domain, pool, object, what] = *step;
    let domain = DomainId(1 + u16::from(domain) % DOMAINS);
    let guest = world.guest(domain.0);
    let (pool, pool_of_call) = (u32::from(pool % 4), pool % 18);
    for index in 0..u32::from(what >> 3) {
        let handle = at(pool, u64::from(object), index * u32::from(1 + object % 70));
        match what % 4 {
            0 | 1 => guest.put(handle, Content::Unique(index)),
            2 => get(world, domain, handle, buffers),
            _ => guest.flush(handle),
        };
    }
    if what == 7 {
        guest.destroy(pool);
    }
    // As the hypervisor hands calls on while it measures, with whatever a guest may have written.
    let [command, pool_id] = [what % 9, pool_of_call].map(u32::from);
    world.service().measured(domain, command, pool_id, 1 << (object % 64));
}

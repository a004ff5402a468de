//! The target `decode`: raw blocks of both layouts, as a guest may send them.

use crate::bytes::Bytes;
use crate::host::{DOMAINS, world};
use hypercall_abi::{OP_BYTES_32, OP_BYTES_64, Op, decode as decode_wide, decode_compat};
use tmem_host_sim::Content;
use tmem_model_tests::{Block, flags};

/// Makes the calls in `data`: four bytes for the host, then for each call one byte (caller and
/// layout) and a block of 56 or 52 bytes.
///
/// # Panics
/// If the layouts disagree, if an operation changes on its way to bytes and back, or at the first
/// answer or figure that the model does not allow.
pub fn decode(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut world = world(&mut bytes);
    for domain in 1..=DOMAINS {
        // No uuid is authorised, so every pool is private: a shared one's objects are kept small in
        // the other target, and here nobody can keep them so.
        for kind in [flags::PERSISTENT, flags::EPHEMERAL] {
            world.new_pool(domain, kind, 0);
        }
    }
    let mut nr_calls = 0;
    while let Some((caller, block)) = call(&mut bytes) {
        nr_calls += 1;
        check_layouts(&block);
        world.block(caller, &block, Content::Unique(nr_calls));
    }
}

/// The next caller and block.
fn call(bytes: &mut Bytes<'_>) -> Option<(u16, Block)> {
    let [byte] = bytes.take()?;
    let caller = 1 + u16::from(byte) % DOMAINS;
    let block =
        if byte & 0x80 == 0 { Block::Wide(bytes.take()?) } else { Block::Narrow(bytes.take()?) };
    Some((caller, block))
}

/// The two layouts differ in the width of the frame number alone; whoever sends an operation in
/// either layout has it read as it was.
fn check_layouts(block: &Block) {
    let (wide, narrow) = both(block);
    let (in_wide, in_narrow) = (decode_wide(&wide), decode_compat(&narrow));
    assert_eq!(in_wide.map(with_low_cmfn), in_narrow, "the layouts disagree");
    assert_eq!(Block::Wide(wide).read().ok(), in_wide.ok(), "the wide block is misread");
    assert_eq!(Block::Narrow(narrow).read().ok(), in_narrow.ok(), "the narrow block is misread");
    let Ok(op) = in_wide else {
        return;
    };
    assert_eq!(decode_wide(&op.encode()), Ok(op));
    match op.encode_compat() {
        Ok(narrow) => assert_eq!(decode_compat(&narrow), Ok(op)),
        Err(cmfn) => assert!(cmfn > u64::from(u32::MAX), "{cmfn:#x} fits 32 bits"),
    }
}

/// The same call in both layouts, but for the upper half of a frame number.
fn both(block: &Block) -> ([u8; OP_BYTES_64], [u8; OP_BYTES_32]) {
    match block {
        Block::Wide(wide) => (*wide, core::array::from_fn(|at| wide[at])),
        Block::Narrow(narrow) => {
            (core::array::from_fn(|at| narrow.get(at).copied().unwrap_or(0)), *narrow)
        }
    }
}

fn with_low_cmfn(op: Op) -> Op {
    let low = |cmfn| cmfn & u64::from(u32::MAX);
    match op {
        Op::PutPage { handle, cmfn } => Op::PutPage { handle, cmfn: low(cmfn) },
        Op::GetPage { handle, cmfn } => Op::GetPage { handle, cmfn: low(cmfn) },
        other => other,
    }
}

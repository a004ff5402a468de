//! The host that a script begins with, from the first bytes of its input.

use crate::bytes::{Bytes, pick};
use tmem_host_sim::{DomainSpec, SimHost};
use tmem_model_tests::World;

/// Domains of every script: 1 to this number.
pub(crate) const DOMAINS: u16 = 4;

/// A host with plenty or with next to nothing. Four bytes: frames, metadata, maximum of the domains
/// 1 and 2 (the others have none), hash key.
pub(crate) fn world(bytes: &mut Bytes<'_>) -> World {
    let [frames, metadata, maximum, key] = bytes.take_or_zero();
    let mut builder = SimHost::builder().frames(pick(frames, [12, 120, 40, 3, 300, 0, 1, 70]));
    match metadata % 8 {
        0..4 => {}
        kind @ 4..6 => builder = builder.metadata(if kind == 4 { 60 } else { 20 }),
        _ => builder = builder.metadata_in_frames().frames(pick(frames, [60, 120, 400, 30])),
    }
    for id in 1..=DOMAINS {
        let byte = [maximum, maximum >> 4, 0, 0][usize::from(id - 1)];
        builder = builder.domain(spec(id, byte & 15));
    }
    World::with_hash_key(builder, [u64::from(key); 4].map(spread))
}

/// A domain with a maximum or without.
pub(crate) fn spec(id: u16, byte: u8) -> DomainSpec {
    DomainSpec::new(id).max(pick(byte, [u32::MAX, 80, 20, 200, 2, 0, 5, 64]))
}

/// A number with its bits all over the word.
const fn spread(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

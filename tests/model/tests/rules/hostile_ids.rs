//! Object ids as an attacker chooses them: P26. Whatever their pattern, each is stored and found, no
//! put is refused, and the index grows no larger than for random ids.

use hypercall_abi::{Handle, ObjectId, PageIndex};
use tmem_host_sim::Content;
use tmem_model_tests::{Rng, World, flags, scaled};

/// Ids by number; two numbers never give the same id.
type Pattern = fn(u64) -> [u64; 3];

/// Ids that look random, for comparison.
fn random(number: u64) -> [u64; 3] {
    let mut rng = Rng::new(number);
    core::array::from_fn(|_| rng.bits())
}

/// Ids with two bits set, all pairs of bits up to 95 places apart.
fn two_bits(number: u64) -> [u64; 3] {
    let first = number % 192;
    let second = (first + 1 + number / 192) % 192;
    let mut words = [0; 3];
    for bit in [first, second] {
        words[usize::try_from(bit / 64).unwrap_or(0)] |= 1 << (bit % 64);
    }
    words
}

const PATTERNS: [(&str, Pattern); 10] = [
    ("one after the other", |n| [n, 0, 0]),
    ("one after the other in the last word", |n| [0, 0, n]),
    ("inode and generation", |n| [n % 1000, n / 1000, 0]),
    ("high bits only", |n| [n << 40, 0, 0]),
    ("two bits", two_bits),
    // The original took the low byte of the words' exclusive or.
    ("two equal words", |n| [n, n, 0]),
    ("words that cancel out", |n| [n, n.rotate_left(17), n ^ n.rotate_left(17)]),
    ("low and high halves equal", |n| [n | n << 32, n | n << 32, n | n << 32]),
    ("a stride as of a multiplicative hash", |n| [n.wrapping_mul(0x9e37_79b9_7f4a_7c15), 0, 0]),
    ("its inverse", |n| [n.wrapping_mul(0xf1de_83e1_9937_733d), 0, 0]),
];

/// Keys of which two are as poor as a key can be.
const KEYS: [[u64; 4]; 3] =
    [[0x0123_4567_89ab_cdef, 0x1111, 0xfeed_f00d_dead_beef, 77], [0; 4], [u64::MAX; 4]];

fn handle(pattern: Pattern, number: u64) -> Handle {
    Handle { pool_id: 0, object: ObjectId(pattern(number)), index: PageIndex(0) }
}

/// Puts a page into each of `nr` objects, finds them, and flushes them; returns the frames of
/// metadata that they took.
fn frames_for(pattern: Pattern, nr: u64, key: [u64; 4]) -> u64 {
    let nr_frames = usize::try_from(nr).expect("a small number");
    let host = tmem_host_sim::SimHost::builder().frames(nr_frames).domains(1);
    let world = World::with_hash_key(host, key);
    let guest = world.guest(1);
    assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
    let before = world.host().nr_metadata();
    let content = |number: u64| Content::Unique(u32::try_from(number).unwrap_or(0));
    for number in 0..nr {
        assert_eq!(guest.put(handle(pattern, number), content(number)), 1, "{number}");
    }
    let frames = world.host().nr_metadata() - before;
    let totals = world.service().audit().expect("every object is where its name says");
    assert_eq!((totals.objects, totals.pages), (nr, nr));
    for number in (0..nr).step_by(7) {
        assert_eq!(guest.get(handle(pattern, number)), (1, Some(content(number))));
        // The id next to the last one is not there.
        assert_eq!(guest.get(handle(pattern, nr + number)).0, 0);
    }
    for number in 0..nr {
        assert_eq!(guest.flush(handle(pattern, number)), 1);
    }
    assert_eq!(world.service().audit().expect("the books are right").objects, 0);
    frames
}

/// A table that is split since an attacker filled it takes more memory than others.
fn assert_no_larger(frames: u64, at_random: u64, what: &str) {
    let most = at_random + at_random / 4 + 16;
    assert!(frames <= most, "{what}: {frames} frames of metadata, random ids take {at_random}");
}

#[test]
fn p26_ids_of_every_pattern_cost_no_more_than_random_ones() {
    const NR: u64 = 2500;
    for key in KEYS {
        let at_random = frames_for(random, NR, key);
        // 4096 bytes a frame: at most 400 bytes an object of one page.
        assert!(at_random * 4096 <= 400 * NR, "{at_random} frames for {NR} objects");
        for (what, pattern) in PATTERNS {
            assert_no_larger(frames_for(pattern, NR, key), at_random, what);
        }
    }
}

#[test]
fn p26_very_many_objects_that_the_original_had_in_one_bucket() {
    // A host of so many frames is all memory that the test needs: 4 KiB each.
    let nr = u64::from(scaled(40_000)).min(500_000);
    let at_random = frames_for(random, nr, KEYS[0]);
    let in_one_bucket: Pattern = |n| [n << 8, n << 8, n << 9];
    assert_no_larger(frames_for(in_one_bucket, nr, KEYS[0]), at_random, "in one bucket");
}

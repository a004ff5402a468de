//! What a guest must never see or reach: R72, R73, P31, P49, P66.
//!
//! `host-sim` poisons each frame that is freed, and contents are recognised whole: a page of
//! another, a rest of one, or poison in anything that a guest gets fails the test.

use hypercall_abi::{OP_BYTES_32, OP_BYTES_64};
use tmem_host_sim::{Content, Direction, DomainSpec, GfnKind, SimHost};
use tmem_model_tests::{Guest, Rng, SOURCE_GFN, TARGET_GFN, World, answer, at, flags, play_in};
use tmem_service::{DomainId, Outcome};

const NR_FRAMES: u32 = 12;
const SECRET: u32 = 0x5ec2_0000;

/// The ways in which the pages of domain 1 leave their frames to others; in the last one they are
/// evicted by whoever comes next.
const WAYS: [&str; 5] =
    ["d1 flush-object 0 1", "d1 destroy 0", "d1 die", "d1 get 0 1 0\n d1 flush 0 1 1", "audit"];

#[test]
fn r72_p31_frames_that_change_hands_bring_nothing_along() {
    for way in WAYS {
        let mut world = World::with_frames(NR_FRAMES as usize);
        world.new_pool(1, flags::EPHEMERAL, 0);
        for index in 0..NR_FRAMES {
            assert_eq!(world.put(1, at(0, 1, index), Content::Unique(SECRET + index)), 1);
        }
        play_in(&mut world, way);
        for (pool, kind) in (0..).zip([flags::PERSISTENT, flags::EPHEMERAL]) {
            assert_eq!(world.new_pool(2, kind, 0), i64::from(pool));
            for index in 0..NR_FRAMES / 2 - 1 {
                let content = [Content::ZERO, Content::Same(1), Content::Unique(index)];
                let content = content[index as usize % 3];
                // Another handle misses, and the model sees that its frame is untouched.
                world.get(2, at(pool, 2, index));
                assert_eq!(world.put(2, at(pool, 1, index), content), 1);
                assert_eq!(world.put(2, at(pool, 1, index), content), 1);
            }
        }
        for pool in 0..2 {
            for index in 0..NR_FRAMES / 2 - 1 {
                let (answer, content) = world.get(2, at(pool, 1, index));
                assert_eq!(answer, 1);
                assert!(content.is_some_and(|content| content < Content::Unique(SECRET)));
            }
        }
    }
}

/// The guest's frame is taken away when half of it is copied, as by another CPU that gives the
/// frame back to the hypervisor.
#[test]
fn r72_p49_a_frame_that_goes_in_the_middle_of_a_copy_uncovers_nothing() {
    for kind in [flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED] {
        for is_duplicate in [false, true] {
            let mut world = World::with_frames(4);
            assert!(world.set_auth(1, hypercall_abi::Uuid([7, 0]), true));
            let guest = world.guest(1);
            assert_eq!(guest.new_pool(kind, 7), 0);
            assert_eq!(guest.put(at(0, 1, 1), Content::Unique(SECRET)), 1);
            let handle = if is_duplicate { at(0, 1, 1) } else { at(0, 1, 2) };
            take_away_in_the_middle(&world, Direction::In, SOURCE_GFN);
            assert_eq!(guest.put(handle, Content::Unique(2)), answer::BAD_ADDRESS);
            bring_back(&world, SOURCE_GFN);
            assert_eq!(guest.get(handle).1, None, "half a page is no page");

            assert_eq!(guest.put(handle, Content::Unique(3)), 1);
            take_away_in_the_middle(&world, Direction::Out, TARGET_GFN);
            assert_eq!(guest.get(handle).0, answer::BAD_ADDRESS);
            bring_back(&world, TARGET_GFN);
            assert_eq!(guest.get(handle), (1, Some(Content::Unique(3))), "nothing was lost");
            world.service().audit().expect("the books are right");
        }
    }
}

fn take_away_in_the_middle(world: &World, direction: Direction, gfn: u64) {
    let domain = world.host().domain(DomainId(1));
    world.host().on_next_copy(direction, move || domain.set_kind(gfn, GfnKind::Bad));
}

fn bring_back(world: &World, gfn: u64) {
    world.host().domain(DomainId(1)).set_kind(gfn, GfnKind::Normal);
}

#[test]
fn p66_equal_pages_of_two_domains_share_no_frame() {
    let mut world = World::roomy();
    for domain in [1, 2] {
        world.new_pool(domain, flags::PERSISTENT, 0);
        for index in 0..3 {
            assert_eq!(world.put(domain, at(0, 1, index), Content::Unique(7)), 1);
        }
    }
    assert_eq!(world.host().nr_frames_out(), 6);
    assert_eq!(world.put(1, at(0, 1, 0), Content::Unique(8)), 1);
    assert_eq!(world.get(2, at(0, 1, 0)), (1, Some(Content::Unique(7))));
}

/// All answers that a guest may get; pool ids are among them.
const ANSWERS: [i64; 9] = [
    answer::NOT_PERMITTED,
    answer::NO_MEMORY,
    answer::BAD_ADDRESS,
    answer::NO_DEVICE,
    answer::NO_SPACE,
    answer::NOT_IMPLEMENTED,
    answer::NOT_SUPPORTED,
    answer::FROZEN,
    answer::EMPTY,
];

/// A block of random bytes; most of its fields hold what makes sense there.
fn hostile_block(rng: &mut Rng) -> [u8; OP_BYTES_64] {
    let mut block = [0; OP_BYTES_64];
    block.fill_with(|| rng.bits().to_le_bytes()[0]);
    let command = rng.pick(&[1, 2, 4, 4, 4, 4, 5, 5, 6, 7]);
    let flags = rng.pick(&[flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED]);
    let third_word = if command == 1 { u64::from(flags) } else { 0 };
    // Command, pool, the object's three words, index, frame: where they are and how long.
    let fields = [
        (0, 4, command),
        (4, 4, rng.below(5)),
        (8, 8, rng.below(3)),
        (16, 8, 0),
        (24, 8, third_word),
        (32, 4, rng.below(200)),
        (48, 8, rng.below(20)),
    ];
    for (at, len, word) in fields {
        if !rng.one_in(12) {
            block[at..at + len].copy_from_slice(&word.to_le_bytes()[..len]);
        }
    }
    block
}

#[test]
fn r73_blocks_of_random_bytes_get_an_answer_and_harm_nobody() {
    for (seed, is_compat) in [(1, false), (2, true)] {
        let builder = SimHost::builder().frames(150).domain(DomainSpec::new(1).max(60));
        let mut world = World::new(builder.domain(DomainSpec::new(2)));
        assert!(world.set_auth(1, hypercall_abi::Uuid([1, 0]), true));
        world.new_pool(2, flags::PERSISTENT, 0);
        for index in 0..20 {
            assert_eq!(world.put(2, at(0, 1, index), Content::Unique(index)), 1);
        }
        let mut rng = Rng::new(seed);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..40_000 {
            let outcome = hostile_call(&world.guest(1), &world, is_compat, &mut rng);
            if let Outcome::Done(status) = outcome {
                let answer = status.encode();
                assert!((0..16).contains(&answer) || ANSWERS.contains(&answer), "{answer}");
                seen.insert(answer);
            }
            assert_eq!(SimHost::nr_locks_held(), 0);
        }
        // The storm went deep: all but the answers to a duplicate that fails and to a frozen one.
        assert!(seen.len() >= ANSWERS.len(), "seen: {seen:?}");
        for index in 0..20 {
            assert_eq!(world.guest(2).get(at(0, 1, index)), (1, Some(Content::Unique(index))));
        }
        world.service().audit().expect("the books are right");
    }
}

fn hostile_call(guest: &Guest, world: &World, is_compat: bool, rng: &mut Rng) -> Outcome {
    // Most calls that are not finished are never gone on with.
    if rng.one_in(300) {
        guest.destroy(u32::try_from(rng.below(5)).unwrap_or(0));
    }
    let block = hostile_block(rng);
    if is_compat {
        let mut compat = [0; OP_BYTES_32];
        compat.copy_from_slice(&block[..OP_BYTES_32]);
        world.service().op_compat(DomainId(1), &compat)
    } else {
        world.service().op(DomainId(1), &block)
    }
}

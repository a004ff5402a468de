//! Saving a domain at rest: R62, R63, R66, R67, P11, P13, P37, P42, P44.

use core::iter;
use hypercall_abi::control::{
    ClientFlags, ClientId, ClientInfo, ControlOp, SAVED_PAGE_BYTES, SaveOp,
};
use hypercall_abi::{Handle, ObjectId, PageIndex};
use std::collections::BTreeMap;
use tmem_host_sim::{Content, Direction};
use tmem_model_tests::{BUFFER, Buffer, Guest, OBJECTS, Rng, Toolstack, World, at, flags};
use tmem_service::{DomainId, Outcome};

/// A page's name, in an order.
type Name = ([u64; 3], u32);
/// What a pool is to hold.
pub(crate) type Pages = BTreeMap<Name, Content>;

pub(crate) fn name(handle: Handle) -> Name {
    (handle.object.0, handle.index.0)
}

/// The page of this name in pool 0.
pub(crate) fn named((object, index): Name) -> Handle {
    Handle { pool_id: 0, object: ObjectId(object), index: PageIndex(index) }
}

/// As a map; each page once.
pub(crate) fn once(pages: Vec<(Handle, Content)>) -> Pages {
    let nr_pages = pages.len();
    let map: Pages = pages.into_iter().map(|(handle, content)| (name(handle), content)).collect();
    assert_eq!(map.len(), nr_pages, "a page came twice");
    map
}

/// Names in all the forms that a pool has for them: lone pages, blocks with few pages and with many,
/// objects of one block and of hundreds.
pub(crate) fn names() -> impl Iterator<Item = Name> {
    let dense = (0..300).map(|index| ([1, 0, 0], index));
    let sparse = (0..200).map(|number| ([2, 0, 0], number * 64 + number % 64));
    let few = (0..100).flat_map(|number| (0..3).map(move |at| ([3, number, 0], at * 20)));
    let lone = (0..200).map(|number| ([4, 0, number], u32::MAX - 7));
    let hostile = OBJECTS.into_iter().map(|object| (object.0, u32::MAX));
    let all = dense.chain(sparse).chain(few).chain(lone).chain(hostile);
    let mut interleaved: Vec<Name> = all.collect();
    interleaved.sort_by_key(|&([a, b, c], index)| {
        Rng::new(a ^ b << 13 ^ c << 27 ^ u64::from(index) << 34).bits()
    });
    interleaved.into_iter()
}

/// Fills pool 0 of the guest's, which is to be made now, with the first `nr_pages` names.
fn fill(guest: &Guest, nr_pages: usize) -> Pages {
    assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
    let contents = (0..).map(Content::Unique);
    let pages: Pages = names().zip(contents).take(nr_pages).collect();
    assert!(pages.iter().all(|(&name, &content)| guest.put(named(name), content) == 1));
    pages
}

fn info_of(world: &World, domain: u16) -> ClientFlags {
    let memory = Buffer::new(BUFFER, &[0xaa; 20]);
    let op = ControlOp::GetClientInfo { who: ClientId::One(domain), buffer: BUFFER };
    let mut block = op.encode();
    let _ = world.service().control(&mut block, &memory);
    ClientInfo::decode(&memory.bytes().try_into().expect("20 bytes")).flags
}

#[test]
fn p11_r63_pools_of_any_size_are_saved_whole_and_as_often_as_one_likes() {
    for nr_pages in [0, 1, 2, 3, 4, 63, 64, 65, 900] {
        let world = World::roomy();
        let pages = fill(&world.guest(1), nr_pages);
        let toolstack = Toolstack::new(world.service());
        for round in 0..2 {
            assert_eq!(toolstack.begin(1, false), 0);
            assert_eq!(once(toolstack.pages(1, 0)), pages, "{nr_pages} pages, round {round}");
            assert_eq!(once(toolstack.pages(1, 0)), pages, "a second iteration starts over");
            assert_eq!(toolstack.removals(1), Ok(Vec::new()));
            assert_eq!(toolstack.end(1), 0);
        }
        // No hit was counted, and nothing was changed.
        let stats = world.service().pool_stats(DomainId(1), 0).expect("a pool");
        assert_eq!((stats.hits, stats.pages), (0, nr_pages as u64));
        let guest = world.guest(1);
        assert!(pages.iter().all(|(&name, &c)| guest.get(named(name)) == (1, Some(c))));
        world.service().audit().expect("the books are right");
    }
}

#[test]
fn r62_a_save_freezes_and_r66_its_end_restores_what_was_before() {
    let mut world = World::roomy();
    world.new_pool(1, flags::PERSISTENT, 0);
    let toolstack = Toolstack::new(world.service());
    let guest = world.guest(1);
    let frozen = |world: &World| info_of(world, 1).contains(ClientFlags::FROZEN);
    for (live, is_frozen_before) in [(false, false), (true, false), (false, true), (true, true)] {
        set_frozen(&world, is_frozen_before);
        assert_eq!(toolstack.begin(1, live), 0);
        assert!(frozen(&world));
        assert_eq!(info_of(&world, 1).contains(ClientFlags::MIGRATING), live);
        assert_eq!(guest.put(at(0, 1, 1), Content::ZERO), -1000);
        // What the toolstack asks meanwhile holds afterwards.
        for asked in [!is_frozen_before, is_frozen_before] {
            set_frozen(&world, asked);
            assert!(frozen(&world), "a save keeps it frozen");
            assert_eq!(guest.put(at(0, 1, 1), Content::ZERO), -1000);
        }
        assert_eq!(toolstack.end(1), 0);
        assert_eq!(frozen(&world), is_frozen_before);
        assert!(!info_of(&world, 1).contains(ClientFlags::MIGRATING));
        let answer = if is_frozen_before { -1000 } else { 1 };
        assert_eq!(guest.put(at(0, 1, 1), Content::ZERO), answer);
        assert!([1, -1000].contains(&guest.flush(at(0, 1, 1))));
    }
    set_frozen(&world, false);
}

fn set_frozen(world: &World, frozen: bool) {
    let who = ClientId::One(1);
    let mut block = ControlOp::SetFrozen { who, frozen }.encode();
    let _ = world.service().control(&mut block, &Buffer::default());
}

#[test]
fn r62_p37_there_must_be_something_to_save() {
    let mut world = World::roomy();
    let toolstack = Toolstack::new(world.service());
    let service = std::sync::Arc::clone(world.service());
    let other = Toolstack::new(&service);
    for live in [false, true] {
        assert_eq!(toolstack.begin(1, live), -2, "no client");
        assert_eq!(toolstack.begin(4000, live), -2, "no such domain");
        assert_eq!(toolstack.control(SaveOp::Begin { who: ClientId::All, live }).0, -2);
    }
    for domain in [1, 4000] {
        assert_eq!(toolstack.end(domain), -2);
        assert_eq!(toolstack.next_page(domain, 0, 0).0, -2);
        assert_eq!(toolstack.removals(domain), Err(-2));
    }
    assert_eq!(toolstack.control(SaveOp::End { who: ClientId::All }).0, -2);
    drop(toolstack);
    assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), 0);
    assert_eq!((other.end(1), other.next_page(1, 0, 0).0, other.removals(1)), (-2, -2, Err(-2)));
    assert_eq!(other.begin(1, false), 0);
    // Pools that have no persistent pages have nothing to be read: ids of others, of none.
    for pool_id in [0, 1, 15, 16, 1 << 31, u32::MAX] {
        assert_eq!(other.next_page(1, pool_id, 0).0, -1, "{pool_id}");
    }
    assert_eq!(other.end(1), 0);
    assert_eq!(world.guest(1).destroy(0), 1);
    assert_eq!(other.begin(1, false), -2, "no pools");
    assert_eq!(other.end(1), -2);
}

#[test]
fn r67_p13_a_second_beginning_is_refused_and_changes_nothing() {
    let world = World::roomy();
    let guest = world.guest(1);
    let pages = fill(&guest, 10);
    let toolstack = Toolstack::new(world.service());
    for (live, again) in [(false, false), (false, true), (true, false), (true, true)] {
        assert_eq!(toolstack.begin(1, live), 0);
        assert_eq!(toolstack.begin(1, again), -16);
        assert_eq!(once(toolstack.pages(1, 0)), pages);
        assert_eq!(toolstack.end(1), 0);
        assert_eq!(toolstack.end(1), -2, "it is over");
        assert_eq!(guest.put(at(0, 99, 1), Content::ZERO), 1, "not frozen for ever");
        assert_eq!(guest.flush(at(0, 99, 1)), 1);
    }
}

#[test]
fn r58_p23_p42_p44_p64_bad_buffers_and_numbers_lose_nothing() {
    let world = World::roomy();
    let pages = fill(&world.guest(1), 20);
    let toolstack = Toolstack::new(world.service());
    assert_eq!(toolstack.begin(1, false), 0);
    let who = ClientId::One(1);
    let whole = u32::try_from(SAVED_PAGE_BYTES).expect("short");
    let (mut cursor, mut seen) = (0, Vec::new());
    loop {
        let next = |len, buffer| {
            toolstack.control(SaveOp::NextPage { who, pool_id: 0, cursor, len, buffer })
        };
        let (answer, after, page) = toolstack.next_page(1, 0, cursor);
        let Some(page) = page else { break };
        assert_eq!(answer, 1);
        seen.push(page);
        for len in [0, 31, 32, whole - 1] {
            assert_eq!(next(len, BUFFER).0, -12, "{len}");
        }
        // The name fits and the page does not; nothing fits; the address wraps.
        for buffer in [BUFFER + 1, BUFFER + 4096, BUFFER - 1, 0, u64::MAX, u64::MAX - 31] {
            let (answer, block) = next(whole, buffer);
            assert_eq!(answer, -14, "{buffer:#x}");
            let op =
                ControlOp::Save(SaveOp::NextPage { who, pool_id: 0, cursor, len: whole, buffer });
            assert_eq!(ControlOp::decode(&block), Ok(op), "the cursor stays");
        }
        cursor = after;
    }
    assert_eq!(once(seen), pages);
    // A cursor is the toolstack's own number: a wrong one leads to some page or to the end.
    let mut rng = Rng::new(62);
    for _ in 0..2000 {
        let any = rng.bits() >> rng.below(64);
        let (answer, _, page) = toolstack.next_page(1, 0, any);
        assert!(
            answer == -1 || page.is_some_and(|(handle, c)| pages.get(&name(handle)) == Some(&c))
        );
    }
    assert_eq!(toolstack.end(1), 0);
    world.service().audit().expect("no pin is left");
    assert_eq!(world.guest(1).destroy(0), 1);
    assert_eq!(world.host().nr_frames_out(), 0, "no frame is left pinned");
}

#[test]
fn r63_whatever_goes_between_two_steps_the_rest_comes_exactly_once() {
    for seed in 0..12 {
        let world = World::roomy();
        let guest = world.guest(1);
        let all = fill(&guest, 400);
        let (mut present, mut rng) = (all.clone(), Rng::new(seed));
        let toolstack = Toolstack::new(world.service());
        assert_eq!(toolstack.begin(1, false), 0);
        let (mut cursor, mut seen) = (0, Vec::new());
        loop {
            let (_, next, page) = toolstack.next_page(1, 0, cursor);
            let Some((handle, content)) = page else { break };
            assert_eq!(present.get(&name(handle)), Some(&content), "what is there");
            seen.push((handle, content));
            cursor = next;
            for _ in 0..rng.below(3) {
                if present.is_empty() {
                    break;
                }
                let names: Vec<Name> = present.keys().copied().collect();
                let victim = rng.pick(&names);
                if rng.one_in(40) {
                    let object = victim.0;
                    let op =
                        hypercall_abi::Op::FlushObject { pool_id: 0, object: ObjectId(object) };
                    // Sometimes left unfinished.
                    while guest.slice(op) == Outcome::Again && !rng.one_in(3) {}
                    present.retain(|&(other, _), _| other != object);
                } else {
                    assert_eq!(guest.flush(named(victim)), -1000);
                    present.remove(&victim);
                }
            }
            assert_eq!(guest.put(at(0, 77, 0), Content::ZERO), -1000, "nothing comes");
        }
        let seen = once(seen);
        assert!(present.iter().all(|(name, content)| seen.get(name) == Some(content)));
        assert!(seen.iter().all(|(name, content)| all.get(name) == Some(content)));
        assert_eq!(once(toolstack.pages(1, 0)), present, "a second iteration");
        assert_eq!(toolstack.end(1), 0);
        world.service().audit().expect("the books are right");
    }
}

#[test]
fn p36_a_page_that_is_flushed_while_it_is_delivered_is_delivered_whole() {
    for is_destroyed in [false, true] {
        let world = World::roomy();
        let guest = world.guest(1);
        let pages = fill(&guest, 3);
        let toolstack = Toolstack::new(world.service());
        assert_eq!(toolstack.begin(1, false), 0);
        let (other, all) = (guest.clone(), pages.clone());
        world.host().on_next_copy(Direction::Out, move || {
            if is_destroyed {
                assert_eq!(other.destroy(0), 1);
            } else {
                assert!(all.keys().all(|&name| other.flush(named(name)) == -1000));
            }
        });
        let (answer, next, page) = toolstack.next_page(1, 0, 0);
        let (handle, content) = page.expect("a page");
        assert_eq!((answer, pages.get(&name(handle))), (1, Some(&content)));
        assert_eq!(toolstack.next_page(1, 0, next).0, -1);
        assert_eq!(toolstack.end(1), 0);
        assert_eq!(world.host().nr_frames_out(), 0);
        world.service().audit().expect("the books are right");
    }
}

#[test]
fn r69_a_search_through_a_pool_that_was_emptied_is_done_in_slices() {
    let world = World::new(tmem_host_sim::SimHost::builder().frames(70_000).domains(2));
    let guest = world.guest(1);
    assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
    let nr_objects = 60_000;
    for object in 0..nr_objects {
        assert_eq!(guest.put(at(0, object, 0), Content::ZERO), 1);
    }
    // Few blocks are left, far apart, and not one at the end.
    for object in (0..nr_objects).filter(|object| object % 20_000 != 7) {
        assert_eq!(guest.flush(at(0, object, 0)), 1);
    }
    let toolstack = Toolstack::new(world.service());
    assert_eq!(toolstack.begin(1, false), 0);
    let nr_metadata = world.host().nr_metadata();
    assert_eq!(toolstack.pages(1, 0).len(), 3);
    assert!((2..40).contains(&toolstack.nr_slices.get()), "{} slices", toolstack.nr_slices.get());
    assert_eq!(world.host().nr_metadata(), nr_metadata, "a save takes no memory");
    assert_eq!(toolstack.end(1), 0);
}

#[test]
fn an_iteration_goes_on_where_it_was_whoever_asks() {
    let world = World::roomy();
    let pages = fill(&world.guest(1), 100);
    let toolstack = Toolstack::new(world.service());
    assert_eq!(toolstack.begin(1, false), 0);
    let cursors = iter::successors(Some(0), |&cursor| {
        let (_, next, page) = toolstack.next_page(1, 0, cursor);
        page.map(|_| next)
    });
    let nr_left: Vec<_> = cursors
        .map(|cursor| Toolstack::new(world.service()).pages_from(1, 0, cursor).0.len())
        .collect();
    let expected: Vec<_> = (0..=pages.len()).rev().collect();
    assert_eq!(nr_left, expected);
    assert_eq!(toolstack.end(1), 0);
}

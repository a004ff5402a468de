//! Saving a domain that runs: R64, R66, P14, P15, P36, P52, P82.

use crate::restoring::found;
use crate::saving::{Pages, name, named, names};
use hypercall_abi::control::{ClientId, HANDLE_BYTES, Removed, SaveOp};
use hypercall_abi::{Handle, ObjectId, Op};
use tmem_host_sim::{Content, Direction, DomainSpec, Fault, SimHost};
use tmem_model_tests::{BUFFER, Guest, Rng, Toolstack, World, at, destroy_domain, flags};
use tmem_service::{DomainId, Outcome};

/// Fills two persistent pools, 0 and 1, and an ephemeral one, 2.
fn furnish(guest: &Guest, nr_pages: usize) {
    for pool in [flags::PERSISTENT, flags::PERSISTENT, flags::EPHEMERAL] {
        assert!(guest.new_pool(pool, 0) >= 0);
    }
    for (number, name) in (0..).zip(names()).take(nr_pages) {
        for pool_id in 0..2 {
            let handle = Handle { pool_id, ..named(name) };
            assert_eq!(guest.put(handle, Content::Unique(number)), 1);
        }
    }
}

/// One operation of the guest's during a live save, with what it must answer.
fn disturb(guest: &Guest, rng: &mut Rng, present: &mut [Option<Pages>; 2]) {
    let pool_id = rng.pick(&[0, 1_u32]);
    let Some(pages) = &mut present[pool_id as usize] else { return };
    if pages.is_empty() {
        return;
    }
    let names: Vec<_> = pages.keys().copied().collect();
    let victim = rng.pick(&names);
    let content = pages[&victim];
    let handle = Handle { pool_id, ..named(victim) };
    match rng.below(10) {
        0..=2 => {
            assert_eq!(guest.flush(handle), -1000);
            assert_eq!(guest.flush(handle), -1000, "once more");
            pages.remove(&victim);
        }
        3..=4 => {
            assert_eq!(guest.put(handle, Content::Same(1)), -28, "a duplicate");
            assert_eq!(guest.put(handle, Content::Same(1)), -1000, "a new page");
            pages.remove(&victim);
        }
        5..=7 => assert_eq!(guest.get(handle), (1, Some(content))),
        8 => {
            let object = victim.0;
            let op = Op::FlushObject { pool_id, object: ObjectId(object) };
            while guest.slice(op) == Outcome::Again && !rng.one_in(3) {}
            pages.retain(|&(other, _), _| other != object);
        }
        _ if rng.one_in(60) => {
            assert_eq!(guest.destroy(pool_id), 1);
            present[pool_id as usize] = None;
        }
        _ => assert_eq!(guest.put(Handle { pool_id, ..at(0, 99, 9) }, Content::ZERO), -1000),
    }
}

#[test]
fn r64_after_the_replay_the_destination_is_the_source() {
    for seed in 0..16 {
        let mut rng = Rng::new(seed);
        let world = World::with_frames(4000);
        let (source, target) = (world.guest(1), world.guest(2));
        let nr_pages = rng.pick(&[3, 40, 400]);
        furnish(&source, nr_pages);
        let toolstack = Toolstack::new(world.service());
        assert_eq!(toolstack.begin_restore(2), 0);
        for pool in [flags::PERSISTENT, flags::PERSISTENT, flags::EPHEMERAL] {
            assert!(target.new_pool(pool, 0) >= 0);
        }
        let pages: Pages =
            (0..).map(Content::Unique).zip(names()).map(|(c, n)| (n, c)).take(nr_pages).collect();
        let mut present = [Some(pages.clone()), Some(pages)];
        assert_eq!(toolstack.begin(1, true), 0);
        for pool_id in 0..2 {
            let mut cursor = 0;
            loop {
                for _ in 0..rng.below(4) {
                    disturb(&source, &mut rng, &mut present);
                }
                let (answer, next, page) = toolstack.next_page(1, pool_id, cursor);
                let Some((handle, content)) = page else {
                    assert_eq!(answer, -1);
                    break;
                };
                let there = present[pool_id as usize].as_ref().expect("a pool that is there");
                assert_eq!(there.get(&name(handle)), Some(&content));
                assert_eq!(toolstack.put(2, handle, content), 1);
                cursor = next;
            }
        }
        for _ in 0..30 {
            disturb(&source, &mut rng, &mut present);
        }
        // The guest stops.
        let removals = toolstack.removals(1).expect("nothing was lost");
        assert_eq!(toolstack.removals(1).as_ref(), Ok(&removals), "they can be read again");
        for &removed in &removals {
            assert!([1, -1].contains(&toolstack.remove(2, removed)), "{removed:?}");
        }
        for (pool_id, pages) in (0..).zip(&present) {
            let there = found(&world, 2, pool_id);
            assert_eq!(there, pages.clone().unwrap_or_default(), "seed {seed}, pool {pool_id}");
            assert_eq!(found(&world, 1, pool_id), there);
            let is_gone = pages.is_none();
            assert_eq!(target.get(Handle { pool_id, ..at(0, 5, 5) }).0 == -19, is_gone);
        }
        assert_eq!(target.flush(at(2, 1, 1)), 1, "the ephemeral pool is there");
        assert_eq!(toolstack.end(1), 0);
        world.service().audit().expect("the books are right");
        // R66: the source may go on.
        if present[0].is_some() {
            assert_eq!(source.put(at(0, 99, 9), Content::Unique(5)), 1);
            assert_eq!(source.get(at(0, 99, 9)), (1, Some(Content::Unique(5))));
            assert_eq!(source.put(at(0, 99, 9), Content::Unique(6)), 1, "duplicates too");
            assert_eq!(source.flush(at(0, 99, 9)), 1);
        }
    }
}

#[test]
fn p15_the_very_page_that_is_delivered_is_flushed_and_two_saves_follow_each_other() {
    let world = World::roomy();
    let guest = world.guest(1);
    let toolstack = Toolstack::new(world.service());
    for round in 0..2 {
        assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
        let handles: Vec<_> = names().take(40).map(named).collect();
        for (number, &handle) in (0..).zip(&handles) {
            assert_eq!(guest.put(handle, Content::Unique(number)), 1);
        }
        assert_eq!(toolstack.begin(1, true), 0);
        let (mut cursor, mut seen) = (0, Vec::new());
        loop {
            let (other, all) = (guest.clone(), handles.clone());
            let nr_seen = seen.len();
            world.host().on_next_copy(Direction::Out, move || {
                // One of them is the page that is being copied, or has been.
                let nth = |nth: usize| all[nth % all.len()];
                assert_eq!(other.flush(nth(nr_seen)), -1000);
            });
            let (_, next, page) = toolstack.next_page(1, 0, cursor);
            if !world.host().drop_hook(Direction::Out) && page.is_none() {
                break;
            }
            let Some((handle, _)) = page else { break };
            assert_eq!(guest.flush(handle), -1000);
            seen.push(handle);
            cursor = next;
        }
        let removals = toolstack.removals(1).expect("nothing was lost");
        for handle in &seen {
            assert!(removals.contains(&Removed::Page(*handle)), "round {round}, {handle:?}");
        }
        assert_eq!(removals.len(), handles.len(), "each removal once");
        assert_eq!(toolstack.end(1), 0);
        assert_eq!(guest.destroy(0), 1);
        assert_eq!(world.host().nr_frames_out(), 0);
        world.service().audit().expect("the books are right");
    }
}

#[test]
fn p14_pools_and_domains_that_die_between_begin_and_end_leave_nothing() {
    for live in [false, true] {
        let world = World::roomy();
        let guest = world.guest(1);
        furnish(&guest, 200);
        let toolstack = Toolstack::new(world.service());
        assert_eq!(toolstack.begin(1, live), 0);
        for handle in names().take(150).map(named) {
            assert_eq!(guest.flush(handle), -1000);
        }
        // A pool goes, another gets its id, and is not what was saved.
        for pool_id in [0, 2] {
            assert_eq!(guest.destroy(pool_id), 1);
        }
        assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
        assert_eq!(toolstack.next_page(1, 0, 0).0, -1);
        assert_eq!(guest.put(at(0, 1, 1), Content::ZERO), -1000);
        assert_eq!(guest.destroy(0), 1);
        let pools: Vec<_> = toolstack
            .removals(1)
            .expect("nothing was lost")
            .into_iter()
            .filter(|removed| matches!(removed, Removed::Pool { .. }))
            .collect();
        let expected = [Removed::Pool { pool_id: 0 }, Removed::Pool { pool_id: 2 }];
        assert_eq!(pools, if live { &expected[..] } else { &[] });
        assert!(destroy_domain(world.service(), 1) > 0);
        assert_eq!((toolstack.end(1), toolstack.next_page(1, 1, 0).0), (-2, -2));
        assert_eq!((toolstack.removals(1), toolstack.begin(1, live)), (Err(-2), -2));
        assert_eq!(world.host().nr_frames_out(), 0);
        assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
        world.service().audit().expect("the books are right");
    }
}

#[test]
fn r66_the_end_frees_the_log_in_slices_and_whoever_asks_again_goes_on() {
    let world = World::with_frames(20_000);
    let guest = world.guest(1);
    assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
    let nr_pages = 9000;
    for index in 0..nr_pages {
        assert_eq!(guest.put(at(0, 1, index), Content::ZERO), 1);
    }
    let toolstack = Toolstack::new(world.service());
    let before = world.host().nr_metadata();
    assert_eq!(toolstack.begin(1, true), 0);
    assert_eq!(world.host().nr_metadata(), before, "a save takes no memory");
    // What is not there is not recorded.
    for index in 0..1000 {
        assert_eq!(guest.flush(at(0, 2, index)), -1000);
        assert_eq!(guest.put(at(0, 2, index), Content::ZERO), -1000);
    }
    assert_eq!(guest.flush_object(0, 3), -1000);
    assert_eq!(toolstack.removals(1), Ok(Vec::new()));
    assert_eq!(world.host().nr_metadata(), before);
    for index in 0..nr_pages {
        assert_eq!(guest.flush(at(0, 1, index)), -1000);
    }
    let removals = toolstack.removals(1).expect("nothing was lost");
    assert_eq!(removals.len(), nr_pages as usize);
    // 128 records a frame, and one frame with their addresses.
    let audited = world.service().audit().expect("the books are right");
    let nr_log = u64::from(nr_pages).div_ceil(128) + 1;
    assert!(world.host().nr_metadata() >= nr_log && audited.metadata_frames >= nr_log);
    assert!(u64::from(world.host().domain(DomainId(1)).nr_charged()) >= nr_log, "it is charged");
    // A first slice only, as if the toolstack had died: the guest is free at once.
    let mut block =
        hypercall_abi::control::ControlOp::Save(SaveOp::End { who: ClientId::One(1) }).encode();
    let outcome = world.service().control(&mut block, &toolstack.memory);
    assert_eq!(outcome, tmem_service::ControlOutcome::Again);
    assert_eq!(guest.put(at(0, 1, 1), Content::Unique(1)), 1);
    assert_eq!(toolstack.begin(1, true), -16, "the former save is not over");
    assert_eq!(toolstack.removals(1), Err(-2));
    assert_eq!(toolstack.end(1), 0);
    assert!(toolstack.nr_slices.get() > 1);
    assert_eq!(guest.flush(at(0, 1, 1)), 1);
    assert!(world.host().nr_metadata() <= before, "the log is freed");
    assert_eq!(toolstack.begin(1, true), 0);
    assert_eq!(toolstack.removals(1), Ok(Vec::new()));
    assert_eq!(toolstack.end(1), 0);
    world.service().audit().expect("the books are right");
}

#[test]
fn p52_r71_a_log_that_can_t_grow_fails_the_save_and_not_the_guest() {
    for fault in [Fault::Metadata, Fault::Charge] {
        let mut nr_lost = 0;
        for nth in 1.. {
            let world = World::roomy();
            let guest = world.guest(1);
            furnish(&guest, 300);
            let toolstack = Toolstack::new(world.service());
            assert_eq!(toolstack.begin(1, true), 0);
            world.host().fail_nth(fault, nth);
            for handle in names().take(300).map(named) {
                assert_eq!(guest.flush(handle), -1000, "the guest notices nothing");
                assert_eq!(guest.get(handle).1, None);
            }
            let has_fired = world.host().fired(fault) > 0;
            let removals = toolstack.removals(1);
            match &removals {
                Ok(removals) => assert_eq!((removals.len(), has_fired), (300, false)),
                Err(answer) => assert_eq!((*answer, has_fired), (-12, true)),
            }
            nr_lost += u32::from(removals.is_err());
            world.host().heal();
            assert_eq!(toolstack.end(1), 0);
            // The next save is as good as any.
            assert_eq!(toolstack.begin(1, true), 0);
            assert_eq!(toolstack.pages(1, 1).len(), 300);
            assert_eq!(
                guest.flush(Handle { pool_id: 1, ..named(names().next().expect("one")) }),
                -1000
            );
            assert_eq!(toolstack.removals(1).map(|removals| removals.len()), Ok(1));
            assert_eq!(toolstack.end(1), 0);
            world.service().audit().expect("the books are right");
            if !has_fired {
                break;
            }
        }
        assert!(nr_lost >= 3, "frames of records and of addresses were asked for");
    }
}

#[test]
fn r64_a_full_host_and_a_full_domain_still_have_room_for_the_log() {
    // What a removal frees is what its record takes.
    for nr_max in [60, u32::MAX] {
        let spec = DomainSpec::new(1).max(nr_max);
        let builder = SimHost::builder().frames(80).metadata_in_frames().domain(spec);
        let world = World::new(builder);
        let guest = world.guest(1);
        assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
        let nr_stored =
            (0..).take_while(|&index| guest.put(at(0, 1, index), Content::ZERO) == 1).count();
        let toolstack = Toolstack::new(world.service());
        assert_eq!(toolstack.begin(1, true), 0);
        for index in 0..u32::try_from(nr_stored).expect("few") {
            assert_eq!(guest.flush(at(0, 1, index)), -1000);
        }
        assert_eq!(toolstack.removals(1).map(|removals| removals.len()), Ok(nr_stored));
        assert_eq!(toolstack.end(1), 0);
    }
}

#[test]
fn r64_a_put_that_the_beginning_of_a_save_overtakes_stores_nothing() {
    for live in [false, true] {
        for is_duplicate in [false, true] {
            let world = World::roomy();
            let guest = world.guest(1);
            assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
            assert_eq!(guest.put(at(0, 9, 9), Content::Unique(9)), 1);
            if is_duplicate {
                assert_eq!(guest.put(at(0, 1, 1), Content::Unique(1)), 1);
            }
            let service = std::sync::Arc::clone(world.service());
            world.host().on_next_copy(Direction::In, move || {
                let toolstack = Toolstack::new(&service);
                assert_eq!(toolstack.begin(1, live), 0);
                assert_eq!(toolstack.pages(1, 0).len(), 1 + usize::from(is_duplicate));
            });
            let answer = guest.put(at(0, 1, 1), Content::Unique(2));
            let toolstack = Toolstack::new(world.service());
            if live {
                assert_eq!(answer, if is_duplicate { -28 } else { -1000 });
                assert_eq!(guest.get(at(0, 1, 1)).0, 0, "R5");
                let expected =
                    if is_duplicate { vec![Removed::Page(at(0, 1, 1))] } else { Vec::new() };
                assert_eq!(toolstack.removals(1), Ok(expected));
            } else {
                // A domain at rest has no call under way; one that has began it before the save.
                assert_eq!((answer, guest.get(at(0, 1, 1)).0), (1, 1));
            }
            assert_eq!(toolstack.end(1), 0);
            world.service().audit().expect("the books are right");
        }
    }
}

#[test]
fn p82_a_get_and_a_put_that_meet_a_save_s_beginning_or_end_are_answered_as_ever() {
    let world = World::roomy();
    let guest = world.guest(1);
    assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
    let both = [Content::Unique(1), Content::Unique(2)];
    for (index, content) in (0..).zip(both) {
        assert_eq!(guest.put(at(0, 1, index), content), 1);
    }
    for begins in [true, false] {
        let service = std::sync::Arc::clone(world.service());
        world.host().on_next_copy(Direction::Out, move || {
            let toolstack = Toolstack::new(&service);
            let answer = if begins { toolstack.begin(1, true) } else { toolstack.end(1) };
            assert_eq!(answer, 0);
        });
        assert_eq!(guest.get(at(0, 1, 0)), (1, Some(both[0])));
        assert!(!world.host().drop_hook(Direction::Out), "it ran");
        assert_eq!(guest.get(at(0, 1, 1)), (1, Some(both[1])));
    }
    // Statistics and an unknown command know the pool meanwhile.
    let toolstack = Toolstack::new(world.service());
    assert_eq!(toolstack.begin(1, true), 0);
    assert_eq!(guest.get(at(0, 7, 0)), (0, None), "a miss");
    assert_eq!(world.service().pool_stats(DomainId(1), 0).map(|stats| stats.pages), Some(2));
    let bad = Op::GetPage { handle: at(0, 1, 0), cmfn: tmem_model_tests::BAD_GFN };
    assert_eq!(guest.call(bad), -14);
    assert_eq!(guest.get(at(0, 1, 0)), (1, Some(both[0])), "R15");
    for index in 0..2 {
        assert_eq!(guest.flush(at(0, 1, index)), -1000);
    }
    assert_eq!(guest.get(at(0, 1, 0)).0, -1001, "empty");
    assert_eq!(toolstack.end(1), 0);
}

#[test]
fn r64_ephemeral_pools_are_frozen_and_no_more() {
    let world = World::roomy();
    let guest = world.guest(1);
    assert_eq!(guest.new_pool(flags::EPHEMERAL, 0), 0);
    assert_eq!(guest.put(at(0, 1, 1), Content::Unique(1)), 1);
    assert_eq!(guest.put(at(0, 1, 2), Content::Unique(2)), 1);
    let toolstack = Toolstack::new(world.service());
    assert_eq!(toolstack.begin(1, true), 0);
    assert_eq!(guest.put(at(0, 1, 3), Content::ZERO), -1000);
    assert_eq!(guest.put(at(0, 1, 1), Content::Unique(3)), 1, "a duplicate, as under freeze");
    assert_eq!(guest.get(at(0, 1, 1)), (1, Some(Content::Unique(3))));
    assert_eq!(guest.flush(at(0, 1, 2)), -1000);
    assert_eq!(toolstack.removals(1), Ok(Vec::new()), "nothing of it is carried");
    assert_eq!(toolstack.end(1), 0);
}

#[test]
fn r58_p23_p64_bad_buffers_for_removals_lose_nothing() {
    let world = World::roomy();
    let guest = world.guest(1);
    assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
    assert_eq!(guest.put(at(0, 1, 1), Content::ZERO), 1);
    let toolstack = Toolstack::new(world.service());
    assert_eq!(toolstack.begin(1, true), 0);
    assert_eq!(guest.flush(at(0, 1, 1)), -1000);
    let next = |len, buffer, cursor| {
        toolstack.control(SaveOp::NextRemoved { who: ClientId::One(1), cursor, len, buffer }).0
    };
    let whole = u32::try_from(HANDLE_BYTES).expect("short");
    for len in [0, 1, whole - 1] {
        assert_eq!(next(len, BUFFER, 0), -22, "not as if there were none");
    }
    for buffer in [0, BUFFER - 1, BUFFER + 4128 - 31, u64::MAX] {
        assert_eq!(next(whole, buffer, 0), -14);
    }
    for cursor in [1, 1 << 32, 17 << 32, u64::MAX] {
        assert_eq!(next(whole, BUFFER, cursor), 0, "{cursor:#x}");
    }
    assert_eq!(toolstack.removals(1), Ok(vec![Removed::Page(at(0, 1, 1))]));
    assert_eq!(toolstack.end(1), 0);
}

//! Restoring a domain: R48, R65, P12, P42, P44, P52, and what the operations refuse.

use crate::saving::{Pages, name, named, names, once};
use hypercall_abi::control::{ClientId, Removed, SaveOp};
use hypercall_abi::{Handle, ObjectId};
use tmem_host_sim::{Content, DomainSpec, Fault, SimHost};
use tmem_model_tests::{BUFFER, Toolstack, World, at, flags};
use tmem_service::DomainId;

/// Pool `pool_id` of the domain as a get of every name finds it.
pub(crate) fn found(world: &World, domain: u16, pool_id: u32) -> Pages {
    let guest = world.guest(domain);
    let handles = names().map(|name| Handle { pool_id, ..named(name) });
    handles.filter_map(|handle| Some((name(handle), guest.get(handle).1?))).collect()
}

#[test]
fn r65_p12_what_was_saved_is_found_again_by_the_new_domain() {
    for nr_pages in [0, 1, 2, 1000] {
        let world = World::with_frames(3000);
        let (source, target) = (world.guest(1), world.guest(2));
        let toolstack = Toolstack::new(world.service());
        assert_eq!(source.new_pool(flags::EPHEMERAL, 0), 0);
        assert_eq!(source.new_pool(flags::PERSISTENT, 0), 1);
        for (nr, name) in (0..).zip(names()).take(nr_pages) {
            let content = if nr % 5 == 0 { Content::ZERO } else { Content::Unique(nr) };
            assert_eq!(source.put(Handle { pool_id: 1, ..named(name) }, content), 1);
        }
        assert_eq!(toolstack.begin_restore(2), 0);
        assert_eq!(target.new_pool(flags::EPHEMERAL, 0), 0);
        assert_eq!(target.new_pool(flags::PERSISTENT, 0), 1);
        assert_eq!(toolstack.begin(1, false), 0);
        let saved = toolstack.pages(1, 1);
        assert_eq!(saved.len(), nr_pages);
        for &(handle, content) in &saved {
            assert_eq!(toolstack.put(2, handle, content), 1);
        }
        assert_eq!(toolstack.end(1), 0);
        assert_eq!(found(&world, 2, 1), once(saved));
        assert_eq!(found(&world, 2, 1), found(&world, 1, 1));
        world.service().audit().expect("the books are right");
    }
}

#[test]
fn p12_a_page_that_is_there_already_is_replaced_by_the_buffer_s() {
    let world = World::roomy();
    let target = world.guest(1);
    let toolstack = Toolstack::new(world.service());
    assert_eq!(toolstack.begin_restore(1), 0);
    assert_eq!(target.new_pool(flags::PERSISTENT, 0), 0);
    // The caller's own frame 0 holds something else.
    world.host().domain(DomainId(1)).fill(0, Content::Same(0x66));
    for number in 0..3 {
        assert_eq!(toolstack.put(1, at(0, 1, 1), Content::Unique(number)), 1);
        assert_eq!(target.get(at(0, 1, 1)), (1, Some(Content::Unique(number))));
    }
    assert_eq!(world.host().nr_frames_out(), 1);
}

#[test]
fn r48_r49_restored_pages_are_the_new_domain_s_and_count_against_its_maximum() {
    let builder = SimHost::builder().domain(DomainSpec::new(1).max(40));
    let world = World::new(builder.domain(DomainSpec::new(2)));
    let toolstack = Toolstack::new(world.service());
    assert_eq!(toolstack.begin_restore(1), 0);
    assert_eq!(world.guest(1).new_pool(flags::PERSISTENT, 0), 0);
    let stored = (0..60).take_while(|&index| toolstack.put(1, at(0, 1, index), Content::ZERO) == 1);
    let nr_stored = stored.count();
    assert!((20..40).contains(&nr_stored));
    assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 40, "metadata counts");
    assert_eq!(toolstack.put(1, at(0, 1, 59), Content::ZERO), -12);
    assert_eq!(world.host().domain(DomainId(2)).nr_charged(), 0);
    // A frozen one takes nothing new.
    assert_eq!(world.guest(1).flush(at(0, 1, 0)), 1);
    assert!(world.service().set_frozen(tmem_service::Clients::One(DomainId(1)), true).is_ok());
    assert_eq!(toolstack.put(1, at(0, 1, 0), Content::ZERO), -1000);
    assert_eq!(toolstack.put(1, at(0, 1, 1), Content::Unique(1)), 1, "as a guest's duplicate");
    let page = Removed::Page(at(0, 1, 1));
    assert_eq!(toolstack.remove(1, page), -1000, "carried out all the same");
    assert_eq!(world.guest(1).get(at(0, 1, 1)).0, 0);
}

#[test]
fn r58_p5_restore_begins_with_a_domain_that_is_alive_and_no_client() {
    let mut world = World::roomy();
    let service = std::sync::Arc::clone(world.service());
    let toolstack = Toolstack::new(&service);
    assert_eq!(toolstack.begin_restore(1), 0);
    assert_eq!(toolstack.begin_restore(1), -17);
    assert_eq!(world.guest(2).new_pool(flags::EPHEMERAL, 0), 0);
    assert_eq!(toolstack.begin_restore(2), -17);
    assert_eq!(toolstack.begin_restore(4000), -22, "there is no such domain");
    assert_eq!(toolstack.control(SaveOp::RestoreBegin { who: ClientId::All }).0, -22);
    world.destroy_domain(3);
    assert_eq!(toolstack.begin_restore(3), -22, "it is dying");
    assert_eq!(service.client_state(DomainId(3)), None);
}

#[test]
fn p52_no_memory_for_a_restored_client_is_said() {
    let world = World::roomy();
    let toolstack = Toolstack::new(world.service());
    world.host().fail_all(Fault::Metadata);
    assert_eq!(toolstack.begin_restore(1), -12);
    assert_eq!(world.service().client_state(DomainId(1)), None);
    world.host().heal();
    assert_eq!(toolstack.begin_restore(1), 0);
}

#[test]
fn r5_r58_a_restored_page_without_a_frame_is_answered_as_a_put_is() {
    let world = World::roomy();
    let toolstack = Toolstack::new(world.service());
    let target = world.guest(1);
    assert_eq!(toolstack.begin_restore(1), 0);
    assert_eq!(target.new_pool(flags::PERSISTENT, 0), 0);
    for index in 0..2 {
        assert_eq!(toolstack.put(1, at(0, 1, index), Content::Unique(index)), 1);
    }
    for fault in [Fault::Frame, Fault::Spare] {
        world.host().fail_all(fault);
    }
    assert_eq!(toolstack.put(1, at(0, 1, 0), Content::Unique(8)), -28);
    assert_eq!(toolstack.put(1, at(0, 1, 2), Content::Unique(9)), -12);
    world.host().heal();
    let found = [0, 1, 2].map(|index| target.get(at(0, 1, index)));
    assert_eq!(found, [(0, None), (1, Some(Content::Unique(1))), (0, None)]);
}

#[test]
fn r58_r64_nothing_comes_into_a_domain_that_is_being_saved_live_itself() {
    let world = World::roomy();
    let toolstack = Toolstack::new(world.service());
    let guest = world.guest(1);
    for pool in [flags::PERSISTENT, flags::PERSISTENT] {
        assert!(guest.new_pool(pool, 0) >= 0);
    }
    for index in 0..3 {
        assert_eq!(guest.put(at(0, 1, index), Content::Unique(index)), 1);
    }
    assert_eq!(toolstack.begin(1, true), 0);
    assert_eq!(toolstack.begin_restore(1), -17);
    assert_eq!(toolstack.put(1, at(0, 1, 0), Content::Unique(8)), -1, "a page that is there");
    assert_eq!(toolstack.put(1, at(0, 1, 7), Content::Unique(9)), -1, "one that is not");
    assert_eq!(toolstack.remove(1, Removed::Page(at(0, 1, 1))), -1);
    assert_eq!(toolstack.removals(1), Ok(vec![]));
    for index in 0..3 {
        assert_eq!(guest.get(at(0, 1, index)), (1, Some(Content::Unique(index))));
    }
    assert_eq!(guest.get(at(0, 1, 7)).0, 0);
    // What is removed as a whole is, as if the guest had done it, and is recorded.
    let object = Removed::Object { pool_id: 0, object: ObjectId(at(0, 1, 0).object.0) };
    assert_eq!(toolstack.remove(1, object), -1000, "done, but the client is frozen");
    assert_eq!(toolstack.remove(1, Removed::Pool { pool_id: 1 }), 1);
    assert_eq!(toolstack.removals(1), Ok(vec![object, Removed::Pool { pool_id: 1 }]));
    assert_eq!(toolstack.end(1), 0);
    assert_eq!(toolstack.put(1, at(0, 1, 7), Content::Unique(9)), 1);
    world.service().audit().expect("the books are right");
}

#[test]
fn r58_p23_p42_p44_p64_what_a_restore_refuses_changes_nothing() {
    let world = World::roomy();
    let toolstack = Toolstack::new(world.service());
    let who = ClientId::One(1);
    let put = |who, handle, len, buffer| {
        toolstack.control(SaveOp::RestorePut { who, handle, len, buffer }).0
    };
    assert_eq!(put(who, at(0, 1, 1), 4096, BUFFER), -1, "no client");
    assert_eq!(toolstack.remove(1, Removed::Page(at(0, 1, 1))), -1);
    assert_eq!(toolstack.begin_restore(1), 0);
    let pools = [0, 15, 16, 1 << 31, u32::MAX];
    let object = ObjectId([1, 0, 0]);
    for pool_id in pools {
        assert_eq!(put(who, at(pool_id, 1, 1), 4096, BUFFER), -1, "no pool {pool_id}");
        assert_eq!(toolstack.remove(1, Removed::Page(at(pool_id, 1, 1))), -1);
        assert_eq!(toolstack.remove(1, Removed::Object { pool_id, object }), -1);
        assert_eq!(toolstack.remove(1, Removed::Pool { pool_id }), -1);
    }
    let target = world.guest(1);
    assert_eq!(target.new_pool(flags::PERSISTENT, 0), 0);
    for len in [0, 1, 4095, 4097, 4128, u32::MAX] {
        assert_eq!(put(who, at(0, 1, 1), len, BUFFER), -22, "{len}");
    }
    for buffer in [0, BUFFER - 1, BUFFER + 33, u64::MAX, u64::MAX - 4095] {
        assert_eq!(put(who, at(0, 1, 1), 4096, buffer), -14, "{buffer:#x}");
    }
    assert_eq!(put(ClientId::All, at(0, 1, 1), 4096, BUFFER), -1);
    assert_eq!(world.host().nr_frames_out(), 0);
    // R5: a page that was there is gone after a failure.
    assert_eq!(toolstack.put(1, at(0, 1, 1), Content::Unique(1)), 1);
    assert_eq!(put(who, at(0, 1, 1), 4096, 0), -14);
    assert_eq!(target.get(at(0, 1, 1)).0, -1001);
}

#[test]
fn p52_no_fault_makes_a_restored_page_anything_but_stored_or_told() {
    for fault in [Fault::Frame, Fault::Metadata, Fault::Charge] {
        for nth in 1.. {
            let world = World::roomy();
            let toolstack = Toolstack::new(world.service());
            assert_eq!(toolstack.begin_restore(1), 0);
            assert_eq!(world.guest(1).new_pool(flags::PERSISTENT, 0), 0);
            world.host().fail_nth(fault, nth);
            let handles: Vec<_> = names().take(8).map(named).collect();
            for (number, &handle) in (0..).zip(&handles) {
                let answer = toolstack.put(1, handle, Content::Unique(number));
                let found = world.guest(1).get(handle);
                match answer {
                    1 => assert_eq!(found, (1, Some(Content::Unique(number)))),
                    -12 => assert!([0, -1001].contains(&found.0)),
                    other => unreachable!("answer {other}"),
                }
            }
            world.service().audit().expect("the books are right");
            if world.host().fired(fault) == 0 {
                break;
            }
        }
    }
}

#[test]
fn r64_pages_objects_and_pools_are_removed_by_record() {
    let world = World::roomy();
    let toolstack = Toolstack::new(world.service());
    let guest = world.guest(1);
    assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
    for index in 0..200 {
        assert_eq!(guest.put(at(0, 1, index), Content::Unique(index)), 1);
        assert_eq!(guest.put(at(0, 2, index), Content::Unique(index)), 1);
    }
    assert_eq!(toolstack.remove(1, Removed::Page(at(0, 1, 7))), 1);
    assert_eq!(guest.get(at(0, 1, 7)).0, 0);
    assert_eq!(toolstack.remove(1, Removed::Object { pool_id: 0, object: ObjectId([2, 0, 0]) }), 1);
    assert!(toolstack.nr_slices.get() > 1, "in slices");
    assert_eq!(world.host().nr_frames_out(), 199);
    assert_eq!(toolstack.remove(1, Removed::Pool { pool_id: 0 }), 1);
    assert_eq!(world.host().nr_frames_out(), 0);
    assert_eq!(guest.get(at(0, 1, 1)).0, -19);
}

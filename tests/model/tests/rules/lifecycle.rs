//! Clients: how they come, what they may not reach, how they go, and the toolstack's calls on
//! them: R26 to R29, R53, R54.

use hypercall_abi::{NewPool, ObjectId, Op, Uuid};
use tmem_host_sim::{Content, DomainSpec, Fault};
use tmem_model_tests::{World, answer, at, check, flags, scaled};
use tmem_service::{Clients, DomainId, Outcome, Progress};

/// One call of each live command.
fn all_ops() -> [Op; 6] {
    [
        Op::NewPool(NewPool { flags: flags::EPHEMERAL, uuid: Uuid([0, 0]) }),
        Op::DestroyPool { pool_id: 0 },
        Op::PutPage { handle: at(0, 1, 1), cmfn: 0 },
        Op::GetPage { handle: at(0, 1, 1), cmfn: 1 },
        Op::FlushPage { handle: at(0, 1, 1) },
        Op::FlushObject { pool_id: 0, object: ObjectId([1, 0, 0]) },
    ]
}

#[test]
fn r26_no_domain_reaches_anothers_private_pools() {
    check(
        "d1 new ephemeral       -> 0
         d1 new persistent      -> 1
         d1 put 0 1 1 A         -> 1
         d1 put 1 1 1 B         -> 1
         d2 get 0 1 1           -> -19
         d2 flush 1 1 1         -> -19
         d2 flush-object 1 1    -> -19
         d2 put 1 1 1 Z         -> -19
         d2 destroy 1           -> 0
         d2 new ephemeral       -> 0
         d2 new persistent      -> 1
         d2 get 0 1 1           -> -1001
         d2 put 1 1 1 C         -> 1
         d2 flush 0 1 1         -> 1
         d2 flush-object 0 1    -> 1
         d2 destroy 0           -> 1
         d2 destroy 1           -> 1
         d1 get 0 1 1           -> 1 A
         d1 get 1 1 1           -> 1 B",
    );
}

#[test]
fn r27_a_later_domain_of_the_same_number_starts_with_nothing() {
    check(
        "d2 allow 7             -> ok
         d2 new shared 7        -> 0
         d1 allow 7             -> ok
         d1 new shared 7        -> 0
         d1 new persistent      -> 1
         d1 put 1 1 1 A         -> 1
         d1 freeze              -> ok
         d1 die
         d1 freeze              -> refused
         d1 return
         d1 freeze              -> refused      # no client until its first call
         d1 get 1 1 1           -> -19
         d1 new persistent      -> 0            # not frozen, no pools
         d1 put 0 1 1 B         -> 1
         d1 new shared 7        -> 1            # not authorised: private
         d2 put 0 5 5 C         -> 1
         d1 get 1 5 5           -> -1001",
    );
}

#[test]
fn r27_a_domains_death_frees_everything() {
    let mut world = World::roomy();
    for kind in [flags::EPHEMERAL, flags::PERSISTENT, flags::EPHEMERAL] {
        let pool = u32::try_from(world.new_pool(1, kind, 0)).expect("a pool id");
        for index in 0..100 {
            assert_eq!(world.put(1, at(pool, 1, index), Content::Unique(index)), 1);
        }
    }
    let nr_slices = world.destroy_domain(1);
    assert!(nr_slices >= 300 / 64, "{nr_slices} slices");
    let totals = world.audit();
    assert_eq!((totals.clients, totals.pools, totals.pages, totals.frames), (0, 0, 0, 0));
    assert_eq!(world.host().domain(DomainId(1)).nr_charged(), 0);
}

#[test]
fn r28_the_first_call_of_a_domain_makes_one_client_whatever_it_is() {
    for op in all_ops() {
        let mut world = World::roomy();
        assert_eq!(world.audit().clients, 0);
        for _ in 0..3 {
            world.call(1, op);
            assert_eq!(world.audit().clients, 1, "{op:?}");
        }
        assert_eq!(world.command(2, 99, 0), answer::NO_DEVICE);
        assert_eq!(world.audit().clients, 2, "an unknown command counts as well");
    }
}

#[test]
fn r28_without_memory_for_a_client_every_call_says_so() {
    for op in all_ops() {
        let mut world = World::roomy();
        world.host().fail_all(Fault::Metadata);
        assert_eq!(world.call(1, op), answer::NO_MEMORY, "{op:?}");
        assert_eq!(world.audit().clients, 0);
        world.host().heal();
        world.call(1, op);
        assert_eq!(world.audit().clients, 1);
    }
}

#[test]
fn r29_p5_a_dying_domain_is_refused_everything_and_never_becomes_a_client() {
    for is_client in [false, true] {
        let mut world = World::roomy();
        if is_client {
            world.new_pool(1, flags::PERSISTENT, 0);
            world.put(1, at(0, 1, 1), Content::Unique(1));
        }
        world.kill(1);
        for after_destruction in [false, true] {
            for op in all_ops() {
                assert_eq!(world.call(1, op), answer::NO_DEVICE, "{op:?}");
            }
            for command in [0, 3, 99, 101, 102] {
                assert_eq!(world.command(1, command, 0), answer::NO_DEVICE);
            }
            assert!(!world.set_auth(1, Uuid([7, 0]), true));
            if after_destruction {
                assert!(!world.set_frozen(1, true));
            } else {
                while world.destroy_domain_slice(1) == Progress::More {}
            }
            assert_eq!(world.audit().clients, 0);
        }
    }
}

#[test]
fn r29_a_domain_that_never_was_is_refused_everything() {
    let world = World::roomy();
    for domain in [DomainId(0), DomainId(999), DomainId(u16::MAX)] {
        for op in all_ops() {
            let outcome = world.service().call(domain, op);
            let is_refused =
                matches!(outcome, Outcome::Done(status) if status.encode() == answer::NO_DEVICE);
            assert!(is_refused, "{op:?}: {outcome:?}");
        }
        assert!(world.service().set_frozen(Clients::One(domain), true).is_err());
        assert!(world.service().set_auth(domain, Uuid([1, 1]), true).is_err());
        assert_eq!(world.service().destroy_domain(domain), Progress::Done);
    }
}

#[test]
fn r53_a_frozen_clients_new_puts_are_refused_and_all_else_goes_on() {
    check(
        "d1 new ephemeral             -> 0
         d1 new persistent            -> 1
         d1 put 0 1 1 A               -> 1
         d1 put 1 1 1 B               -> 1
         d1 freeze                    -> ok
         d1 put 0 1 2 C               -> -1000
         d1 put 1 1 2 C               -> -1000
         d1 put 0 1 2 C from bad      -> -1000
         d1 put 0 1 1 D               -> 1         # a duplicate
         d1 put 1 1 1 E               -> 1
         d1 get 0 1 1                 -> 1 D
         d1 get 1 1 1                 -> 1 E
         d1 put 0 1 1 F               -> -1000     # the get took it: no duplicate
         d1 put 1 1 1 F from bad      -> -14
         d1 get 1 1 1                 -> -1001
         d1 new ephemeral             -> 2
         d1 put 2 1 1 F               -> -1000
         d1 destroy 2                 -> 1
         d1 destroy 0                 -> 1
         d2 new ephemeral             -> 0
         d2 put 0 1 1 G               -> 1         # not frozen
         d1 thaw                      -> ok
         d1 put 1 1 2 H               -> 1",
    );
}

#[test]
fn r53_eviction_goes_on_for_frozen_clients() {
    let mut world = World::with_frames(4);
    world.new_pool(1, flags::EPHEMERAL, 0);
    for index in 0..4 {
        world.put(1, at(0, 1, index), Content::Unique(index));
    }
    assert!(world.set_frozen(1, true));
    world.new_pool(2, flags::PERSISTENT, 0);
    for index in 0..4 {
        assert_eq!(world.put(2, at(0, 1, index), Content::Unique(index)), 1);
    }
    assert_eq!(world.get(1, at(0, 1, 3)), (answer::EMPTY, None));
}

#[test]
fn r54_freezing_is_idempotent_and_all_means_those_that_are_there() {
    check(
        "d1 freeze              -> refused
         d1 new ephemeral       -> 0
         d2 new ephemeral       -> 0
         all freeze
         all freeze
         d3 new ephemeral       -> 0
         d1 put 0 1 1 A         -> -1000
         d2 put 0 1 1 A         -> -1000
         d3 put 0 1 1 A         -> 1
         d1 freeze              -> ok
         d1 thaw                -> ok
         d1 thaw                -> ok
         d1 put 0 1 1 A         -> 1
         d2 put 0 1 1 A         -> -1000
         all thaw
         d2 put 0 1 1 A         -> 1",
    );
}

#[test]
fn a_domain_may_be_authorised_for_16_uuids_and_no_more() {
    let mut world = World::roomy();
    for uuid in 1..=16 {
        assert!(world.set_auth(1, Uuid([uuid, 0]), true));
        assert!(world.set_auth(1, Uuid([uuid, 0]), true), "a second time takes no place");
    }
    assert!(!world.set_auth(1, Uuid([17, 0]), true));
    assert!(world.set_auth(1, Uuid([99, 0]), false), "what is not there can be forbidden");
    assert!(world.set_auth(1, Uuid([5, 0]), false));
    assert!(world.set_auth(1, Uuid([17, 0]), true));
    assert!(world.set_auth(2, Uuid([18, 0]), true), "another domain has a table of its own");
}

#[test]
fn an_authorisation_may_come_before_the_domains_first_call() {
    check(
        "d1 allow 7             -> ok
         d2 allow 7             -> ok
         d2 new shared 7        -> 0
         d1 new shared 7        -> 0
         d2 put 0 1 1 A         -> 1
         d1 get 0 1 1           -> 1 A
         d3 forbid 7            -> ok",
    );
}

#[test]
fn p58_domains_come_and_go_in_their_thousands() {
    let mut world = World::with_frames(64);
    world.new_pool(2, flags::EPHEMERAL, 0);
    for round in 0..scaled(1000) as usize {
        world.set_auth(1, Uuid([7, 0]), true);
        world.new_pool(1, [flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED][round % 3], 7);
        world.put(1, at(0, 1, 1), Content::Unique(1));
        world.put(2, at(0, 1, 1), Content::Unique(2));
        world.get(1, at(0, 1, 1));
        world.destroy_domain(1);
        world.create_domain(DomainSpec::new(1));
    }
    let totals = world.audit();
    assert_eq!((totals.clients, totals.pools, totals.pages), (1, 1, 1));
}

#[test]
fn p21_clients_and_pools_that_come_and_go_reuse_their_records() {
    let mut world = World::roomy();
    let mut after_the_first = None;
    for _ in 0..200 {
        for id in 0..16 {
            assert_eq!(world.new_pool(1, flags::EPHEMERAL, 0), id);
        }
        world.put(1, at(7, 1, 1), Content::Unique(1));
        for pool in 0..8 {
            assert_eq!(world.destroy(1, pool), 1);
        }
        world.destroy_domain(1);
        world.create_domain(DomainSpec::new(1));
        let nr_metadata = world.host().nr_metadata();
        assert_eq!(nr_metadata, *after_the_first.get_or_insert(nr_metadata));
    }
}

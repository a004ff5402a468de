//! Every operation of the toolstack's on a domain that does not exist, that is no client, that is
//! dying, or that is gone. R29, R58, P5, P37, P47.

use crate::control::ADDRESS;
use hypercall_abi::control::{
    AUDIT_INFO_BYTES, CLIENT_INFO_BYTES, ClientFlags, ClientId, ClientInfo, ControlOp,
    HANDLE_BYTES, POOL_INFO_BYTES, PoolInfo, Removed, SAVED_PAGE_BYTES, STATS_BYTES, SaveOp,
    StatsOf,
};
use hypercall_abi::{ObjectId, PAGE_SIZE_BYTES, PoolFlags, Uuid};
use tmem_host_sim::{Content, SimHost, SimToolstack};
use tmem_model_tests::{World, at, flags};
use tmem_service::{ControlOutcome, DomainId, Progress};

/// Who is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nobody {
    /// There is no domain of this number.
    Absent,
    /// The domain has made no call yet.
    NoClient,
    /// The domain has been killed and destroyed to the end, and its number is not used again.
    Gone,
    /// It has been killed, and a part of it is destroyed.
    Dying,
}

impl Nobody {
    /// Those that are no client.
    const ALL: [Self; 3] = [Self::Absent, Self::NoClient, Self::Gone];

    const fn number(self) -> u16 {
        match self {
            Self::Absent => 4000,
            Self::NoClient => 3,
            Self::Gone => 1,
            Self::Dying => 4,
        }
    }
}

/// Domain 1 had pools of each kind and is gone, domain 2 has them, domain 3 is no client.
fn world() -> World {
    let mut world = World::roomy();
    for domain in [1, 2] {
        assert!(world.set_auth(domain, Uuid([5, 0]), true));
        for kind in [flags::PERSISTENT, flags::EPHEMERAL, flags::SHARED] {
            assert!(world.new_pool(domain, kind, 5) >= 0);
        }
        for pool in 0..3 {
            assert_eq!(world.put(domain, at(pool, 1, 1), Content::Unique(pool)), 1);
        }
    }
    world.destroy_domain(1);
    world
}

fn len(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("buffers are small")
}

/// Each operation that is about one domain, what the buffer holds, and what it answers where the
/// domain is nobody: never a client's answer. GET_CLIENT_INFO tells what one would begin with.
fn operations(nobody: Nobody) -> Vec<(ControlOp, Vec<u8>, i64)> {
    let domain = nobody.number();
    let who = ClientId::One(domain);
    let buffer = ADDRESS;
    let authorise =
        PoolInfo { flags: PoolInfo::AUTHORISE, uuid: Uuid([9, 9]), ..PoolInfo::default() };
    let pool = PoolInfo { flags: PoolFlags::PERSIST.to_word(), ..PoolInfo::default() };
    let flags = ClientFlags::empty();
    let info =
        ClientInfo { version: ClientInfo::VERSION, maxpools: 16, nr_pools: 0, flags, weight: 5 };
    // What makes a client of a domain that is there may do so.
    let made = |answer| if nobody == Nobody::NoClient { answer } else { -22 };
    let save = ControlOp::Save;
    let (handle, object) = (at(0, 1, 1), ObjectId([1, 0, 0]));
    let record = len(POOL_INFO_BYTES);
    let one = StatsOf::Client { domain, or_next: false };
    let its_pool = StatsOf::Pool { domain, pool_id: 0, or_next: false };
    let page = len(SAVED_PAGE_BYTES);
    vec![
        (ControlOp::SetFrozen { who, frozen: true }, vec![], -1),
        (ControlOp::SetFrozen { who, frozen: false }, vec![], -1),
        (ControlOp::List { who, long: false, len: 512, buffer }, vec![0; 512], -1),
        (ControlOp::GetClientInfo { who, buffer }, vec![0; CLIENT_INFO_BYTES], 0),
        (ControlOp::SetClientInfo { who, buffer }, info.encode().to_vec(), -2),
        (ControlOp::GetPools { who, len: record, buffer }, vec![0; POOL_INFO_BYTES], -22),
        (ControlOp::GetAuth { who, len: record, buffer }, vec![0; POOL_INFO_BYTES], -22),
        (ControlOp::GetStats { of: one, len: len(STATS_BYTES), buffer }, vec![0; STATS_BYTES], -2),
        (
            ControlOp::GetStats { of: its_pool, len: len(STATS_BYTES), buffer },
            vec![0; STATS_BYTES],
            -2,
        ),
        (save(SaveOp::Begin { who, live: false }), vec![], -2),
        (save(SaveOp::Begin { who, live: true }), vec![], -2),
        (
            save(SaveOp::NextPage { who, pool_id: 0, cursor: 0, len: page, buffer }),
            vec![0; SAVED_PAGE_BYTES],
            -2,
        ),
        (
            save(SaveOp::NextRemoved { who, cursor: 0, len: len(HANDLE_BYTES), buffer }),
            vec![0; HANDLE_BYTES],
            -2,
        ),
        (save(SaveOp::End { who }), vec![], -2),
        (
            save(SaveOp::RestorePut { who, handle, len: len(PAGE_SIZE_BYTES), buffer }),
            vec![7; PAGE_SIZE_BYTES],
            -1,
        ),
        (save(SaveOp::RestoreRemove { who, removed: Removed::Page(handle) }), vec![], -1),
        (
            save(SaveOp::RestoreRemove { who, removed: Removed::Object { pool_id: 0, object } }),
            vec![],
            -1,
        ),
        (save(SaveOp::RestoreRemove { who, removed: Removed::Pool { pool_id: 0 } }), vec![], -1),
        // These make a client of a domain that is there: last.
        (save(SaveOp::RestoreBegin { who }), vec![], made(0)),
        (ControlOp::SetAuth { who, len: record, buffer }, authorise.encode().to_vec(), made(1)),
        (ControlOp::SetPools { who, len: record, buffer }, pool.encode().to_vec(), made(1)),
        (ControlOp::Audit { len: len(AUDIT_INFO_BYTES), buffer }, vec![0; AUDIT_INFO_BYTES], 0),
    ]
}

/// An operation's result, carried to its end.
fn carry_out(world: &World, op: ControlOp, content: &[u8]) -> i64 {
    let memory = SimToolstack::new(world.host(), ADDRESS, content);
    let mut block = op.encode();
    loop {
        let outcome = world.service().control(&mut block, &memory);
        assert_eq!(SimHost::nr_locks_held(), 0, "{op:?} ends with a lock held");
        if let ControlOutcome::Done(status) = outcome {
            return status.encode();
        }
    }
}

#[test]
fn r58_p5_p37_p47_every_operation_on_nobody_is_answered_as_the_document_says() {
    for nobody in Nobody::ALL {
        let world = world();
        let id = DomainId(nobody.number());
        let mut nr_makers = 0;
        for (op, content, wanted) in operations(nobody) {
            let was_client = world.service().client_state(id).is_some();
            assert_eq!(carry_out(&world, op, &content), wanted, "{op:?} on {nobody:?}");
            let is_client = world.service().client_state(id).is_some();
            nr_makers += u32::from(is_client && !was_client);
            assert!(nobody == Nobody::NoClient || !is_client, "{op:?} makes {nobody:?} a client");
            world.service().audit().expect("the books are right");
        }
        assert_eq!(nr_makers, u32::from(nobody == Nobody::NoClient), "{nobody:?}");
        // Who has nothing to do with it has what it had.
        for pool in [0, 2] {
            assert_eq!(world.guest(2).get(at(pool, 1, 1)), (1, Some(Content::Unique(pool))));
        }
    }
}

/// What is left of a domain while it is destroyed can be looked at; whatever would change it, save it or
/// put something into it is refused, and its destruction goes on.
#[test]
fn r29_p5_p37_every_operation_that_changes_a_dying_domain_is_refused() {
    let domain = Nobody::Dying.number();
    for (op, content, of_nobody) in operations(Nobody::Dying) {
        let mut world = world();
        assert_eq!(world.new_pool(domain, flags::PERSISTENT, 0), 0);
        for index in 0..100 {
            assert_eq!(world.put(domain, at(0, 1, index), Content::Unique(index)), 1);
        }
        assert!(world.set_auth(domain, Uuid([6, 0]), true) && world.set_weight(domain, 7));
        assert_eq!(world.save_begin(domain, true), 0);
        world.kill(domain);
        assert_eq!(world.destroy_domain_slice(domain), Progress::More);
        let before = world.service().client_state(DomainId(domain));
        assert!(before.is_some_and(|state| state.nr_pools == 1 && state.weight == 7));
        let wanted = match op {
            ControlOp::List { .. } | ControlOp::GetStats { .. } | ControlOp::GetPools { .. } => 0,
            _ => of_nobody,
        };
        assert_eq!(carry_out(&world, op, &content), wanted, "{op:?}");
        assert_eq!(world.service().client_state(DomainId(domain)), before, "{op:?}");
        while world.destroy_domain_slice(domain) == Progress::More {}
        assert_eq!(world.service().client_state(DomainId(domain)), None, "{op:?}");
    }
}

/// A domain that has been killed is a client until its destruction begins; what makes a client is
/// refused all the same, and nothing keeps it from being destroyed.
#[test]
fn p5_p37_every_operation_on_a_domain_that_is_about_to_be_destroyed_leaves_nothing() {
    for (skipped, (op, content, _)) in operations(Nobody::NoClient).into_iter().enumerate() {
        let mut world = world();
        // Domain 3 becomes a client with a page, and is killed in the middle of a save.
        assert_eq!(world.new_pool(3, flags::PERSISTENT, 0), 0);
        assert_eq!(world.put(3, at(0, 1, 1), Content::Unique(8)), 1);
        if skipped % 2 == 0 {
            assert_eq!(world.save_begin(3, true), 0);
        }
        world.kill(3);
        let answer = carry_out(&world, op, &content);
        if let ControlOp::SetAuth { .. } | ControlOp::SetPools { .. } = op {
            assert_eq!(answer, -22, "{op:?}");
        }
        world.destroy_domain(3);
        let again = carry_out(&world, op, &content);
        assert!(again <= 0, "{op:?} -> {again}");
        assert_eq!(world.service().client_state(DomainId(3)), None, "{op:?}");
    }
}

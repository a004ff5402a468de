//! That the audit finds what is wrong: each fault is made by hand in an engine that is right.

use super::*;
use crate::block::Block;
use crate::frame::{Frame, FrameId};
use crate::host::ChargeRefused;
use crate::policy::Lru;
use crate::pool::{Lifetime, PoolKind};
use crate::sync::atomic::AtomicU32;

/// Frames without content, as many as are asked for.
#[derive(Default)]
struct Frames(AtomicU32);

impl Host for Frames {
    type Policy = Lru;

    fn take_frame(&self) -> Option<Frame> {
        FrameId::new(self.0.fetch_add(1, Relaxed) + 1).map(Frame::from_id)
    }

    fn take_spare(&self) -> Option<Frame> {
        None
    }

    fn give_frame(&self, frame: Frame) {
        let _ = frame.into_id();
    }

    fn metadata_wanted(&self) -> bool {
        true
    }

    fn metadata_freed(&self) {}

    fn charge(&self, _: DomainId, _: u32) -> Result<(), ChargeRefused> {
        Ok(())
    }

    fn uncharge(&self, _: DomainId, _: u32) {}
}

/// One client, with a persistent pool and an ephemeral one, each with small objects and a large one.
fn engine() -> Engine<Frames> {
    let engine = Engine::new(Frames::default(), [1, 2, 3, 4]).expect("there is memory");
    let caller = engine.create_client(DomainId(5)).expect("there is memory");
    for (pool, lifetime) in [(0, Lifetime::Persistent), (1, Lifetime::Ephemeral)] {
        let made = engine.new_pool(caller, PoolKind::Private(lifetime));
        assert_eq!(made, Ok(u8::try_from(pool).expect("small")));
        for index in 0..900 {
            let (oid, index) = if index < 200 { (index, 0) } else { (1000, index * 2) };
            let filled = engine.put(caller, pool, [oid.into(), 0, 0], index, |_| Ok::<(), ()>(()));
            assert!(filled.is_ok());
        }
        // Some wait to be freed.
        for object in 0..9 {
            let _ = engine.flush_object(caller, pool, [object, 0, 0]);
        }
    }
    engine
}

/// Audits to the end; `between` is run after each slice.
fn audit_with(
    engine: &Engine<Frames>,
    mut between: impl FnMut(&AuditAt),
) -> Result<Audited, AuditError> {
    let (mut at, mut found) = (AuditAt::default(), Audited::default());
    while !engine.audit_slice(&mut at, &mut found)? {
        between(&at);
    }
    Ok(found)
}

fn audit(engine: &Engine<Frames>) -> Result<Audited, AuditError> {
    audit_with(engine, |_| {})
}

/// Changes the state of the first shard of a pool in which `change` finds what it looks for.
fn harm(
    engine: &Engine<Frames>,
    pool: u32,
    mut change: impl FnMut(&mut crate::shard::State) -> bool,
) {
    let pool = engine.pools.get(pool).expect("the pool is there");
    let harmed = pool.shards().iter().any(|shard| change(&mut shard.state.lock(&engine.host)));
    assert!(harmed, "there is something to harm");
}

#[test]
fn what_is_right_is_counted() {
    let engine = engine();
    let found = audit(&engine).expect("the books are right");
    assert_eq!((found.pools, found.busy_shards), (2, 0));
    assert_eq!((found.persistent_pages, found.ephemeral_pages), (891, 891));
    assert_eq!(found.frames, 1782);
    let totals = engine.audit().expect("the books are right");
    assert_eq!(found.metadata_frames, totals.metadata_frames);
    assert_eq!(found.metadata_told, totals.metadata_frames);
}

#[test]
fn metadata_that_is_told_and_not_there_shows() {
    for by in [1_i32, -1] {
        let engine = engine();
        let pool = engine.pools.get(1).expect("it is there");
        let told = pool.nr_metadata.load(Relaxed).wrapping_add_signed(by);
        pool.nr_metadata.store(told, Relaxed);
        let found = audit(&engine).expect("a call might have it in hand");
        let more = i64::try_from(found.metadata_told).expect("a few")
            - i64::try_from(found.metadata_frames).expect("a few");
        assert_eq!(more, i64::from(by));
    }
}

/// More chunks and tables than a slice counts, in one shard's slabs.
#[test]
fn metadata_of_a_large_pool_is_counted_in_slices() {
    let engine = Engine::new(Frames::default(), [1, 2, 3, 4]).expect("there is memory");
    let caller = engine.create_client(DomainId(5)).expect("there is memory");
    let made = engine.new_pool(caller, PoolKind::Private(Lifetime::Ephemeral));
    assert_eq!(made, Ok(0));
    for page in 0..140_000_u32 {
        let oid = [page.into(), 0, 0];
        assert!(engine.put(caller, 0, oid, 0, |_| Ok::<(), ()>(())).is_ok());
    }
    let mut nr_slices = 0;
    let counted = |at: &AuditAt| nr_slices += u32::from(at.walk == 2 && at.slot & 0xff_ffff != 0);
    let found = audit_with(&engine, counted).expect("the books are right");
    assert!(nr_slices > 0, "one slice was enough");
    let totals = engine.audit().expect("the books are right");
    assert_eq!(found.metadata_frames, totals.metadata_frames);
}

#[test]
fn weights_that_are_not_their_sum_are_found() {
    for by in [1, u64::MAX] {
        let engine = engine();
        assert!(engine.set_weight(DomainId(5), 70));
        assert!(engine.create_client(DomainId(6)).is_ok() && engine.set_weight(DomainId(6), 30));
        assert!(audit(&engine).is_ok());
        engine.weight_sum.fetch_add(by, Relaxed);
        assert_eq!(audit(&engine), Err(AuditError::Sums));
    }
}

#[test]
fn weights_that_change_meanwhile_are_not_wrong() {
    let engine = engine();
    let nr_clients = RECORDS_PER_SLICE * 3;
    for domain in 6..6 + u16::try_from(nr_clients).expect("a few") {
        assert!(engine.create_client(DomainId(domain)).is_ok());
        assert!(engine.set_weight(DomainId(domain), 5));
    }
    // From one that was visited to one that was not, and back: the sum is the same each time.
    let mut turn = 0;
    let weights = |at: &AuditAt| {
        if at.record > POOLS_MAX {
            turn += 1;
            assert!(engine.set_weight(DomainId(5), turn));
            assert!(engine.set_weight(DomainId(5 + 40), 100 - turn));
        }
    };
    assert!(audit_with(&engine, weights).is_ok());
    assert!(turn > 1, "it was one slice");
}

#[test]
fn a_count_that_is_wrong_is_found() {
    for change in [(|state| state.harm_live(1)) as fn(&mut crate::shard::State) -> bool, |state| {
        state.harm_live(-1)
    }] {
        let engine = engine();
        harm(&engine, 1, change);
        assert_eq!(audit(&engine), Err(AuditError::Counters));
    }
}

#[test]
fn neighbours_that_disagree_are_found() {
    let engine = engine();
    harm(&engine, 1, crate::shard::State::harm_ages);
    assert!(matches!(audit(&engine), Err(AuditError::AgeLog)));
    let engine = self::engine();
    harm(&engine, 0, |state| {
        state.harm_block(|block| match block {
            Block::Further { links, .. } => {
                links.next = links.prev;
                links.prev = SlotId(3);
                true
            }
            _ => false,
        })
    });
    assert_eq!(audit(&engine), Err(AuditError::BlockList));
}

#[test]
fn a_block_under_another_name_is_found() {
    let engine = engine();
    harm(&engine, 0, |state| {
        state.harm_block(|block| match block {
            Block::First { oid, .. } => {
                oid[2] += 1;
                true
            }
            _ => false,
        })
    });
    assert_eq!(audit(&engine), Err(AuditError::BlockNotIndexed));
}

#[test]
fn a_pool_id_for_no_pool_is_found() {
    let engine = engine();
    let pool = engine.pools.get(1).expect("it is there");
    pool.generation.fetch_add(1, Relaxed);
    let mut at = AuditAt::default();
    let mut found = Audited::default();
    let answer = loop {
        match engine.audit_slice(&mut at, &mut found) {
            Ok(false) => {}
            end => break end,
        }
    };
    assert_eq!(answer, Err(AuditError::Slot));
    assert_eq!(engine.owner_of(at.record), Some(DomainId(5)));
}

/// Puts between the slices of a shard spoil its sums; they are not compared then, and told.
#[test]
fn a_shard_that_changes_meanwhile_is_busy_and_not_wrong() {
    let engine = engine();
    let caller = engine.client_of(DomainId(5)).expect("it is a client");
    let mut index = 0;
    let found = audit_with(&engine, |_| {
        for pool in 0..2 {
            for _ in 0..16 {
                index += 1;
                let put = engine.put(caller, pool, [7, 7, 7], index, |_| Ok::<(), ()>(()));
                assert!(put.is_ok());
            }
        }
    });
    assert!(found.expect("nothing is wrong").busy_shards > 0);
}

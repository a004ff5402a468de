//! Random histories of shared pools: P55, P56.

use hypercall_abi::{NewPool, Op, Uuid};
use tmem_host_sim::{Content, DomainSpec};
use tmem_model_tests::{Rng, World, at, flags};

/// Joining, leaving, dying, coming back and using in any order; the model follows, the books are
/// looked at on the way.
#[test]
fn p55_p56_random_joins_and_departures_agree_with_the_model() {
    const UUIDS: [u64; 3] = [7, 8, 9];
    for seed in 0..6 {
        println!("seed {seed}");
        let mut rng = Rng::new(seed);
        let mut world = World::with_frames(60);
        let allow = |world: &mut World, domain| {
            UUIDS.into_iter().all(|uuid| world.set_auth(domain, Uuid([uuid, 0]), true))
        };
        assert!((1..=4).all(|domain| allow(&mut world, domain)));
        for step in 0..400 {
            let domain = 1 + u16::try_from(rng.below(4)).unwrap_or(0);
            let pool = u32::try_from(rng.below(4)).unwrap_or(0);
            let index = u32::try_from(rng.below(20)).unwrap_or(0);
            let handle = at(pool, rng.below(4), index);
            match rng.below(20) {
                0..4 => {
                    world.call(domain, join(rng.pick(&UUIDS)));
                }
                4 | 5 => {
                    world.destroy(domain, pool);
                }
                6 => {
                    world.set_frozen(domain, rng.one_in(3));
                }
                7 if rng.one_in(3) => {
                    world.destroy_domain(domain);
                    world.create_domain(DomainSpec::new(domain));
                    assert!(allow(&mut world, domain));
                }
                8..14 => {
                    world.put(domain, handle, Content::Unique(step));
                }
                14..18 => {
                    world.get(domain, handle);
                }
                _ => {
                    world.flush(domain, handle);
                }
            }
            if step % 10 == 0 {
                world.audit();
            }
        }
    }
}

fn join(uuid: u64) -> Op {
    let args = NewPool { flags: flags::SHARED, uuid: Uuid([uuid, 0]) };
    Op::NewPool(args)
}

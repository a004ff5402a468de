//! Calls that meet in the middle of a copy: P1, P2, P36, R6, R15, R17, R43.
//!
//! `on_next_copy` runs the second call while the first one copies with no lock held, so each
//! meeting happens every time. `host-sim` fails the test if a frame is freed or rewritten while the
//! first call still uses it. The model does not follow these; the audit does.

mod gets;
mod lifecycle;
mod puts;
mod slices;

use hypercall_abi::{Handle, Uuid};
use tmem_host_sim::{Content, Direction, Fault, on_cpu};
use tmem_model_tests::{Guest, World, answer, at, destroy_domain, flags};
use tmem_service::{DomainId, Outcome, Progress};

const A: Content = Content::Unique(1);
const B: Content = Content::Unique(2);
const C: Content = Content::Unique(3);
const PAGE: Handle = Handle {
    pool_id: 0,
    object: hypercall_abi::ObjectId([1, 0, 0]),
    index: hypercall_abi::PageIndex(1),
};

const ALL_KINDS: [u32; 3] = [flags::EPHEMERAL, flags::PERSISTENT, flags::SHARED];

/// A world on `nr_frames` frames whose domain 1 has a pool 0 with `PAGE` holding A, and two guests
/// of domain 1 that use different frames: this CPU's and another's.
fn meeting(pool: u32, nr_frames: usize) -> (World, Guest, Guest) {
    let world = World::new(tmem_host_sim::SimHost::builder().frames(nr_frames).cpus(2).domains(4));
    for domain in [1, 2] {
        world.service().set_auth(DomainId(domain), Uuid([7, 0]), true).expect("room for one");
    }
    let guest = world.guest(1);
    assert_eq!(guest.new_pool(pool, 7), 0);
    assert_eq!(guest.put(PAGE, A), 1);
    let other = guest.with_frames(4, 5);
    (world, guest, other)
}

/// Runs `call` with `meanwhile` in the middle of its copy; checks the books afterwards.
fn meet<R>(
    world: &World,
    direction: Direction,
    meanwhile: impl FnOnce() + Send + 'static,
    call: impl FnOnce() -> R,
) -> R {
    world.host().on_next_copy(direction, || on_cpu(1, meanwhile));
    let result = call();
    assert!(!world.host().drop_hook(direction), "the calls have met");
    world.service().audit().expect("the books are right");
    result
}

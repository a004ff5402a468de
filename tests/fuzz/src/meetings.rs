//! The target `meetings`: calls that another CPU's call meets in the middle of a copy.
//!
//! The model follows calls one after the other, so here the oracle is a smaller one: a hit gives
//! one of the pages that may be there whatever the order of the calls that met, never a torn or a
//! stale one; answers are among those that the contract knows; and the audit holds.

use crate::bytes::{Bytes, pick};
use crate::host::DOMAINS;
use crate::names::{KINDS, Name, Pages};
use crate::step::Step;
use hypercall_abi::Uuid;
use std::sync::{Arc, Mutex, PoisonError};
use tmem_host_sim::{Content, Direction, DomainSpec, Fault, SimHost, on_cpu};
use tmem_model_tests::{
    Guest, SOURCE_GFN, SimService, TARGET_GFN, World, answer, destroy_domain, flags,
};
use tmem_service::DomainId;

/// Audits that one input may ask for, beside the one at its end: each walks all tables.
const AUDITS_MAX: u32 = 3;
/// Pairs of calls that a failure shows.
const CALLS_SHOWN: usize = 30;
/// Frames that the second call copies from and to, since the first one's are in use.
const OTHER_GFNS: [u64; 2] = [4, 5];
/// Of the pool that all share.
const UUID: Uuid = Uuid([1, 0]);

/// Runs the script in `data`: one byte for the host, then eight bytes for two calls that meet, if
/// the first one copies a page; see [`Step`].
///
/// # Panics
/// If a hit gives a page that cannot be there, an answer is none of the contract's, or the books
/// are wrong.
pub fn meetings(data: &[u8]) {
    let mut bytes = Bytes(data);
    let [frames] = bytes.take_or_zero();
    let mut builder = SimHost::builder().frames(pick(frames, [40, 3, 12, 6])).cpus(2);
    for id in 1..=DOMAINS {
        builder = builder.domain(DomainSpec::new(id));
    }
    let world = World::new(builder);
    let scene = Scene::new(world.service());
    let mut calls = Calls::default();
    let mut nr_audits = 0;
    while let Some([a, b, c, d, e, f, g, h]) = bytes.take::<8>() {
        let (first, second) = (Step::from([a, b, c, d]), Step::from([e, f, g, h]));
        calls.0.push((Call::first(&first), Call::second(&second)));
        scene.meet(&first, second);
        assert_eq!(SimHost::nr_locks_held(), 0, "a call ended with a lock held");
        if a >= 0xf8 && nr_audits < AUDITS_MAX {
            nr_audits += 1;
            world.service().audit().expect("the books are right");
        }
    }
}

/// A call, by whom (its domain), about what.
#[derive(Clone, Copy, Debug)]
enum Call {
    Put(u16, Name),
    Get(u16, Name),
    Flush(u16, Name),
    FlushObject(u16, Name),
    /// The name's pool is destroyed, and another made in its place.
    Renewal(u16, Name),
    /// The domain dies, and another gets its number.
    Death(u16),
    Fault(Fault),
    /// No call; planned faults are forgotten.
    Nothing,
}

impl Call {
    /// One that copies a page.
    fn first(step: &Step) -> Self {
        let (domain, name) = (step.domain(), Name::of(step));
        if step.what & 1 == 0 { Self::Put(domain, name) } else { Self::Get(domain, name) }
    }

    /// Any.
    fn second(step: &Step) -> Self {
        let (domain, name) = (step.domain(), Name::of(step));
        match step.what % 16 {
            0..=4 => Self::Put(domain, name),
            5..=8 => Self::Get(domain, name),
            9 | 10 => Self::Flush(domain, name),
            11 => Self::FlushObject(domain, name),
            12 => Self::Renewal(domain, name),
            13 => Self::Fault(pick(step.object, Fault::ALL)),
            14 => Self::Death(domain),
            _ => Self::Nothing,
        }
    }
}

/// The calls that a failure shows: each first one, and what met it.
#[derive(Default)]
struct Calls(Vec<(Call, Call)>);

impl Drop for Calls {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shown = self.0.len().saturating_sub(CALLS_SHOWN);
            for (first, second) in &self.0[shown..] {
                eprintln!("  {first:?}, meanwhile {second:?}");
            }
        }
    }
}

/// What all calls work on.
#[derive(Clone)]
struct Scene {
    service: Arc<SimService>,
    pages: Arc<Mutex<Pages>>,
}

impl Scene {
    fn new(service: &Arc<SimService>) -> Self {
        let scene = Self { service: Arc::clone(service), pages: Arc::default() };
        (1..=DOMAINS).for_each(|domain| scene.furnish(domain));
        scene
    }

    /// Gives a domain its pools, one of each kind.
    fn furnish(&self, domain: u16) {
        self.service.platform().heal();
        self.service.set_auth(DomainId(domain), UUID, true).expect("there is room and memory");
        let guest = Guest::new(&self.service, domain);
        for (id, kind) in (0..).zip(KINDS) {
            assert_eq!(guest.new_pool(kind, UUID.0[0]), id);
        }
    }

    /// A pool goes, and another takes its place.
    fn renew(&self, guest: &Guest, name: &Name) {
        self.service.platform().heal();
        assert_eq!(guest.destroy(name.slot()), answer::SUCCESS);
        let kind = KINDS[name.slot() as usize];
        assert_eq!(guest.new_pool(kind, UUID.0[0]), i64::from(name.slot()));
        // A shared one stays with the others that share it.
        if kind != flags::SHARED {
            self.with_pages(|pages| pages.forget(|other| other.is_in_pool_of(name)));
        }
    }

    fn with_pages<R>(&self, work: impl FnOnce(&mut Pages) -> R) -> R {
        work(&mut self.pages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the first call, and the second one in the middle of its copy, or after it.
    fn meet(&self, first: &Step, second: Step) {
        let call = Call::first(first);
        let direction = if matches!(call, Call::Put(..)) { Direction::In } else { Direction::Out };
        let other = self.clone();
        let caller = first.domain();
        let host = self.service.platform();
        host.on_next_copy(direction, move || on_cpu(1, || other.meanwhile(&second, caller)));
        self.make(call, [SOURCE_GFN, TARGET_GFN], first.arg);
        let _: bool = host.drop_hook(direction);
    }

    fn meanwhile(&self, step: &Step, first_caller: u16) {
        match Call::second(step) {
            // A hypervisor stops a dying domain's CPUs first: its death meets no call of its own.
            Call::Death(domain) if domain == first_caller => {}
            call => self.make(call, OTHER_GFNS, step.arg),
        }
    }

    /// Makes a call, from and to these frames of the caller's.
    fn make(&self, call: Call, [source, target]: [u64; 2], arg: u8) {
        let guest = |domain| Guest::new(&self.service, domain).with_frames(source, target);
        match call {
            Call::Put(domain, name) => self.put(&guest(domain), name),
            Call::Get(domain, name) => self.get(&guest(domain), name),
            Call::Flush(domain, name) => {
                assert_eq!(guest(domain).flush(name.handle()), answer::SUCCESS);
                self.with_pages(|pages| pages.forget(|other| *other == name));
            }
            Call::FlushObject(domain, name) => {
                assert_eq!(guest(domain).flush_object(name.slot(), name.object()), answer::SUCCESS);
                self.with_pages(|pages| pages.forget(|other| other.is_in_object_of(&name)));
            }
            Call::Renewal(domain, name) => self.renew(&guest(domain), &name),
            Call::Death(domain) => {
                destroy_domain(&self.service, domain);
                self.with_pages(|pages| pages.forget(|other| other.is_private_to(domain)));
                self.service.platform().create_domain(DomainSpec::new(domain));
                self.furnish(domain);
            }
            Call::Fault(kind) => {
                self.service.platform().fail_nth(kind, 1 + u64::from(arg % 4));
            }
            Call::Nothing => self.service.platform().heal(),
        }
    }

    fn put(&self, guest: &Guest, name: Name) {
        let number = self.with_pages(|pages| pages.begin_put(name));
        let said = guest.put(name.handle(), Content::Unique(number));
        let known = [
            answer::SUCCESS,
            answer::NO_MEMORY,
            answer::NO_SPACE,
            answer::BAD_ADDRESS,
            answer::NO_DEVICE,
        ];
        assert!(known.contains(&said), "put of {name:?}: {said}");
        self.with_pages(|pages| pages.end_put(name, number, said == answer::SUCCESS));
    }

    fn get(&self, guest: &Guest, name: Name) {
        let before = self.with_pages(|pages| pages.possible(name));
        let (said, content) = guest.get(name.handle());
        let known = [
            answer::SUCCESS,
            answer::NOTHING,
            answer::EMPTY,
            answer::BAD_ADDRESS,
            answer::NO_DEVICE,
        ];
        assert!(known.contains(&said), "get of {name:?}: {said}");
        let Some(content) = content else {
            return;
        };
        let after = self.with_pages(|pages| pages.possible(name));
        let Content::Unique(number) = content else {
            unreachable!("get of {name:?} gave {content:?}, which nobody has put");
        };
        assert!(
            before.contains(&number) || after.contains(&number),
            "get of {name:?} gave page {number}; possible were {before:?}, then {after:?}"
        );
        assert!(self.with_pages(|pages| pages.hit(name, number)), "page {number} was got twice");
    }
}

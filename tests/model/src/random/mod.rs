//! Random scripts: several clients, every call, little memory, faults, deaths, saves, and calls that
//! are never finished; judged step by step by the model.
//!
//! A seed determines the whole script, the host included. A failure prints the seed; to run it
//! again: `TMEM_SEED=<seed> TMEM_STEPS=<steps> cargo test -p tmem-model-tests random`.

mod saves;

use crate::rng::Rng;
use crate::world::{BAD_GFN, READ_ONLY_GFN, SOURCE_GFN, World};
use hypercall_abi::{Handle, NewPool, ObjectId, Op, PageIndex, Uuid};
use saves::Carry;
use tmem_host_sim::{Builder, Content, DomainSpec, Fault, SimHost};
use tmem_service::{DomainId, Outcome, Progress};

const DOMAINS: u16 = 4;
/// Few names, so that calls meet; some differ by one bit only (R1, P50).
pub const OBJECTS: [ObjectId; 8] = [
    ObjectId([0, 0, 0]),
    ObjectId([1, 0, 0]),
    ObjectId([0, 1, 0]),
    ObjectId([0, 0, 1]),
    ObjectId([1 << 63, 0, 0]),
    ObjectId([0, 0, 1 << 63]),
    ObjectId([7, 8, 9]),
    ObjectId([u64::MAX; 3]),
];
const INDEXES: [u32; 8] = [0, 1, 2, 63, 64, 4095, 4096, u32::MAX];
/// Objects of shared pools stay within so many pages: who used a larger one last is known to the
/// engine by parts of it (R36).
const SHARED_OBJECT_PAGES: u32 = 64;
/// Pages of a burst: more than two slices of any long call.
const BURST: u32 = 150;

/// One random script.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// Calls, roughly.
    pub nr_steps: u64,
    /// The books are looked at after every so many calls.
    pub steps_per_audit: u64,
}

/// Runs the script; the seed is printed, and cargo shows it when the test fails.
pub fn run_random(plan: Plan) {
    println!("TMEM_SEED={} TMEM_STEPS={}", plan.seed, plan.nr_steps);
    let mut rng = Rng::new(plan.seed);
    let builder = host(&mut rng);
    let hash_key = core::array::from_fn(|_| rng.bits());
    let world = World::with_hash_key(builder, hash_key);
    let mut script = Script { world, rng, nr_puts: 0, carry: None };
    for domain in 1..=DOMAINS {
        script.furnish(domain);
    }
    for step in 0..plan.nr_steps {
        script.step();
        if step % plan.steps_per_audit == 0 {
            script.world.audit();
        }
    }
}

/// A host with plenty or with next to nothing.
fn host(rng: &mut Rng) -> Builder {
    let mut builder = SimHost::builder().frames(rng.pick(&[3, 12, 40, 120, 300, 2000]));
    if rng.one_in(4) {
        builder = builder.metadata(rng.pick(&[20, 60, 120]));
    } else if rng.one_in(2) {
        builder = builder.metadata_in_frames().frames(rng.pick(&[60, 120, 400]));
    }
    for domain in 1..=DOMAINS {
        let nr_max = rng.pick(&[u32::MAX, u32::MAX, 20, 80, 200]);
        builder = builder.domain(DomainSpec::new(domain).max(nr_max));
    }
    builder.domain(DomainSpec::new(saves::TARGET))
}

struct Script {
    world: World,
    rng: Rng,
    nr_puts: u32,
    /// The save whose domain is made anew under another number meanwhile.
    carry: Option<Carry>,
}

impl Script {
    /// Gives a new domain its authorisations and some pools.
    fn furnish(&mut self, domain: u16) {
        for uuid in 1..=3 {
            if !self.rng.one_in(4) {
                self.world.set_auth(domain, Uuid([uuid, 0]), true);
            }
        }
        for _ in 0..4 {
            self.new_pool(domain);
        }
    }

    fn step(&mut self) {
        self.small_step();
        match self.rng.below(100) {
            0 => self.fault(),
            1 => self.world.host().heal(),
            2 => self.change_memory(),
            3 => self.burst(),
            4 | 5 => self.long_call(),
            6 if self.rng.one_in(6) => self.death(),
            7 => {
                let nr_pages = self.rng.pick(&[0, 1, 5, 40]);
                self.world.reclaim(nr_pages);
            }
            8 if self.rng.one_in(4) => {
                let domain = self.domain();
                self.world.reset_domain(domain);
            }
            9..18 => self.save_step(),
            _ => {}
        }
    }

    /// One call that ends in one slice, or is made to its end at once.
    fn small_step(&mut self) {
        let domain = self.domain();
        let handle = self.handle(domain);
        match self.rng.below(100) {
            0..45 => self.put(domain, handle),
            45..75 => self.get(domain, handle),
            75..83 => drop(self.world.flush(domain, handle)),
            83..86 => {
                let Handle { pool_id, object, .. } = handle;
                self.world.call(domain, Op::FlushObject { pool_id, object });
            }
            86..89 => self.new_pool(domain),
            89 | 90 => drop(self.world.destroy(domain, handle.pool_id)),
            91..94 => drop(self.world.set_frozen(domain, self.rng.one_in(5))),
            94 => self.world.set_all_frozen(self.rng.one_in(12)),
            95..97 => {
                let uuid = self.uuid();
                self.world.set_auth(domain, uuid, !self.rng.one_in(3));
            }
            98 => {
                let weight = self.rng.pick(&[0, 0, 1, 1, 2, 3, 100, u32::MAX]);
                self.world.set_weight(domain, weight);
            }
            97 => {
                let command = self.rng.pick(&[0, 3, 8, 9, 10, 99, 101, 102, u32::MAX]);
                self.world.command(domain, command, handle.pool_id);
            }
            _ => self.get(domain, handle),
        }
    }

    fn put(&mut self, domain: u16, handle: Handle) {
        self.nr_puts += 1;
        let content = match self.rng.below(12) {
            0 => Content::ZERO,
            1 => Content::Same(0x5a),
            _ => Content::Unique(self.nr_puts),
        };
        let gfn = match self.rng.below(25) {
            0 => self.rng.pick(&[BAD_GFN, 16, 1 << 32, u64::MAX]),
            1 => READ_ONLY_GFN,
            _ => SOURCE_GFN,
        };
        self.world.put_from(domain, handle, content, gfn);
    }

    fn get(&mut self, domain: u16, handle: Handle) {
        if self.rng.one_in(25) {
            let gfn = self.rng.pick(&[BAD_GFN, READ_ONLY_GFN, 16, 1 << 32, u64::MAX]);
            self.world.get_into(domain, handle, gfn);
        } else {
            self.world.get(domain, handle);
        }
    }

    fn new_pool(&mut self, domain: u16) {
        let flags = match self.rng.below(12) {
            0 => u32::try_from(self.rng.below(1 << 32)).unwrap_or(0),
            1..5 => crate::flags::PERSISTENT,
            5..8 => crate::flags::EPHEMERAL | 8,
            _ => crate::flags::SHARED,
        };
        let uuid = self.uuid();
        self.world.call(domain, Op::NewPool(NewPool { flags, uuid }));
    }

    /// Plans a fault that strikes some call soon.
    fn fault(&mut self) {
        let (kind, nth) = (self.rng.pick(&Fault::ALL), 1 + self.rng.below(3));
        match self.rng.below(4) {
            0 => self.world.host().fail_all(kind),
            1 => {
                self.world.host().fail_all(Fault::Frame);
                self.world.host().fail_all(Fault::Spare);
            }
            _ => self.world.host().fail_nth(kind, nth),
        }
    }

    /// The host takes or gives memory, or a domain balloons.
    fn change_memory(&mut self) {
        let nr = self.rng.below(40);
        match self.rng.below(3) {
            0 => self.world.host().leave_frames(usize::try_from(nr).unwrap_or(0)),
            1 => self.world.host().set_reserve(0),
            _ => {
                let domain = DomainId(self.domain());
                let nr = u32::try_from(nr).unwrap_or(0);
                self.world.host().domain(domain).set_own_frames(nr);
            }
        }
    }

    /// Many pages in one object.
    fn burst(&mut self) {
        let domain = self.domain();
        let handle = self.handle(domain);
        let is_shared = self.world.model().is_shared(DomainId(domain), handle.pool_id);
        let nr_pages = if is_shared { SHARED_OBJECT_PAGES } else { BURST };
        for index in 0..nr_pages {
            self.put(domain, Handle { index: PageIndex(index), ..handle });
        }
    }

    /// A flush or destroy, slice by slice: others make calls in between, and the caller may make
    /// others itself, or never come back.
    fn long_call(&mut self) {
        let domain = self.domain();
        let Handle { pool_id, object, .. } = self.handle(domain);
        let op = if self.rng.one_in(3) {
            Op::DestroyPool { pool_id }
        } else {
            Op::FlushObject { pool_id, object }
        };
        while self.world.slice(domain, op, Content::ZERO) == Outcome::Again {
            if self.rng.one_in(6) {
                return;
            }
            for _ in 0..self.rng.below(4) {
                self.small_step();
            }
        }
    }

    /// A domain dies, and another gets its number.
    fn death(&mut self) {
        let domain = self.domain();
        // What a dying sharer's pools show to others between two slices is not laid down.
        let is_alone = !self.world.model().is_sharer(DomainId(domain));
        if self.is_carried(domain) {
            self.end_carry();
        }
        self.world.kill(domain);
        self.small_step();
        while self.world.destroy_domain_slice(domain) == Progress::More {
            if is_alone && self.rng.one_in(2) {
                self.small_step();
            }
        }
        self.world.create_domain(DomainSpec::new(domain));
        self.furnish(domain);
    }

    fn domain(&mut self) -> u16 {
        1 + u16::try_from(self.rng.below(u64::from(DOMAINS))).unwrap_or(0)
    }

    fn uuid(&mut self) -> Uuid {
        self.rng.pick(&[Uuid([1, 0]), Uuid([2, 0]), Uuid([3, 0]), Uuid([0, 1]), Uuid::ALL_ONES])
    }

    fn handle(&mut self, domain: u16) -> Handle {
        let pool_id = match self.rng.below(40) {
            0 => self.rng.pick(&[15, 16, 17, 1 << 31, u32::MAX]),
            n => u32::try_from(n % 5).unwrap_or(0),
        };
        let is_shared = self.world.model().is_shared(DomainId(domain), pool_id);
        let index = match self.rng.below(3) {
            _ if is_shared => self.rng.pick(&[0, 1, 2, 3, 30, 31, 62, SHARED_OBJECT_PAGES - 1]),
            0 => u32::try_from(self.rng.below(60)).unwrap_or(0),
            _ => self.rng.pick(&INDEXES),
        };
        Handle { pool_id, object: self.rng.pick(&OBJECTS), index: PageIndex(index) }
    }
}

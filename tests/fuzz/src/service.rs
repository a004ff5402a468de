//! The target `service`: every call of several clients, with faults, want of memory, freezing,
//! deaths, saves, restores, and calls that are never finished.

use crate::bytes::{Bytes, pick};
use crate::domains::Domains;
use crate::host::{DOMAINS, world};
use crate::step::Step;
use hypercall_abi::control::Removed;
use hypercall_abi::{Handle, NewPool, Op, PageIndex, Uuid};
use tmem_host_sim::{Content, Fault};
use tmem_model_tests::{SOURCE_GFN, World, flags};
use tmem_service::{DomainId, Outcome};

/// Objects of shared pools stay within so many pages: who used a larger one last is known to the
/// engine by parts of it (`docs/decisions/0007-last-user-by-block.md`).
const SHARED_OBJECT_PAGES: u32 = 64;
/// Calls that the bursts of one input may come to: a bound for its time.
const BURST_CALLS_MAX: u32 = 4000;
/// Audits that one input may ask for, beside the one at its end: each walks all tables.
const AUDITS_MAX: u32 = 3;

/// Runs the script in `data`: four bytes for the host, then four bytes a step; see [`Step`].
///
/// # Panics
/// At the first answer or figure that the model does not allow.
pub fn service(data: &[u8]) {
    let mut bytes = Bytes(data);
    let world = world(&mut bytes);
    let mut script =
        Script { world, domains: Domains::new(), nr_puts: 0, nr_burst_calls: 0, nr_audits: 0 };
    (1..=DOMAINS).for_each(|domain| script.furnish(domain));
    while let Some(step) = bytes.take::<4>() {
        script.step(&step.into());
    }
}

struct Script {
    world: World,
    domains: Domains,
    nr_puts: u32,
    nr_burst_calls: u32,
    nr_audits: u32,
}

impl Script {
    /// Gives a domain what most scripts begin with: pools 0 to 3, of which 2 is shared with all.
    fn furnish(&mut self, domain: u16) {
        self.world.set_auth(domain, Uuid([1, 0]), true);
        for kind in [flags::PERSISTENT, flags::EPHEMERAL, flags::SHARED, flags::EPHEMERAL] {
            self.world.new_pool(domain, kind, 1);
        }
    }

    fn step(&mut self, step: &Step) {
        let domain = step.domain();
        match step.what % 32 {
            0..=6 => self.put(step, SOURCE_GFN, None),
            7 => self.put(step, SOURCE_GFN, Some(Content::Same(step.arg % 3))),
            8 => self.put(step, step.odd_gfn(), None),
            9..=12 => drop(self.world.get(domain, self.handle(step))),
            13 => drop(self.world.get_into(domain, self.handle(step), step.odd_gfn())),
            14 | 15 => drop(self.world.flush(domain, self.handle(step))),
            16 => drop(self.world.call(domain, flush_object(step))),
            17 | 18 => self.slice(domain, flush_object(step)),
            19 | 20 => self.slice(domain, Op::DestroyPool { pool_id: step.pool_id() }),
            21 => drop(self.world.destroy(domain, step.pool_id())),
            22 => {
                let op = Op::NewPool(NewPool { flags: step.flags(), uuid: step.uuid() });
                self.world.call(domain, op);
            }
            23 | 24 => self.burst_of_puts(step),
            25 => self.burst_of_gets(step),
            26 => self.toolstack(step),
            27 => self.command(step),
            28 => self.fault(step),
            29 => self.memory(step),
            30 => {
                if self.domains.advance(&mut self.world, domain, step.arg) {
                    self.furnish(domain);
                }
            }
            _ if step.object & 1 == 0 => self.save(step),
            _ => self.audit(),
        }
    }

    /// The toolstack saves a domain, or says that it does.
    fn save(&mut self, step: &Step) {
        let domain = step.domain();
        if self.world.host().domain(DomainId(domain)).is_dying() {
            // Whether a domain is a client until its destruction begins is of no interest.
            return;
        }
        match step.object >> 1 & 7 {
            0 | 1 => drop(self.world.save_begin(domain, step.arg & 3 != 0)),
            2 | 3 => {
                for _ in 0..step.arg % 64 {
                    self.world.save_page(domain, step.pool_id());
                }
            }
            4 => while self.world.save_page(domain, step.pool_id()).0 == 1 {},
            5 => drop(self.world.save_removals(domain)),
            _ => {
                // The log is judged at the latest now.
                let _ = self.world.save_removals(domain);
                self.world.save_end(domain);
            }
        }
    }

    /// The toolstack puts something into a domain, or takes it out, as if it restored it.
    fn restore(&mut self, step: &Step) {
        let (domain, pool_id) = (step.domain(), step.pool_id());
        let is_dying = self.world.host().domain(DomainId(domain)).is_dying();
        match step.object >> 4 & 7 {
            // As in `save`.
            0..=5 if is_dying => {}
            0..=2 => {
                self.nr_puts += 1;
                let (handle, content) = (self.handle(step), Content::Unique(self.nr_puts));
                self.world.restore_put(domain, handle, content);
            }
            3 => drop(self.world.restore_remove(domain, Removed::Page(self.handle(step)))),
            4 => {
                let object = step.object();
                self.world.restore_remove(domain, Removed::Object { pool_id, object });
            }
            5 => drop(self.world.restore_remove(domain, Removed::Pool { pool_id })),
            6 => drop(self.world.restore_pool(domain, pool_id)),
            _ => drop(self.world.restore_begin(domain)),
        }
    }

    fn audit(&mut self) {
        if self.nr_audits < AUDITS_MAX {
            self.nr_audits += 1;
            self.world.audit();
        }
    }

    fn handle(&self, step: &Step) -> Handle {
        let is_shared = self.world.model().is_shared(DomainId(step.domain()), step.pool_id());
        step.handle(is_shared.then_some(SHARED_OBJECT_PAGES))
    }

    fn put(&mut self, step: &Step, gfn: u64, content: Option<Content>) {
        self.put_at(step, self.handle(step), gfn, content);
    }

    fn put_at(&mut self, step: &Step, handle: Handle, gfn: u64, content: Option<Content>) {
        self.nr_puts += 1;
        let content = content.unwrap_or(Content::Unique(self.nr_puts));
        self.world.put_from(step.domain(), handle, content, gfn);
    }

    /// Puts to the first pages of an object: more than one slice of a long call, if the script says.
    fn burst_of_puts(&mut self, step: &Step) {
        for handle in self.burst(step) {
            self.put_at(step, handle, SOURCE_GFN, None);
        }
    }

    fn burst_of_gets(&mut self, step: &Step) {
        for handle in self.burst(step) {
            self.world.get(step.domain(), handle);
        }
    }

    fn burst(&mut self, step: &Step) -> impl Iterator<Item = Handle> + use<> {
        let is_shared = self.world.model().is_shared(DomainId(step.domain()), step.pool_id());
        let nr_pages = u32::from(step.arg) + 1;
        let nr_pages = if is_shared { nr_pages.min(SHARED_OBJECT_PAGES) } else { nr_pages };
        let nr_pages = nr_pages.min(BURST_CALLS_MAX - self.nr_burst_calls);
        self.nr_burst_calls += nr_pages;
        let handle = step.handle(None);
        (0..nr_pages).map(move |index| Handle { index: PageIndex(index), ..handle })
    }

    /// One slice of a call that takes several; whether it is ever finished is up to later steps.
    fn slice(&mut self, domain: u16, op: Op) {
        let _: Outcome = self.world.slice(domain, op, Content::ZERO);
    }

    fn toolstack(&mut self, step: &Step) {
        let (domain, is_on) = (step.domain(), step.object & 1 == 0);
        match step.object >> 1 & 7 {
            4..=7 => self.restore(step),
            0 | 1 => drop(self.world.set_auth(domain, step.uuid(), is_on)),
            2 => drop(self.world.set_frozen(domain, is_on)),
            _ => self.world.set_all_frozen(is_on),
        }
    }

    /// A command that is not live, or perhaps just no number of any.
    fn command(&mut self, step: &Step) {
        let dead = [0, 3, 8, 9, 10, 11, 99, 100, 101, 102, 103, u32::MAX];
        self.world.command(step.domain(), pick(step.arg, dead), step.pool_id());
    }

    fn fault(&mut self, step: &Step) {
        let kind = pick(step.object, Fault::ALL);
        match step.arg {
            0..32 => self.world.host().heal(),
            32..48 => self.world.host().fail_all(kind),
            48..64 => {
                self.world.host().fail_all(Fault::Frame);
                self.world.host().fail_all(Fault::Spare);
            }
            nth => self.world.host().fail_nth(kind, u64::from(nth % 16)),
        }
    }

    /// The host takes or gives memory, or a domain balloons.
    fn memory(&mut self, step: &Step) {
        let (host, nr) = (self.world.host(), step.arg);
        match step.object % 4 {
            0 => host.leave_frames(usize::from(nr)),
            1 => host.set_reserve(0),
            2 => host.set_metadata_max(host.nr_metadata() + u64::from(nr)),
            _ => host.domain(DomainId(step.domain())).set_own_frames(u32::from(nr)),
        }
    }
}

fn flush_object(step: &Step) -> Op {
    Op::FlushObject { pool_id: step.pool_id(), object: step.object() }
}

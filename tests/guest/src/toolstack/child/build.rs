//! How a child is built: created, given memory and a program, its vCPUs started.

use super::{Caller, Child};
use crate::toolstack::layout::{CODE, END, HYPERCALLS, MAILBOXES, TABLES, VCPUS_MAX, address};
use crate::toolstack::{puppet, pv, pvh};
use crate::verdict::CaseResult;
use crate::xen::domctl::{CREATE_HAP, CREATE_HVM, Creation, EMULATE_LAPIC};
use crate::xen::foreign::give_way;
use crate::xen::memory::populate_domain;
use crate::xen::release::Release;
use crate::{give_up, skip};
use core::cell::Cell;
use core::sync::atomic::Ordering;

/// What to build.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The kind of domain.
    pub caller: Caller,
    /// vCPUs, 1 to 4.
    pub vcpus: u32,
    /// Frames that the domain's maximum leaves for persistent pages.
    pub room: u64,
    /// Wanted domain id; 0: any.
    pub domid: u16,
}

impl Plan {
    /// A domain of one vCPU with room for `room` persistent pages.
    pub const fn new(caller: Caller, room: u64) -> Self {
        Self { caller, vcpus: 1, room, domid: 0 }
    }

    /// The same with `vcpus` vCPUs.
    pub const fn with_vcpus(self, vcpus: u32) -> Self {
        Self { vcpus, ..self }
    }
}

/// Frames that a child's own memory has.
const OWN_FRAMES: u64 = (END - CODE) as u64;
/// Size of the pool for nested page tables, in bytes.
const PAGING_POOL: u64 = 2 << 20;
/// Xen's answer where a kind of domain is not built in, or the processor can't run it.
const INVALID: i64 = -22;
const NOT_SUPPORTED: i64 = -95;
/// Xen's answer where a domain has the id that is wanted.
const EXISTS: i64 = -17;
/// How often an id is asked for before it counts as taken.
const ID_PATIENCE: u32 = 100_000;
/// On a machine of several processors, where others need not be let run first: looks before one gives
/// way. To give way each time makes Xen set its timers each time, which an emulator is slow at.
const LOOKS: u32 = 2000;

impl Child {
    /// Builds a domain whose vCPUs wait for calls.
    ///
    /// # Errors
    /// Skip, where this Xen or this machine has no such domains; error, if Xen refuses a step.
    pub fn build(plan: Plan) -> CaseResult<Self> {
        let Some(release) = Release::running() else {
            skip!("this guest does not know the toolstack's interface of this Xen");
        };
        let Plan { caller, vcpus, room, domid } = plan;
        let (flags, emulation) =
            if caller.is_pv() { (0, 0) } else { (CREATE_HVM | CREATE_HAP, EMULATE_LAPIC) };
        let creation = Creation { domid, flags, emulation, max_vcpus: vcpus };
        let mut created = create(release, &creation);
        if created == Err(INVALID) && !caller.is_pv() {
            // A Xen that is told not to use nested paging shadows the domain's tables, if it can.
            created = match create(release, &Creation { flags: CREATE_HVM, ..creation }) {
                Err(NOT_SUPPORTED) => Err(INVALID),
                other => other,
            };
        }
        let domid = match created {
            Ok(domid) => domid,
            Err(INVALID) => skip!("Xen builds no {caller:?} domain here"),
            Err(answer) => give_up!("creating a {caller:?} domain: {answer}"),
        };
        let frames = core::array::from_fn(|page| if page < CODE { 0 } else { page as u64 });
        let mailboxes = [const { None }; VCPUS_MAX as usize];
        let is_running = Cell::new(false);
        let patience = match release.processors() {
            Ok(2..) => LOOKS,
            _ => 0,
        };
        let mut child = Self {
            release,
            caller,
            domid,
            frames,
            mailboxes,
            is_alive: true,
            patience,
            is_running,
        };
        child.give_memory(vcpus, room)?;
        child.fill_memory(vcpus)?;
        child.start_vcpus(vcpus)?;
        Ok(child)
    }

    fn give_memory(&mut self, vcpus: u32, room: u64) -> CaseResult {
        let (release, caller, domid) = (self.release, self.caller, self.domid);
        step("setting the maximum", release.max_mem(domid, (OWN_FRAMES + room) * 4))?;
        if caller == Caller::Pv32 {
            match release.address_size(domid, 32) {
                NOT_SUPPORTED => skip!("this Xen has no 32-bit PV domains"),
                answer => step("setting the width", answer)?,
            }
        }
        if !caller.is_pv() {
            step("setting the paging pool", release.paging_pool(domid, PAGING_POOL))?;
        }
        step("making vCPUs", release.max_vcpus(domid, vcpus))?;
        let list = self.frames.get_mut(CODE..).unwrap_or_default();
        let wanted = list.len();
        let given = populate_domain(domid, list);
        if given != wanted {
            give_up!("domain {domid} got {given} of {wanted} frames");
        }
        Ok(())
    }

    fn fill_memory(&mut self, vcpus: u32) -> CaseResult {
        let (release, caller, domid) = (self.release, self.caller, self.domid);
        let program = if caller.is_wide() { puppet::program_64() } else { puppet::program_32() };
        self.open_page(CODE)?.write(0, program);
        for page in TABLES..MAILBOXES {
            self.open_page(page)?.clear();
        }
        match caller {
            Caller::Pvh64 => pvh::fill_tables(domid)?,
            Caller::Pvh32 => {}
            Caller::Pv64 => pv::fill_tables_64(domid, &self.frames)?,
            Caller::Pv32 => pv::fill_tables_32(domid, &self.frames)?,
        }
        if caller.is_pv() {
            let frame = self.frame_of(HYPERCALLS);
            step("filling the hypercall page", release.fill_hypercall_page(domid, frame))?;
        }
        let code = u32::try_from(address(HYPERCALLS)).unwrap_or_default();
        for vcpu in 0..vcpus as usize {
            let window = self.open_page(MAILBOXES + vcpu)?;
            window.clear();
            let place = self.mailboxes.get_mut(vcpu);
            if let Some(place) = place {
                *place = Some(window);
            }
            let mailbox = self.mailbox(vcpu)?;
            mailbox.hypercall_page.store(code, Ordering::SeqCst);
            mailbox.patience.store(self.patience, Ordering::SeqCst);
            let asks = if caller.is_pv() || vcpu > 0 { 0 } else { code };
            mailbox.registers.store(asks, Ordering::SeqCst);
        }
        Ok(())
    }

    fn start_vcpus(&self, vcpus: u32) -> CaseResult {
        let wide = self.caller.is_wide();
        if self.caller.is_pv() {
            pv::start_vcpus(self.release, self.domid, vcpus, wide, &self.frames)
        } else {
            pvh::start_vcpus(self.release, self.domid, vcpus, wide)
        }
    }
}

/// Creates a domain. From 4.22 the id of a dead one is free only a while after nothing else is left
/// of it: then it is asked for again.
fn create(release: Release, what: &Creation) -> Result<u16, i64> {
    for _ in 0..ID_PATIENCE {
        match release.create(what) {
            Err(EXISTS) if what.domid != 0 => give_way(),
            answer => return answer,
        }
    }
    Err(EXISTS)
}

pub(super) fn step(what: &str, answer: i64) -> CaseResult {
    if answer != 0 {
        give_up!("building a domain: {what}: {answer}");
    }
    Ok(())
}

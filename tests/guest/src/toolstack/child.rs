//! A child domain: built, told what to call, destroyed.

use super::layout::{
    CODE, DATA, DATA_PAGES, END, HYPERCALLS, MAILBOXES, TABLES, VCPUS_MAX, address,
};
use super::puppet::{self, BLOCK_BYTES, CALLS, Mailbox, Slot};
use super::window::Window;
use super::{pv, pvh};
use crate::verdict::CaseResult;
use crate::xen::domctl::{CREATE_HAP, CREATE_HVM, Creation, DYING, EMULATE_LAPIC};
use crate::xen::foreign::{give_way, rest};
use crate::xen::memory::populate_domain;
use crate::xen::release::Release;
use crate::{fail, give_up, skip};
use core::cell::Cell;
use core::sync::atomic::Ordering;
use hypercall_abi::{HYPERVISOR_TMEM_OP, Op};

/// The kinds of caller that Xen's ABI tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A PVH domain in 32-bit protected mode.
    Pvh32,
    /// A PVH domain in 64-bit mode.
    Pvh64,
    /// A 32-bit PV domain.
    Pv32,
    /// A 64-bit PV domain.
    Pv64,
}

impl Caller {
    /// Those that every Xen of this project's configuration has.
    pub const USUAL: [Self; 3] = [Self::Pvh32, Self::Pvh64, Self::Pv64];

    /// Whether it calls in 64-bit mode.
    pub const fn is_wide(self) -> bool {
        matches!(self, Self::Pvh64 | Self::Pv64)
    }

    /// Whether it knows frames by machine frame numbers.
    pub const fn is_pv(self) -> bool {
        matches!(self, Self::Pv32 | Self::Pv64)
    }
}

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

/// A hypercall for a vCPU to make.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its number.
    pub number: u32,
    /// Arguments.
    pub arguments: [u64; 5],
    /// An operation block.
    pub block: Option<[u8; BLOCK_BYTES]>,
    /// Which of the arguments becomes the block's address.
    pub pointer: usize,
    /// Added to the block's index of a page after each time.
    pub step: u32,
}

impl Call {
    /// A call that names no memory of its own.
    pub const fn raw(number: u32, arguments: [u64; 5]) -> Self {
        Self { number, arguments, block: None, pointer: 0, step: 0 }
    }

    /// The same call, with the page's index going on by one each time.
    pub const fn stepping(self) -> Self {
        Self { step: 1, ..self }
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
/// How often a vCPU is given way before it counts as hanging.
const PATIENCE: u32 = 20_000_000;

/// A domain of which this guest decides everything. Destroyed when dropped.
#[derive(Debug)]
pub struct Child {
    release: Release,
    caller: Caller,
    domid: u16,
    /// Frames by page, as the child names them; 0 below [`CODE`].
    frames: [u64; END],
    mailboxes: [Option<Window>; VCPUS_MAX as usize],
    is_alive: bool,
    /// How often a vCPU, or this guest, looks for what it waits for before it gives way.
    patience: u32,
    /// Whether Xen lets it run. While it has nothing to do it does not: many domains that wait in
    /// loops would take the processors from the one that works.
    is_running: Cell<bool>,
}

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
        let domid = match create(release, &Creation { domid, flags, emulation, max_vcpus: vcpus }) {
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

    /// Its id.
    pub fn domid(&self) -> u16 {
        self.domid
    }

    /// Its kind.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// The interface by which it was made.
    pub fn release(&self) -> Release {
        self.release
    }

    /// The frame of page `number` of those for cases, as an operation of the child names it.
    pub fn frame(&self, number: usize) -> u64 {
        self.frame_of(DATA + number % DATA_PAGES)
    }

    /// Where that page is for the child's vCPUs.
    pub fn address(&self, number: usize) -> u64 {
        address(DATA + number % DATA_PAGES)
    }

    /// A window onto that page.
    ///
    /// # Errors
    /// Error, if there is none left or Xen refuses.
    pub fn open(&self, number: usize) -> CaseResult<Window> {
        self.open_page(DATA + number % DATA_PAGES)
    }

    fn frame_of(&self, page: usize) -> u64 {
        self.frames.get(page).copied().unwrap_or_default()
    }

    fn open_page(&self, page: usize) -> CaseResult<Window> {
        Window::open(self.domid, self.frame_of(page))
    }

    /// The mailbox of a vCPU.
    ///
    /// # Errors
    /// Error, if the domain has no such vCPU.
    pub fn mailbox(&self, vcpu: usize) -> CaseResult<&Mailbox> {
        let Some(Some(window)) = self.mailboxes.get(vcpu) else {
            give_up!("domain {} has no vCPU {vcpu}", self.domid);
        };
        // SAFETY: mapped and aligned while the window is open; both sides access it as atomics.
        Ok(unsafe { &*window.page().cast::<Mailbox>() })
    }

    /// A tmem operation as a vCPU of this domain makes it.
    ///
    /// # Errors
    /// Error, if a frame number is too large for a 32-bit caller.
    pub fn tmem_call(&self, op: &Op) -> CaseResult<Call> {
        // What a caller's layout does not reach holds ones, so that reading too much shows.
        let mut block = [0xff; BLOCK_BYTES];
        let fill = |block: &mut [u8; BLOCK_BYTES], bytes: &[u8]| {
            block.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        };
        match (self.caller.is_wide(), op.encode_compat()) {
            (true, _) => fill(&mut block, &op.encode()),
            (false, Ok(bytes)) => fill(&mut block, &bytes),
            (false, Err(frame)) => give_up!("a 32-bit caller can't name frame {frame:#x}"),
        }
        Ok(Call { block: Some(block), ..Call::raw(HYPERVISOR_TMEM_OP, [0; 5]) })
    }

    /// Has a vCPU go through `calls` (the first 30 count) `rounds` times; 0: until it is stopped.
    ///
    /// # Errors
    /// Error, if it is at work, or the domain has no such vCPU.
    pub fn start(&self, vcpu: usize, calls: &[Call], rounds: u32) -> CaseResult {
        if !self.is_done(vcpu)? {
            give_up!("vCPU {vcpu} of domain {} is at work", self.domid);
        }
        let mailbox = self.mailbox(vcpu)?;
        for (number, (slot, call)) in mailbox.slots.iter().zip(calls).enumerate() {
            fill_slot(slot, call, block_address(vcpu, number));
        }
        let count = u32::try_from(calls.len().min(CALLS)).unwrap_or_default();
        mailbox.count.store(count, Ordering::SeqCst);
        mailbox.rounds.store(rounds, Ordering::SeqCst);
        mailbox.stop.store(0, Ordering::SeqCst);
        mailbox.strange_slot.store(0, Ordering::SeqCst);
        mailbox.ticket.fetch_add(1, Ordering::SeqCst);
        self.set_running(true)
    }

    /// Lets the domain run, or stops it.
    ///
    /// # Errors
    /// Error, if Xen refuses.
    pub fn set_running(&self, running: bool) -> CaseResult {
        if self.is_running.replace(running) != running {
            let (release, domid) = (self.release, self.domid);
            let answer = if running { release.unpause(domid) } else { release.pause(domid) };
            step("pausing or unpausing", answer)?;
        }
        Ok(())
    }

    /// Puts `call`'s block in the place of that of call `number` in a vCPU's list, as a guest may that
    /// was interrupted. The domain must not run meanwhile.
    ///
    /// # Errors
    /// Error, if there is no such vCPU or call.
    pub fn replace_block(&self, vcpu: usize, number: usize, call: &Call) -> CaseResult {
        fill_block(self.slot(vcpu, number)?, &call.block.unwrap_or([0; BLOCK_BYTES]));
        Ok(())
    }

    /// Whether a vCPU has nothing to do.
    ///
    /// # Errors
    /// Error, if the domain has no such vCPU.
    pub fn is_done(&self, vcpu: usize) -> CaseResult<bool> {
        let mailbox = self.mailbox(vcpu)?;
        let ticket = mailbox.ticket.load(Ordering::SeqCst);
        Ok(mailbox.done.load(Ordering::SeqCst) == ticket)
    }

    /// Asks a vCPU to end its work after the round.
    ///
    /// # Errors
    /// Error, if the domain has no such vCPU.
    pub fn stop(&self, vcpu: usize) -> CaseResult {
        self.mailbox(vcpu)?.stop.store(1, Ordering::SeqCst);
        Ok(())
    }

    /// Gives way until a vCPU has done its work.
    ///
    /// # Errors
    /// Failure, if the domain crashed; error, if the work takes for ever.
    pub fn wait(&self, vcpu: usize) -> CaseResult {
        self.wait_for(|| self.is_done(vcpu))?;
        let vcpus = self.mailboxes.iter().flatten().count();
        for vcpu in 0..vcpus {
            if !self.is_done(vcpu)? {
                return Ok(());
            }
        }
        self.set_running(false)
    }

    /// Gives way until `reached` says so.
    ///
    /// # Errors
    /// Failure, if the domain crashed; error, if it takes for ever, or `reached` has one.
    pub fn wait_for(&self, reached: impl Fn() -> CaseResult<bool>) -> CaseResult {
        for turn in 0..PATIENCE {
            for _ in 0..self.patience {
                if reached()? {
                    return Ok(());
                }
            }
            if reached()? {
                return Ok(());
            }
            if turn % 1024 == 1023 {
                let info = self.release.info(self.domid);
                if let Some(reason) = info.and_then(|info| info.shutdown_reason()) {
                    fail!("{:?} domain {} shut down: {reason}", self.caller, self.domid);
                }
            }
            if turn % 16 == 15 {
                rest();
            } else {
                give_way();
            }
        }
        give_up!("domain {} does not come to an end of its work", self.domid)
    }

    /// Has a vCPU make `calls` once and waits for it.
    ///
    /// # Errors
    /// As [`Child::start`] and [`Child::wait`].
    pub fn run(&self, vcpu: usize, calls: &[Call]) -> CaseResult {
        self.start(vcpu, calls, 1)?;
        self.wait(vcpu)
    }

    /// The last answer to call `number` of a vCPU's list.
    ///
    /// # Errors
    /// Error, if there is no such vCPU or call.
    pub fn answer(&self, vcpu: usize, number: usize) -> CaseResult<i64> {
        Ok(self.slot(vcpu, number)?.answer.load(Ordering::SeqCst))
    }

    /// How often call `number` of a vCPU's list was answered 1, and how often otherwise.
    ///
    /// # Errors
    /// Error, if there is no such vCPU or call.
    pub fn counts(&self, vcpu: usize, number: usize) -> CaseResult<(u32, u32)> {
        let slot = self.slot(vcpu, number)?;
        Ok((slot.successes.load(Ordering::SeqCst), slot.others.load(Ordering::SeqCst)))
    }

    fn slot(&self, vcpu: usize, number: usize) -> CaseResult<&Slot> {
        let Some(slot) = self.mailbox(vcpu)?.slots.get(number) else {
            give_up!("a mailbox holds {CALLS} calls, none of number {number}");
        };
        Ok(slot)
    }

    /// Kills the domain and leaves its mailboxes mapped: it is dead but can't go away. What it held
    /// of tmem must be gone when this is back.
    pub fn kill(&mut self) -> i64 {
        self.is_alive = false;
        self.release.destroy(self.domid)
    }

    /// Whether Xen still knows the domain, as one that is dying.
    pub fn is_zombie(&self) -> bool {
        self.release.info(self.domid).is_some_and(|info| info.flags & DYING != 0)
    }

    /// Destroys the domain and waits until its id is free.
    ///
    /// # Errors
    /// Failure, if Xen does not destroy it; error, if something keeps it.
    pub fn destroy(mut self) -> CaseResult {
        let (release, domid) = (self.release, self.domid);
        self.mailboxes = [const { None }; VCPUS_MAX as usize];
        if self.is_alive {
            match self.kill() {
                0 => {}
                answer => fail!("destroying domain {domid}: {answer}"),
            }
        }
        drop(self);
        // What is left of it goes when every CPU has been through Xen's idle points.
        for _ in 0..PATIENCE {
            if release.info(domid).is_none() {
                return Ok(());
            }
            rest();
        }
        give_up!("domain {domid} does not go away")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.mailboxes = [const { None }; VCPUS_MAX as usize];
        if self.is_alive {
            let _nobody_to_tell = self.kill();
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

fn step(what: &str, answer: i64) -> CaseResult {
    if answer != 0 {
        give_up!("building a domain: {what}: {answer}");
    }
    Ok(())
}

/// Where the block of call `number` in a vCPU's list is, for that vCPU.
pub(super) fn block_address(vcpu: usize, number: usize) -> u64 {
    let slot = core::mem::offset_of!(Mailbox, slots) + number * size_of::<Slot>();
    address(MAILBOXES + vcpu) + (slot + core::mem::offset_of!(Slot, block)) as u64
}

fn fill_slot(slot: &Slot, call: &Call, block_address: u64) {
    slot.number.store(call.number, Ordering::SeqCst);
    slot.step.store(call.step, Ordering::SeqCst);
    for (word, value) in slot.arguments.iter().zip(call.arguments) {
        word.store(value, Ordering::SeqCst);
    }
    slot.answer.store(i64::MIN, Ordering::SeqCst);
    slot.successes.store(0, Ordering::SeqCst);
    slot.others.store(0, Ordering::SeqCst);
    let Some(block) = call.block else {
        // Steps begin at 0.
        slot.block.iter().for_each(|word| word.store(0, Ordering::SeqCst));
        return;
    };
    if let Some(pointer) = slot.arguments.get(call.pointer) {
        pointer.store(block_address, Ordering::SeqCst);
    }
    fill_block(slot, &block);
}

fn fill_block(slot: &Slot, block: &[u8; BLOCK_BYTES]) {
    let (words, _) = block.as_chunks::<8>();
    for (word, value) in slot.block.iter().zip(words) {
        word.store(u64::from_le_bytes(*value), Ordering::SeqCst);
    }
}

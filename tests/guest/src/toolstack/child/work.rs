//! What a child is told to do, and what came of it.

use super::build::step;
use super::{Child, PATIENCE};
use crate::toolstack::layout::{MAILBOXES, address};
use crate::toolstack::puppet::{BLOCK_BYTES, CALLS, Mailbox, Slot};
use crate::verdict::CaseResult;
use crate::xen::foreign::{give_way, rest};
use crate::{fail, give_up};
use core::sync::atomic::Ordering;
use hypercall_abi::{HYPERVISOR_TMEM_OP, Op};

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

impl Child {
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
}

/// Where the block of call `number` in a vCPU's list is, for that vCPU.
pub(in crate::toolstack) fn block_address(vcpu: usize, number: usize) -> u64 {
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

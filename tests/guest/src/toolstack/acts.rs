//! What a puppet does itself between its calls: fills pages, and checks what a get brought.
//! So each of thousands of answers and pages is judged where it comes, and not the last one only.

use super::child::{Call, Child};
use super::puppet::{FILL, LATER, SAME, WHOLE};
use crate::fail;
use crate::verdict::CaseResult;
use core::sync::atomic::Ordering;

/// Other answers than 1 that a call may get.
const OTHERS: usize = 4;

/// A page of words `kind << 32 | number`, all the same.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Where it is for the child's vCPUs.
    pub address: u64,
    /// What tells its words from others.
    pub kind: u32,
}

impl Words {
    const fn act(self, number: u32) -> Call {
        Call::raw(number, [self.address, (self.kind as u64) << 32, 0, 0, 0])
    }

    /// Fills the page with number 0; stepping, with the next one each time.
    pub const fn fill(self) -> Call {
        self.act(FILL)
    }

    /// Answered 1 if the page is as [`Words::fill`] leaves it that was made as often.
    pub const fn is_same(self) -> Call {
        self.act(SAME)
    }

    /// Answered 1 if the page is whole and its number not less than the last time.
    pub const fn is_later(self) -> Call {
        self.act(LATER)
    }

    /// Answered 1 if the page is whole: one word, of this kind.
    pub const fn is_whole(self) -> Call {
        self.act(WHOLE)
    }
}

impl Call {
    /// A tmem operation that may be answered by these (the first four) and by 1.
    pub fn or(mut self, answers: &[i64]) -> Self {
        let [_, others @ ..] = &mut self.arguments;
        let answers = answers.iter().copied().chain(core::iter::repeat(1)).take(OTHERS);
        for (place, answer) in others.iter_mut().zip(answers) {
            *place = answer.cast_unsigned();
        }
        self
    }
}

impl Child {
    /// No call of the vCPU's list was answered by anything but 1 and its [`Call::or`].
    ///
    /// # Errors
    /// Failure, if one was.
    pub fn nothing_strange(&self, vcpu: usize) -> CaseResult {
        let mailbox = self.mailbox(vcpu)?;
        let slot = mailbox.strange_slot.load(Ordering::SeqCst);
        if slot != 0 {
            let number = (slot % 4096).saturating_sub(128) / 128;
            let answer = mailbox.strange_answer.load(Ordering::SeqCst);
            fail!("call {number} of vCPU {vcpu} of the {:?} domain: {answer}", self.caller());
        }
        Ok(())
    }
}

//! What a failure shows of the way that led to it.

use core::fmt;
use hypercall_abi::Op;
use std::collections::VecDeque;
use tmem_host_sim::Content;
use tmem_service::{DomainId, Outcome};

/// Steps that are kept.
const LEN: usize = 40;

/// One step.
pub(super) enum Step {
    Call(DomainId, Op, Content, Outcome),
    /// Anything else, in words.
    Other(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(domain, op @ Op::PutPage { .. }, content, outcome) => {
                write!(f, "{domain:?} {op:x?} of {content:?} -> {outcome:?}")
            }
            Self::Call(domain, op, _, outcome) => write!(f, "{domain:?} {op:x?} -> {outcome:?}"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// The last steps.
#[derive(Default)]
pub(super) struct Trace(VecDeque<Step>);

impl Trace {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn note(&mut self, step: Step) {
        if self.0.len() == LEN {
            self.0.pop_front();
        }
        self.0.push_back(step);
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "\n  {step}"))
    }
}

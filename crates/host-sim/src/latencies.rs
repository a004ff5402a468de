//! Latencies, for the host that reports them: a test says what they are.

use hypercall_abi::control::{Histogram, Timed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was measured, and whether it is.
#[derive(Debug, Default)]
pub(crate) struct Measured(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_on: bool,
    histograms: [Histogram; Timed::ALL.len()],
}

impl Measured {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As a hypervisor does it: what is begun is begun at 0, and what is ended stays to be read.
    pub(crate) fn set_measuring(&self, on: bool) {
        let mut state = self.state();
        state.is_on = on;
        if on {
            state.histograms = Default::default();
        }
    }

    pub(crate) fn is_measuring(&self) -> bool {
        self.state().is_on
    }

    pub(crate) fn set(&self, of: Timed, histogram: Histogram) {
        self.state().histograms[of as usize] = histogram;
    }

    pub(crate) fn get(&self, of: Timed) -> Histogram {
        self.state().histograms[of as usize]
    }
}

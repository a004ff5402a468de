//! Failures on request, and the count of all refusals, so that a test can walk every error path.

use core::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A frame is asked for: none.
    Frame,
    /// The spare frame is asked for: it is not there.
    Spare,
    /// A frame of metadata is asked for: refused.
    Metadata,
    /// A frame is to be charged to a domain: refused.
    Charge,
    /// A guest's page is to be read: bad frame.
    CopyIn,
    /// A guest's page is to be written: bad frame.
    CopyOut,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Frame, Self::Spare, Self::Metadata, Self::Charge, Self::CopyIn, Self::CopyOut];
}

/// How often the host has refused, by cause, for whatever reason (want or a planned fault).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusals {
    counts: [u64; Fault::ALL.len()],
}

impl Refusals {
    /// Refusals of this kind.
    pub fn of(&self, kind: Fault) -> u64 {
        self.counts[kind as usize]
    }

    /// What was refused after `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts;
        for (now, before) in counts.iter_mut().zip(earlier.counts) {
            *now -= before;
        }
        Self { counts }
    }

    /// Whether there was any.
    pub fn any(&self) -> bool {
        self.counts.iter().any(|&count| count > 0)
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused = Fault::ALL.into_iter().filter(|&kind| self.of(kind) > 0);
        f.write_str("refused ")?;
        f.debug_map().entries(refused.map(|kind| (kind, self.of(kind)))).finish()
    }
}

/// The plan for one kind of fault.
#[derive(Clone, Copy, Default)]
struct Plan {
    /// Calls still to be let through before the fault; `None`: no fault is planned.
    calls_before: Option<u64>,
    /// Whether the fault stays once it has struck.
    lasting: bool,
    /// Faults that struck since they were planned.
    fired: u64,
}

#[derive(Default)]
struct State {
    plans: [Plan; Fault::ALL.len()],
    refusals: Refusals,
}

/// The plans and the counts of one host.
#[derive(Default)]
pub(crate) struct Faults(Mutex<State>);

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Plans that the `nth` call from now on (1: the next) fails; if `lasting`, all after it too.
    pub(crate) fn plan(&self, kind: Fault, nth: u64, lasting: bool) {
        let calls_before = Some(nth.saturating_sub(1));
        self.state().plans[kind as usize] = Plan { calls_before, lasting, fired: 0 };
    }

    /// Forgets all plans.
    pub(crate) fn clear(&self) {
        self.state().plans = Default::default();
    }

    /// How often a planned fault of this kind has struck.
    pub(crate) fn fired(&self, kind: Fault) -> u64 {
        self.state().plans[kind as usize].fired
    }

    /// Asks, once for each host call, whether the call is to fail. A fault counts as a refusal.
    pub(crate) fn strikes(&self, kind: Fault) -> bool {
        let mut state = self.state();
        let plan = &mut state.plans[kind as usize];
        match plan.calls_before {
            None => return false,
            Some(0) => {}
            Some(calls) => {
                plan.calls_before = Some(calls - 1);
                return false;
            }
        }
        plan.fired += 1;
        if !plan.lasting {
            plan.calls_before = None;
        }
        state.refusals.counts[kind as usize] += 1;
        true
    }

    /// Counts a refusal that was not planned.
    pub(crate) fn count_refusal(&self, kind: Fault) {
        self.state().refusals.counts[kind as usize] += 1;
    }

    /// The refusals up to now.
    pub(crate) fn refusals(&self) -> Refusals {
        self.state().refusals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planned_call_fails_and_no_other() {
        let faults = Faults::default();
        faults.plan(Fault::Frame, 2, false);
        let seen: Vec<_> = (0..4).map(|_| faults.strikes(Fault::Frame)).collect();
        assert_eq!(seen, [false, true, false, false]);
        assert!(!faults.strikes(Fault::Charge));
        assert_eq!(faults.fired(Fault::Frame), 1);
        assert_eq!(faults.refusals().of(Fault::Frame), 1);
    }

    #[test]
    fn a_lasting_fault_stays_until_it_is_cleared() {
        let faults = Faults::default();
        faults.plan(Fault::Metadata, 2, true);
        assert!(!faults.strikes(Fault::Metadata), "not before the second call");
        assert!(faults.strikes(Fault::Metadata) && faults.strikes(Fault::Metadata));
        faults.clear();
        assert!(!faults.strikes(Fault::Metadata));
    }
}

//! Code that a test wants run in the middle of a copy, as if another CPU had run it then.

use std::sync::{Mutex, PoisonError};

/// Which way a page is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a guest: a put.
    In,
    /// To a guest: a get.
    Out,
}

/// A hook: run once.
pub(crate) type Hook = Box<dyn FnOnce() + Send>;

/// The hooks that wait, one a direction.
#[derive(Default)]
pub(crate) struct Hooks([Mutex<Option<Hook>>; 2]);

impl Hooks {
    /// Sets the hook of the next copy in `direction`.
    pub(crate) fn set(&self, direction: Direction, hook: Hook) {
        *self.slot(direction).lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
    }

    /// Takes the hook, if there is one: copies made from within it find none.
    pub(crate) fn take(&self, direction: Direction) -> Option<Hook> {
        self.slot(direction).lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn slot(&self, direction: Direction) -> &Mutex<Option<Hook>> {
        &self.0[direction as usize]
    }
}

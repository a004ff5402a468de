//! Code that a test wants run in the middle of a copy, or between two frees, as if another CPU had
//! run it then.

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

/// The hooks that wait: one a direction, and one for a frame that is freed.
#[derive(Default)]
pub(crate) struct Hooks {
    copies: [Mutex<Option<Hook>>; 2],
    /// With the frees that are still to be let through before it.
    free: Mutex<Option<(u64, Hook)>>,
}

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
        &self.copies[direction as usize]
    }

    /// Sets the hook of the `nth` frame that is freed from now on (1: the next).
    pub(crate) fn set_free(&self, nth: u64, hook: Hook) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) = Some((nth, hook));
    }

    /// Counts a free; yields the hook if this is the one that it waits for.
    pub(crate) fn count_free(&self) -> Option<Hook> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (nth, hook) = free.take()?;
        if nth <= 1 {
            return Some(hook);
        }
        *free = Some((nth - 1, hook));
        None
    }
}

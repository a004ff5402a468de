//! The locks, the atomics and `OnceBox` for loom, which runs a test once for each order in which its
//! threads may meet and for each value that a load may yield.
//!
//! Only under `cfg(loom)`; the same names and calls as in core, spin and once_cell, as far as the
//! engine uses them.

pub(crate) use loom::sync::atomic;

use core::ops::{Deref, DerefMut};
use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::Ordering::{Acquire, Release};
use loom::sync::{Mutex, MutexGuard};
use std::boxed::Box;
use std::sync::{OnceLock, PoisonError};

/// A lock. Who waits gets it in any order, not only that of the tickets.
#[derive(Debug, Default)]
pub(super) struct TicketMutex<T>(Mutex<T>);

impl<T> TicketMutex<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(super) fn lock(&self) -> TicketMutexGuard<'_, T> {
        TicketMutexGuard(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Proof that the lock is held.
pub(super) struct TicketMutexGuard<'a, T>(MutexGuard<'a, T>);

impl<T> Deref for TicketMutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for TicketMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A place for a box that is filled once and then only read.
///
/// std's cell holds the box; whether a thread may see it is decided by loom's flag.
#[derive(Debug)]
pub(crate) struct OnceBox<T> {
    is_completed: AtomicBool,
    filling: Mutex<()>,
    value: OnceLock<Box<T>>,
}

impl<T> OnceBox<T> {
    pub(crate) fn new() -> Self {
        let is_completed = AtomicBool::new(false);
        Self { is_completed, filling: Mutex::new(()), value: OnceLock::new() }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_completed.load(Acquire) { self.value.get().map(Box::as_ref) } else { None }
    }

    /// Fills the place, unless it is filled: then the box comes back.
    pub(crate) fn set(&self, value: Box<T>) -> Result<(), Box<T>> {
        let filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        let result = self.value.set(value);
        self.is_completed.store(true, Release);
        drop(filling);
        result
    }
}

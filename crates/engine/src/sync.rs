//! The engine's locks.
//!
//! # Lock order
//!
//! There is none to remember: **no two engine locks are ever held together**, and none is held
//! across a call to the host, a copy of a page, an allocation or a free. (The host hears of each lock
//! and is given hints by `Host::prefetch`: an instruction, no call.) The locks are
//!
//! | lock | protects | held for |
//! |---|---|---|
//! | a shard's | that shard's index, blocks, pages and their log of ages | one look-up and a few links, one slice of at most 32 pages, or two thin chunks of the log, of at most 64 records each, made one |
//! | the registry's | client and pool slots, members of shared pools, authorisations | a scan of 16 slots |
//! | the eviction queue's | the order in which pools are asked for their oldest page | a few heap steps |
//!
//! Tickets, so that a guest's second CPU cannot starve another domain. None is taken with
//! interrupts off.
//!
//! Under `cfg(loom)` all of them are loom's, and so are the atomics (`sync/model.rs`): the tests in
//! `tests/loom` then run the engine's own code through every order in which CPUs may meet.

#[cfg(loom)]
mod model;

#[cfg(loom)]
pub(crate) use self::model::{OnceBox, atomic};
#[cfg(not(loom))]
pub(crate) use {core::sync::atomic, once_cell::race::OnceBox};

#[cfg(loom)]
use self::model::{TicketMutex, TicketMutexGuard};
#[cfg(not(loom))]
use spin::mutex::{TicketMutex, TicketMutexGuard};

use crate::host::Host;
use core::ops::{Deref, DerefMut};

/// A ticket lock that tells the host when it is taken and released.
#[derive(Debug, Default)]
pub(crate) struct Lock<T>(TicketMutex<T>);

impl<T> Lock<T> {
    /// An open lock around `value`.
    pub(crate) fn new(value: T) -> Self {
        Self(TicketMutex::new(value))
    }

    /// Waits for the lock.
    pub(crate) fn lock<'a, H: Host>(&'a self, host: &'a H) -> Guard<'a, T, H> {
        let guard = self.0.lock();
        host.lock_held(true);
        Guard { guard, host }
    }
}

/// Proof that the lock is held; dropping it releases the lock.
#[must_use = "a guard that is dropped at once protects nothing"]
pub(crate) struct Guard<'a, T, H: Host> {
    guard: TicketMutexGuard<'a, T>,
    host: &'a H,
}

impl<T, H: Host> Deref for Guard<'_, T, H> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T, H: Host> DerefMut for Guard<'_, T, H> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T, H: Host> Drop for Guard<'_, T, H> {
    fn drop(&mut self) {
        self.host.lock_held(false);
    }
}

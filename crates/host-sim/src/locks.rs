//! The number of engine locks that each thread holds, as the engine reports them.

use core::cell::Cell;

thread_local! {
    static HELD: Cell<u32> = const { Cell::new(0) };
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

/// Counts a lock taken or released by this thread.
///
/// # Panics
/// When more locks are released than were taken.
pub(crate) fn count(taken: bool) {
    TAKEN.set(TAKEN.get() + u64::from(taken));
    let held = HELD.get();
    let now = if taken { held.checked_add(1) } else { held.checked_sub(1) };
    assert!(now.is_some(), "a lock is released that was not taken");
    HELD.set(now.unwrap_or(0));
}

/// The locks that this thread holds.
pub(crate) fn held() -> u32 {
    HELD.get()
}

/// The locks that this thread has ever taken.
pub(crate) fn taken() -> u64 {
    TAKEN.get()
}

/// # Panics
/// With an engine lock held: no host call may be made then.
pub(crate) fn assert_none_held(call: &str) {
    let held = HELD.get();
    assert_eq!(held, 0, "{call} is called with {held} engine locks held");
}

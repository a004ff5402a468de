//! Which simulated CPU a thread is.

use core::cell::Cell;

thread_local! {
    static CPU: Cell<usize> = const { Cell::new(0) };
}

/// The CPU that this thread plays; 0 unless [`on_cpu`] says otherwise.
pub fn current_cpu() -> usize {
    CPU.get()
}

/// Runs `work` as CPU `cpu`.
///
/// Threads that run at once should play different CPUs, as they would on a machine; sharing one is
/// harmless. A hook in the middle of a copy uses it to play "another CPU meanwhile".
pub fn on_cpu<R>(cpu: usize, work: impl FnOnce() -> R) -> R {
    let before = CPU.replace(cpu);
    let result = work();
    CPU.set(before);
    result
}

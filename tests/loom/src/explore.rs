//! How far loom explores, and the threads of a race.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Steps of one interleaving; more means that a loop waits for something that never comes.
const STEPS_MAX: usize = 20_000;
/// What a race must have at least, or the threads never met.
const INTERLEAVINGS_MIN: usize = 100;

/// Runs `race` through every interleaving with at most `preemptions` preemptions, and as many more
/// as the environment's `TMEM_LOOM_MORE` says.
///
/// # Panics
/// If an interleaving breaks a rule, or if there was next to nothing to explore.
pub fn explore(name: &str, preemptions: usize, race: impl Fn() + Send + Sync + 'static) {
    let more = env::var("TMEM_LOOM_MORE").ok();
    let more: usize = more.map_or(0, |more| more.parse().expect("TMEM_LOOM_MORE is a number"));
    let mut builder = loom::model::Builder::new();
    builder.max_branches = STEPS_MAX;
    builder.preemption_bound = Some(preemptions + more);
    let nr_explored = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&nr_explored);
    builder.check(move || {
        counter.fetch_add(1, Relaxed);
        race();
    });
    let nr_explored = nr_explored.load(Relaxed);
    println!("{name}: {nr_explored} interleavings with {} preemptions", preemptions + more);
    assert!(nr_explored > INTERLEAVINGS_MIN, "the threads hardly met");
}

/// A CPU's calls, one after the other.
pub type Call<T> = Box<dyn FnOnce() -> T + Send>;

/// Runs all of `calls` at once, each on a CPU of its own; what each answered.
///
/// # Panics
/// If one of them does.
pub fn race<T: 'static>(calls: Vec<Call<T>>) -> Vec<T> {
    let mut calls = calls.into_iter();
    let own = calls.next();
    let others: Vec<_> = calls.map(loom::thread::spawn).collect();
    let own = own.map(|call| call());
    let join = |thread: loom::thread::JoinHandle<T>| thread.join().expect("a call has panicked");
    own.into_iter().chain(others.into_iter().map(join)).collect()
}

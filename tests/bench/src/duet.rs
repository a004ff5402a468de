//! Two threads, each on a CPU of its own, timed alone and together.
//!
//! Must not know: what they do.

use crate::clock::Moment;
use anyhow::{Context as _, Result, anyhow};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};
use tmem_host_sim::on_cpu;

/// Calls of a work between two looks at the clock.
const CALLS_PER_LOOK: usize = 32;
/// The time that a thread is given to wake up before a window.
const LEAD: Duration = Duration::from_micros(300);

/// What a thread does over and over: it is given the number of the call.
pub type Work<'a> = Box<dyn FnMut(usize) -> Result<()> + Send + 'a>;

/// A window: from `start` on for `length`, the work number `work`.
#[derive(Clone, Copy)]
struct Window {
    work: usize,
    start: Instant,
    length: Duration,
}

/// What a thread did in a window.
#[derive(Clone, Copy)]
struct Rate {
    calls_per_second: f64,
    /// The part of the window in which something else had the CPU.
    lost: f64,
}

/// Windows of every kind of work, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// The throughput of both threads at once over that of one alone (the mean of the two alone), for
    /// each kind of work.
    pub speedups: Vec<f64>,
    /// The largest part of a window in which something else had a thread's CPU. In such a window
    /// nothing is seen of what two CPUs do to each other.
    pub lost: f64,
}

/// One thread and the way to it.
struct Player<'scope> {
    orders: Sender<Window>,
    rates: Receiver<Result<Rate>>,
    thread: ScopedJoinHandle<'scope, ()>,
}

/// Two threads.
pub struct Duet<'scope> {
    players: [Player<'scope>; 2],
}

/// Binds this thread to a CPU of the machine. `false`: there is none of this number for us.
fn bind(cpu: usize) -> bool {
    if cpu >= CpuSet::MAX_CPU {
        return false;
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).is_ok()
}

impl<'scope> Duet<'scope> {
    /// Starts a thread on CPU 0 and one on CPU 1, each with some kinds of work.
    ///
    /// A machine with one CPU runs both on it and shows no speed-up.
    pub fn start<'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        works: [Vec<Work<'env>>; 2],
    ) -> Self {
        let mut cpu = 0;
        let players = works.map(|works| {
            let player = Player::start(scope, cpu, works);
            cpu += 1;
            player
        });
        Self { players }
    }

    /// Times each kind of work, alone and together.
    ///
    /// # Errors
    /// The work's first.
    pub fn round(&self, nr_works: usize, window: Duration) -> Result<Round> {
        let mut round = Round { speedups: Vec::new(), lost: 0.0 };
        for work in 0..nr_works {
            let (mut alone, mut both) = (0.0, 0.0);
            let mut hear = |player: &Player<'_>| {
                let rate = player.rates.recv().context("a thread of the bench has ended")??;
                round.lost = round.lost.max(rate.lost);
                anyhow::Ok(rate.calls_per_second)
            };
            for player in &self.players {
                player.order(work, Instant::now() + LEAD, window)?;
                alone += hear(player)? / 2.0;
            }
            let start = Instant::now() + LEAD;
            for player in &self.players {
                player.order(work, start, window)?;
            }
            for player in &self.players {
                both += hear(player)?;
            }
            round.speedups.push(both / alone);
        }
        Ok(round)
    }

    /// Ends both threads.
    ///
    /// # Errors
    /// When one has panicked.
    pub fn end(self) -> Result<()> {
        for Player { orders, thread, .. } in self.players {
            drop(orders);
            thread.join().map_err(|_| anyhow!("a thread of the bench has panicked"))?;
        }
        Ok(())
    }
}

impl<'scope> Player<'scope> {
    fn start<'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        cpu: usize,
        mut works: Vec<Work<'env>>,
    ) -> Self {
        let (orders, inbox) = channel::<Window>();
        let (outbox, rates) = channel();
        let thread = scope.spawn(move || {
            bind(cpu);
            let mut nr_calls = vec![0; works.len()];
            on_cpu(cpu, || {
                for window in inbox {
                    let rate = match (works.get_mut(window.work), nr_calls.get_mut(window.work)) {
                        (Some(work), Some(nr_calls)) => play(window, work, nr_calls),
                        _ => Err(anyhow!("there is no work {}", window.work)),
                    };
                    if outbox.send(rate).is_err() {
                        break;
                    }
                }
            });
        });
        Self { orders, rates, thread }
    }

    fn order(&self, work: usize, start: Instant, length: Duration) -> Result<()> {
        let window = Window { work, start, length };
        self.orders.send(window).map_err(|_| anyhow!("a thread of the bench has ended"))
    }
}

/// Works for one window.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn play(window: Window, work: &mut Work<'_>, nr_calls: &mut usize) -> Result<Rate> {
    while Instant::now() < window.start {
        core::hint::spin_loop();
    }
    let (first, start, own) = (*nr_calls, Instant::now(), Moment::now());
    loop {
        for _ in 0..CALLS_PER_LOOK {
            work(*nr_calls)?;
            *nr_calls += 1;
        }
        let taken = start.elapsed();
        if taken >= window.length {
            let (taken, own) = (taken.as_secs_f64(), own.elapsed().as_secs_f64());
            let calls_per_second = (*nr_calls - first) as f64 / taken;
            return Ok(Rate { calls_per_second, lost: (1.0 - own / taken).max(0.0) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[test]
    fn each_thread_does_each_work_in_its_turn() {
        let counts = [const { AtomicUsize::new(0) }; 4];
        let work = |nth: usize| -> Work<'_> {
            let count = &counts[nth];
            Box::new(move |call| {
                assert_eq!(count.fetch_add(1, Relaxed), call);
                Ok(())
            })
        };
        std::thread::scope(|scope| {
            let works = [vec![work(0), work(1)], vec![work(2), work(3)]];
            let duet = Duet::start(scope, works);
            let round = duet.round(2, Duration::from_micros(10)).expect("no work fails");
            assert_eq!(round.speedups.len(), 2);
            assert!(round.speedups.iter().all(|&speedup| speedup > 0.0));
            assert!((0.0..=1.0).contains(&round.lost));
            duet.end().expect("no thread panics");
        });
        assert!(counts.iter().all(|count| count.load(Relaxed) >= 2 * CALLS_PER_LOOK));
    }

    #[test]
    fn the_failure_of_a_work_is_the_failure_of_the_window() {
        let fails = || -> Work<'_> { Box::new(|_| Err(anyhow!("wrong data"))) };
        std::thread::scope(|scope| {
            let duet = Duet::start(scope, [vec![fails()], vec![fails()]]);
            let error = duet.round(1, Duration::from_micros(10)).expect_err("it fails");
            assert!(error.to_string().contains("wrong data"));
        });
    }
}

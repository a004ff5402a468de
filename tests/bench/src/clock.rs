//! The clock of the measurements.

use core::time::Duration;
use rustix::time::{ClockId, clock_gettime};

/// A moment in this thread's time.
///
/// It stands still while the thread does not run, so that other programs on the machine do not count
/// as ours; on a machine of one's own it goes as fast as any clock. Reading it costs some 200 ns.
#[derive(Clone, Copy, Debug)]
pub struct Moment(Duration);

impl Moment {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Self(Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0)))
    }

    /// How long this thread has run since.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_while_the_thread_works() {
        let start = Moment::now();
        while start.elapsed() == Duration::ZERO {
            core::hint::spin_loop();
        }
        let first = start.elapsed();
        assert!(start.elapsed() >= first);
    }
}

//! Running children, each in a process group of its own, none left behind.
//!
//! A child that starts children (make, cargo, QEMU) is ended with all of them: on Ctrl-C, on
//! SIGTERM, when its time is up, and when whoever waits for it gives up.

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::process::{Child, ChildStdout, Command, ExitStatus};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Process groups that are running now.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Exit code after an interruption: 128 + SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// How long a program may take to end itself before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// Installs the handler that ends every child before this process ends.
///
/// # Errors
/// When a handler is there already.
pub(crate) fn end_children_on_interrupt() -> Result<()> {
    ctrlc::set_handler(|| {
        end_groups();
        eprintln!("\ninterrupted: everything that was started has been ended");
        std::process::exit(INTERRUPTED);
    })
    .context("cannot watch for Ctrl-C")
}

fn end_groups() {
    let groups = match GROUPS.lock() {
        Ok(groups) => groups.clone(),
        Err(poisoned) => poisoned.into_inner().clone(),
    };
    for group in &groups {
        // A group that is gone already is what we want.
        let _gone = kill_process_group(*group, Signal::TERM);
    }
    let start = Instant::now();
    while start.elapsed() < GRACE
        && groups.iter().any(|group| test_kill_process_group(*group).is_ok())
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    for group in &groups {
        let _gone = kill_process_group(*group, Signal::KILL);
    }
}

/// A child that is running; its whole group is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    group: Pid,
    ended: bool,
}

impl Running {
    /// Starts `command`, which must be set to lead a process group.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn start(command: &mut Command, line: &str) -> Result<Self> {
        let mut groups = GROUPS.lock().map_err(|_| anyhow!("a thread died"))?;
        // The list stays locked here, so that an interruption can't fall between start and entry.
        let child = command.spawn().with_context(|| format!("`{line}` could not be started"))?;
        let group = Pid::from_child(&child);
        groups.push(group);
        Ok(Self { child, group, ended: false })
    }

    /// Starts `command`, whose standard output is set to a pipe, and answers the pipe's end too.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn start_piped(command: &mut Command, line: &str) -> Result<(Self, ChildStdout)> {
        let mut running = Self::start(command, line)?;
        let output = running.child.stdout.take().context("its output is not a pipe")?;
        Ok((running, output))
    }

    /// Waits for the end; `None` when `limit` passes first (the group is ended on drop).
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub(crate) fn wait(&mut self, limit: Option<Duration>) -> Result<Option<ExitStatus>> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.ended = true;
                return Ok(Some(status));
            }
            if limit.is_some_and(|limit| start.elapsed() >= limit) {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            let _gone = kill_process_group(self.group, Signal::TERM);
            let grace = self.wait(Some(GRACE));
            let _gone = kill_process_group(self.group, Signal::KILL);
            if !matches!(grace, Ok(Some(_))) {
                let _reaped = self.child.wait();
            }
        }
        if let Ok(mut groups) = GROUPS.lock() {
            groups.retain(|group| *group != self.group);
        }
    }
}

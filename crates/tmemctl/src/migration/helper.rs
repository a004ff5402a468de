//! libxl's own helper, as our child.

use super::Call;
use super::messages::{Message, relay};
use crate::failure::{Failure, Kind};
use crate::interrupt;
use rustix::process::{Pid, Signal, getppid, kill_process};
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

/// Names the real helper, if it is not where we look for it.
const VARIABLE: &str = "TMEMCTL_SAVE_HELPER";
/// Its name.
const NAME: &str = "libxl-save-helper";
/// Where it is in Xen's own installation and in distributions'.
const FOLDERS: &[&str] =
    &["/usr/local/lib/xen/bin", "/usr/libexec/xen/bin", "/usr/lib/xen/bin", "/usr/lib64/xen/bin"];

/// How often a wish to stop is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// The real helper, running.
pub(super) struct Helper {
    child: Child,
    messages: Option<ChildStdout>,
}

/// The real helper's last message, on its way.
pub(super) struct Last {
    held: Receiver<Message>,
    verdict: Sender<Message>,
    message: Option<Message>,
}

impl Helper {
    /// Starts it in our place, with `stream` as the number of its connection.
    pub(super) fn start(call: &Call, stream: i32) -> Result<Self, Failure> {
        let program = find()?;
        // Its standard input is ours: answers of libxl's go straight there.
        let child = Command::new(&program)
            .arg(call.mode.word())
            .arg(stream.to_string())
            .args(&call.rest)
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|error| Failure::from(error).context(program.display()))?;
        let messages = child.stdout.take();
        Ok(Self { child, messages })
    }

    /// Hands its messages on to libxl, but for the last one.
    pub(super) fn relay<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
    ) -> (Last, ScopedJoinHandle<'scope, io::Result<()>>) {
        let ((last, held), (verdict, answer)) = (channel(), channel());
        let messages = self.messages.take();
        let relaying = scope.spawn(move || match messages {
            Some(messages) => relay(messages, io::stdout(), &last, &answer),
            None => Ok(()),
        });
        (Last { held, verdict, message: None }, relaying)
    }

    /// Waits until all is handed on. A helper whose messages can't be is to give up.
    pub(super) fn relayed(&self, relaying: ScopedJoinHandle<'_, io::Result<()>>) {
        if let Ok(Err(error)) = relaying.join() {
            eprintln!("tmemctl: {error}");
            self.end();
        }
    }

    /// Asks it to give up, as libxl does: it puts the domain right and says that it has failed.
    pub(super) fn end(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // One that is gone already needs no asking.
            let _gone = kill_process(pid, Signal::TERM);
        }
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self) -> Result<(), Failure> {
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(Kind::Io, format!("{NAME} failed ({status})")))
    }
}

impl Last {
    /// Waits until the real helper says that it has done its part.
    ///
    /// # Errors
    /// When it says that it has failed, says nothing and ends, or when we are asked to stop.
    pub(super) fn wait(&mut self) -> Result<(), Failure> {
        let message = loop {
            match self.held.recv_timeout(LOOK) {
                Ok(message) => break message,
                Err(RecvTimeoutError::Timeout) => interrupt::check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(Kind::Io, format!("{NAME} ended before its work")));
                }
            }
        };
        let is_done = message.completion() == Some(true);
        self.message = Some(message);
        if is_done {
            return Ok(());
        }
        Err(Failure::new(Kind::Io, format!("{NAME} has failed, see above")))
    }

    /// Lets the last message go, as it is if our part is `is_done` too.
    pub(super) fn release(self, is_done: bool) {
        let message = self.message.filter(|_| is_done).unwrap_or_else(Message::failed);
        // If nobody waits for it the helper is gone, and libxl knows.
        let _gone = self.verdict.send(message);
    }
}

/// Where the real helper is: where the environment says, beside the program that called us, or at one
/// of the usual places.
fn find() -> Result<PathBuf, Failure> {
    if let Some(named) = env::var_os(VARIABLE) {
        return Ok(named.into());
    }
    let caller = getppid().and_then(|parent| {
        let program = fs::read_link(format!("/proc/{}/exe", parent.as_raw_nonzero())).ok()?;
        program.parent().map(Path::to_owned)
    });
    let folders = caller.into_iter().chain(FOLDERS.iter().map(PathBuf::from));
    first_of(folders.map(|folder| folder.join(NAME))).ok_or_else(|| {
        let said = format!(
            "{NAME} is neither beside xl nor in {}: set {VARIABLE} to its path",
            FOLDERS.join(", ")
        );
        Failure::new(Kind::Unavailable, said)
    })
}

fn first_of(mut paths: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    paths.find(|path| path.is_file())
}

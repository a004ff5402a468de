//! Programs to run: arguments, folder, log, time limit, and what a failure's message says.
//!
//! [`crate::running`] sees to it that none is left behind. Must not know what programs are for.

use crate::paths::make_folder;
use crate::running::Running;
use anyhow::{Context, Result, anyhow, bail};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// Lines of a failed program's log that the message repeats.
const TAIL_LINES: usize = 15;

/// A program to run.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    log: Option<PathBuf>,
    append: bool,
    limit: Option<Duration>,
}

impl Program {
    /// Names the program; it gets no standard input.
    pub(crate) fn new(name: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(name);
        command.stdin(Stdio::null()).process_group(0);
        Self { command, log: None, append: false, limit: None }
    }

    /// Adds an argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of the program's environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable out of the program's environment.
    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Sets the folder that the program runs in.
    pub(crate) fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Sends both output streams to a file, started anew.
    pub(crate) fn log(mut self, file: PathBuf) -> Self {
        self.log = Some(file);
        self
    }

    /// Sends both output streams to the end of a file.
    pub(crate) fn log_more(mut self, file: PathBuf) -> Self {
        self.log = Some(file);
        self.append = true;
        self
    }

    /// Ends the program when it has run for this long.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The command as one could type it.
    pub(crate) fn line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words.map(shell_word).collect::<Vec<_>>().join(" ")
    }

    /// Runs to the end and answers how it ended.
    ///
    /// # Errors
    /// When it can't be started, or has run for longer than its limit.
    pub(crate) fn status(&mut self) -> Result<ExitStatus> {
        if let Some(log) = self.log.clone() {
            let file = open_log(&log, self.append)?;
            let again = file.try_clone()?;
            self.command.stdout(file).stderr(again);
        }
        let limit = self.limit;
        let line = self.line();
        let mut running = Running::start(&mut self.command, &line)?;
        running.wait(limit)?.ok_or_else(|| {
            let seconds = limit.unwrap_or_default().as_secs();
            anyhow!("`{line}` was ended after {seconds} s, its time limit{}", self.log_place())
        })
    }

    /// Runs to the end and asks for success.
    ///
    /// # Errors
    /// Besides those of [`Self::status`]: when the program fails; the message then holds the log's
    /// place and its last lines.
    pub(crate) fn run(mut self) -> Result<()> {
        let status = self.status()?;
        if status.success() {
            return Ok(());
        }
        bail!("`{}` failed ({status}){}", self.line(), self.log_place())
    }

    /// Runs a program that takes a moment, and answers its standard output as text.
    ///
    /// # Errors
    /// When it can't be started or fails; the message then holds its standard error.
    pub(crate) fn text(self) -> Result<String> {
        let bytes = self.bytes()?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn bytes(mut self) -> Result<Vec<u8>> {
        let line = self.line();
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output =
            self.command.output().with_context(|| format!("`{line}` could not be started"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`{line}` failed ({})\n{}", output.status, tail(said.trim()));
        }
        Ok(output.stdout)
    }

    fn log_place(&self) -> String {
        let Some(log) = &self.log else {
            return String::new();
        };
        let text = fs::read(log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut message = format!("\n{}\nwhole log: {}", tail(text.trim_end()), log.display());
        if text.contains("No space left on device") {
            message.push_str("\nthe disk is full");
        }
        message
    }
}

fn open_log(path: &Path, append: bool) -> Result<File> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let mut options = File::options();
    if append {
        options.append(true).create(true);
    } else {
        options.write(true).create(true).truncate(true);
    }
    options.open(path).with_context(|| format!("cannot write the log {}", path.display()))
}

/// The last lines of a text, indented.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines[from..].iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn shell_word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./,:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Whether a program of this name is on the search path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path: OsString = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_program_past_its_limit_is_ended_with_its_children() {
        let start = Instant::now();
        let mut program =
            Program::new("sh").args(["-c", "sleep 60 & wait"]).limit(Duration::from_millis(100));
        let error = program.status().expect_err("it must be ended");
        assert!(error.to_string().contains("time limit"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn the_command_line_can_be_typed_again() {
        let program = Program::new("qemu").args(["-append", "a b", "-m", "512"]);
        assert_eq!(program.line(), "qemu -append 'a b' -m 512");
    }

    #[test]
    fn a_failure_repeats_what_the_program_said() {
        let error = Program::new("sh").args(["-c", "echo bad luck >&2; exit 3"]).text();
        assert!(error.expect_err("it fails").to_string().contains("bad luck"));
    }
}

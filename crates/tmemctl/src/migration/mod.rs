//! `migration-helper`: stands between libxl and its own helper, so that a domain that `xl` saves or
//! migrates takes its tmem along.
//!
//! libxl has a program of its own do the work of saving and restoring a domain's memory, and takes
//! another one if the environment names it (`LIBXL_SAVE_HELPER`, `tools/libs/light/libxl_save_callout.c`
//! in 4.17 and 4.22). We are that other one: we start the real one, hand on what the two say to each
//! other (`messages`), and put what it writes for the other side and our own stream into frames on one
//! connection (`frames`).
//!
//! **All or nothing.** The real helper's last message says that it is done. It is held back until our
//! part is done too, and changed to say that it has failed if that has: then libxl destroys the copy,
//! and the domain goes on where it was. While the message is held, the domain is suspended here and
//! not yet unpaused there, and libxl touches the connection on neither side.
//!
//! Must not know: what the real helper writes.

mod connection;
mod frames;
mod helper;
mod messages;
mod restore;
mod save;
#[cfg(test)]
mod tests;

use crate::failure::{Failure, Kind};
use crate::hypervisor::Hypervisor;
use crate::interrupt;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// The command's name.
const NAME: &str = "migration-helper";

/// What libxl calls a helper with, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    mode: Mode,
    /// The connection's number among the open files.
    stream: i32,
    /// The domain's number: the first of the parameters.
    domain: u16,
    /// Everything behind the connection's number: the back channel's, and the parameters.
    rest: Vec<OsString>,
}

/// Which of the two things a helper does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Save,
    Restore,
}

impl Mode {
    const fn word(self) -> &'static str {
        match self {
            Self::Save => "--save-domain",
            Self::Restore => "--restore-domain",
        }
    }

    fn of_word(word: &OsStr) -> Option<Self> {
        [Self::Save, Self::Restore].into_iter().find(|mode| word == mode.word())
    }
}

impl Call {
    /// Reads libxl's arguments.
    fn parse(arguments: &[OsString]) -> Result<Self, Failure> {
        let [mode, stream, rest @ ..] = arguments else {
            return Err(usage("too few arguments"));
        };
        let number = |word: Option<&OsString>| word.and_then(|word| word.to_str()?.parse().ok());
        Ok(Self {
            mode: Mode::of_word(mode).ok_or_else(|| usage("neither a save nor a restore"))?,
            stream: number(Some(stream)).ok_or_else(|| usage("no connection"))?,
            domain: number(rest.get(1))
                .and_then(|domain| u16::try_from(domain).ok())
                .ok_or_else(|| usage("no domain"))?,
            rest: rest.to_vec(),
        })
    }
}

/// libxl's arguments in a command line, if it is libxl that calls: with the command's name before them,
/// or, since libxl can be told nothing but a path, without it.
pub(crate) fn arguments_in(words: &[OsString]) -> Option<&[OsString]> {
    let arguments = words.get(1..)?;
    let arguments = match arguments {
        [name, rest @ ..] if name == NAME => rest,
        _ => arguments,
    };
    arguments.first().and_then(|first| Mode::of_word(first)).map(|_| arguments)
}

/// Why a call is none of libxl's.
pub(crate) fn usage(what: &str) -> Failure {
    let said = format!(
        "{what}: this command is called by libxl. Set LIBXL_SAVE_HELPER to tmemctl's path in the \
         environment of xl, here and on the receiving host"
    );
    Failure::new(Kind::Usage, said)
}

/// Does what libxl asks for. Standard output is libxl's; what goes wrong is said on standard error.
pub(crate) fn main<H: Hypervisor>(
    arguments: &[OsString],
    open: impl FnOnce() -> Result<H, Failure> + Send,
) -> ExitCode {
    let done = interrupt::note().and_then(|()| Call::parse(arguments)).and_then(|call| {
        let done = match call.mode {
            Mode::Save => save::run(&call, open),
            Mode::Restore => restore::run(&call, open),
        };
        done.map_err(|failure| failure.context(format!("domain {}'s tmem", call.domain)))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("tmemctl: {failure}");
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

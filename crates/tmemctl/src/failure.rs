//! What a person is told when a command fails, and the number that scripts see.

use crate::hypervisor::Refusal;
use crate::stream::StreamError;
use std::error::Error;
use std::fmt;
use std::io;

/// Kinds of failures; each has an exit code of its own. 0 is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The hypervisor refused it: no such domain, no room.
    Refused,
    /// The command line is wrong; clap's own number.
    Usage,
    /// There is no tmem here: no Xen, a Xen without it, or one in which it is off.
    Unavailable,
    /// The caller may not.
    NotPermitted,
    /// A stream that can't be restored.
    BadStream,
    /// Files, pipes, sockets, the terminal.
    Io,
    /// An audit found what does not agree.
    Inconsistent,
}

impl Kind {
    /// All, by exit code.
    pub const ALL: [Self; 7] = [
        Self::Refused,
        Self::Usage,
        Self::Unavailable,
        Self::NotPermitted,
        Self::BadStream,
        Self::Io,
        Self::Inconsistent,
    ];

    /// The exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unavailable => 3,
            Self::NotPermitted => 4,
            Self::BadStream => 5,
            Self::Io => 6,
            Self::Inconsistent => 7,
        }
    }

    /// What it means, for the manual.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Refused => "the hypervisor refused it: no such domain, no room",
            Self::Usage => "the command line is wrong",
            Self::Unavailable => {
                "no tmem here: not a Xen host, or a Xen without tmem, or it is not switched on"
            }
            Self::NotPermitted => "the caller may not: not root, or not in the control domain",
            Self::BadStream => "the stream is damaged, cut off, foreign or too new",
            Self::Io => "a file, a pipe, a socket or the terminal failed",
            Self::Inconsistent => "the audit found figures that do not agree",
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// Its kind.
    pub kind: Kind,
    /// What happened, and what can be done about it.
    pub message: String,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// With what was being done.
    pub(crate) fn context(self, doing: impl fmt::Display) -> Self {
        Self { message: format!("{doing}: {}", self.message), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let kind = match refusal {
            Refusal::NO_DEVICE | Refusal::NO_CALL => Kind::Unavailable,
            Refusal::INCONSISTENT => Kind::Inconsistent,
            Refusal::ACCESS => Kind::NotPermitted,
            _ => Kind::Refused,
        };
        Self::new(kind, refusal.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Kind::Io, error.to_string())
    }
}

impl From<StreamError> for Failure {
    fn from(error: StreamError) -> Self {
        let kind = match error {
            StreamError::Io(_) => Kind::Io,
            _ => Kind::BadStream,
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_one_each_and_none_is_success() {
        let codes: Vec<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7]);
    }
}

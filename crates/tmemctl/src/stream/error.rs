//! Why a stream is refused, and in which words.

use super::VERSION;
use std::error::Error;
use std::fmt;
use std::io;

/// Why a stream can't be read on, or written on. Nothing of the record that it is about was given
/// out.
#[derive(Debug)]
pub enum StreamError {
    /// The bytes can't be had, or not be delivered.
    Io(io::Error),
    /// It ends before its end record; at the number of whole records.
    Truncated(u64),
    /// It does not begin as a stream of ours does.
    Foreign,
    /// A newer version of the format, held here.
    NewerVersion(u32),
    /// The header's checksum is wrong, or it has what this version does not.
    BadHeader,
    /// The record of this number is damaged, or not from this place of this stream.
    Damaged(u64),
    /// A record of this number and type that may not be skipped and is not known here.
    UnknownRecord {
        /// Records before it.
        sequence: u64,
        /// Its type.
        kind: u32,
    },
    /// The record of this number is whole, but not one that may stand there.
    Refused {
        /// Records before it.
        sequence: u64,
        /// What is wrong with it.
        objection: Objection,
    },
    /// Bytes follow the end record.
    TrailingBytes,
}

/// What is wrong with a record that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// Its length is not one that its type has.
    Length,
    /// A part that must be 0 is not.
    Reserved,
    /// The client's record is not the first, or a second one.
    ClientNotFirst,
    /// More authorisations than a domain can have.
    TooManyAuthorisations,
    /// A pool's number is too large, or its flags are none that a pool can have.
    NotAPool,
    /// The stream has a pool of this number already.
    PoolExists(u32),
    /// The stream has no pool of this number.
    NoPool(u32),
    /// Pages of ephemeral pools are not carried.
    PoolIsEphemeral(u32),
    /// Something is removed in a stream that was not made of a running domain.
    NotLive,
    /// The totals in the end record are not those of the records before.
    Totals,
    /// Something follows the end record.
    AfterEnd,
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => write!(f, "its length is not one that its type has"),
            Self::Reserved => write!(f, "it sets what this version does not know"),
            Self::ClientNotFirst => write!(f, "the client's settings are not the first record"),
            Self::TooManyAuthorisations => {
                write!(f, "more authorisations than a domain can have")
            }
            Self::NotAPool => write!(f, "no pool can have its number or its flags"),
            Self::PoolExists(id) => write!(f, "pool {id} is there already"),
            Self::NoPool(id) => write!(f, "there is no pool {id}"),
            Self::PoolIsEphemeral(id) => {
                write!(f, "pool {id} is ephemeral, and such pages are not carried")
            }
            Self::NotLive => write!(f, "only the stream of a running domain removes anything"),
            Self::Totals => write!(f, "the totals are not those of the records before"),
            Self::AfterEnd => write!(f, "the stream has ended"),
        }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Truncated(records) => {
                write!(f, "the stream is cut off after {records} whole records")
            }
            Self::Foreign => write!(f, "this is no stream of a domain's tmem"),
            Self::NewerVersion(version) => write!(
                f,
                "the stream has version {version} of the format; this program reads up to {VERSION}"
            ),
            Self::BadHeader => write!(f, "the stream's header is damaged"),
            Self::Damaged(sequence) => write!(
                f,
                "record {sequence} is damaged, or does not belong at this place of this stream"
            ),
            Self::UnknownRecord { sequence, kind } => write!(
                f,
                "record {sequence} has the type {kind}, which this program does not know and may \
                 not skip; a newer one may read it"
            ),
            Self::Refused { sequence, objection } => {
                write!(f, "record {sequence} is refused: {objection}")
            }
            Self::TrailingBytes => write!(f, "bytes follow the stream's end"),
        }
    }
}

impl Error for StreamError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

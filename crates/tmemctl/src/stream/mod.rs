//! One domain's tmem as a stream of bytes, for a file or the way to another host.
//!
//! `docs/stream.md` describes the bytes. [`Writer`] makes a stream and [`Reader`] reads it, both
//! in memory of one record's size, whatever the stream's. Every record ends with the checksum of
//! everything before it, so that one that was damaged, moved, repeated, left out or brought in from
//! elsewhere is refused before anybody sees what is in it; and both ends ask the same [`Grammar`]
//! what may follow what, so that nothing is written which would be refused.
//!
//! What a reader has applied when a stream turns out bad is a beginning of the truth, never a
//! falsehood; whether it may stay is for who applies it to decide, and it never may before
//! [`Reader::next`] has answered `None`.
//!
//! Must not know: the hypervisor, where the bytes come from and where they go.

mod error;
mod format;
mod grammar;
mod reader;
mod records;
mod writer;

pub use error::{Objection, StreamError};
pub use format::{CHECKSUM_BYTES, HEADER_BYTES, RECORD_HEAD_BYTES, VERSION, reseal};
pub use grammar::{Grammar, Totals};
pub use reader::Reader;
pub use records::{AUTHORISATIONS_MAX, Client, Kind, Page, Pool, Record};
pub use writer::Writer;

//! Reading a stream.

use super::error::{Objection, StreamError};
use super::format::{
    CHECKSUM_BYTES, FLAG_LIVE, HEADER_BYTES, Head, MAGIC, OPTIONAL, RECORD_HEAD_BYTES, Sum,
    VERSION, u32_at,
};
use super::grammar::{Grammar, Totals};
use super::records::{BODY_BYTES_MAX, Kind, Record};
use std::io::{self, Read};

/// Bytes of a record that is skipped, at a time.
const SKIP_BYTES: usize = 4096;

/// Reads a stream, a record at a time. It asks for no byte behind the end record.
pub struct Reader<R> {
    input: R,
    is_live: bool,
    grammar: Grammar,
    sum: Sum,
    /// The body and the checksum of the record that was read last.
    piece: Box<[u8; BODY_BYTES_MAX + CHECKSUM_BYTES]>,
    /// Nothing follows an error.
    has_failed: bool,
}

impl<R: Read> Reader<R> {
    /// Reads and judges the header.
    ///
    /// # Errors
    /// When it is no stream, one of a newer version, or can't be read.
    pub fn new(mut input: R) -> Result<Self, StreamError> {
        let mut header = [0; HEADER_BYTES];
        read(&mut input, &mut header[..MAGIC.len()], 0).map_err(|error| match error {
            StreamError::Truncated(_) => StreamError::Foreign,
            other => other,
        })?;
        if header[..MAGIC.len()] != MAGIC {
            return Err(StreamError::Foreign);
        }
        read(&mut input, &mut header[MAGIC.len()..], 0)?;
        let (said, checksum) = header.split_at(HEADER_BYTES - CHECKSUM_BYTES);
        let mut sum = Sum::new();
        sum.add(said);
        if sum.value() != checksum {
            return Err(StreamError::BadHeader);
        }
        let (version, flags) = (u32_at(said, 8), u32_at(said, 12));
        if version > VERSION {
            return Err(StreamError::NewerVersion(version));
        }
        if version == 0 || flags & !FLAG_LIVE != 0 {
            return Err(StreamError::BadHeader);
        }
        let is_live = flags & FLAG_LIVE != 0;
        let grammar = Grammar::new(is_live);
        let piece = Box::new([0; BODY_BYTES_MAX + CHECKSUM_BYTES]);
        Ok(Self { input, is_live, grammar, sum, piece, has_failed: false })
    }

    /// The next record, or `None` once the end record was read and found right. Only then is the
    /// stream known to be whole.
    ///
    /// # Errors
    /// When there is no good record; nothing of it is given out, and every further call fails.
    #[expect(clippy::should_implement_trait, reason = "a record borrows the reader")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, StreamError> {
        let sequence = self.grammar.totals().records;
        if self.has_failed {
            return Err(StreamError::Damaged(sequence));
        }
        // Until it is known to be good.
        self.has_failed = true;
        if self.grammar.has_ended() {
            self.has_failed = false;
            return Ok(None);
        }
        let (kind, len) = self.receive()?;
        let sequence = self.grammar.totals().records;
        let refused = |objection| StreamError::Refused { sequence, objection };
        let body = self.piece.get(..len).unwrap_or_default();
        let record = Record::decode(kind, body).map_err(refused)?;
        self.grammar.next(&record).map_err(refused)?;
        self.has_failed = false;
        Ok(if kind == Kind::End { None } else { Some(record) })
    }

    /// Receives the next record that is known, skipping those that may be skipped; answers its type
    /// and the length of its body, which its checksum has proved.
    fn receive(&mut self) -> Result<(Kind, usize), StreamError> {
        loop {
            let sequence = self.grammar.totals().records;
            let mut bytes = [0; RECORD_HEAD_BYTES];
            read(&mut self.input, &mut bytes, sequence)?;
            let head = Head::decode(&bytes);
            if head.sequence != sequence {
                return Err(StreamError::Damaged(sequence));
            }
            self.sum.add(&bytes);
            if let Some(kind) = Kind::of(head.kind) {
                // A length that the type can't have: was it damaged, or written so? Only a checksum
                // could tell, and that needs the body, which may be of any length.
                let len = usize::try_from(head.len).unwrap_or(usize::MAX);
                if !kind.can_have(len) {
                    let objection = Objection::Length;
                    return Err(StreamError::Refused { sequence, objection });
                }
                let piece = self.piece.get_mut(..len + CHECKSUM_BYTES).unwrap_or_default();
                read(&mut self.input, piece, sequence)?;
                let (body, checksum) = piece.split_at(len);
                self.sum.add(body);
                if self.sum.value() != checksum {
                    return Err(StreamError::Damaged(sequence));
                }
                return Ok((kind, len));
            }
            self.skip(sequence, head)?;
        }
    }

    /// Reads over a record of an unknown type. Whether that may be is asked when its checksum has
    /// proved that this is its type.
    fn skip(&mut self, sequence: u64, head: Head) -> Result<(), StreamError> {
        let mut left = u64::from(head.len);
        while left > 0 {
            let part = left.min(SKIP_BYTES as u64);
            let bytes = self.piece.get_mut(..usize::try_from(part).unwrap_or(SKIP_BYTES));
            let bytes = bytes.unwrap_or_default();
            read(&mut self.input, bytes, sequence)?;
            self.sum.add(bytes);
            left -= part;
        }
        let mut checksum = [0; CHECKSUM_BYTES];
        read(&mut self.input, &mut checksum, sequence)?;
        if self.sum.value() != checksum {
            return Err(StreamError::Damaged(sequence));
        }
        if head.kind & OPTIONAL == 0 {
            return Err(StreamError::UnknownRecord { sequence, kind: head.kind });
        }
        self.grammar.skip().map_err(|objection| StreamError::Refused { sequence, objection })
    }

    /// Whether the domain ran while the stream was made.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// What was read so far.
    pub fn totals(&self) -> Totals {
        self.grammar.totals()
    }

    /// Asks that nothing follows, for a file that holds nothing else.
    ///
    /// # Errors
    /// [`StreamError::TrailingBytes`], or when it can't be read.
    pub fn expect_end_of_input(&mut self) -> Result<(), StreamError> {
        match read(&mut self.input, &mut [0], 0) {
            Ok(()) => Err(StreamError::TrailingBytes),
            Err(StreamError::Truncated(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Fills `bytes`; `records` are whole before them.
fn read(input: &mut impl Read, bytes: &mut [u8], records: u64) -> Result<(), StreamError> {
    input.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => StreamError::Truncated(records),
        _ => StreamError::Io(error),
    })
}

//! Making a stream.

use super::error::StreamError;
use super::format::{FLAG_LIVE, Head, MAGIC, Sum, VERSION};
use super::grammar::{Grammar, Totals};
use super::records::Record;
use std::io::Write;

/// Writes a stream, a record at a time and each in one piece.
pub struct Writer<W> {
    output: W,
    grammar: Grammar,
    sum: Sum,
    /// The record that is being made.
    piece: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a stream: of a domain that runs on meanwhile, or of one that does not.
    ///
    /// # Errors
    /// When the header can't be written.
    pub fn new(mut output: W, is_live: bool) -> Result<Self, StreamError> {
        let mut header = Vec::from(MAGIC);
        header.extend(VERSION.to_le_bytes());
        header.extend(if is_live { FLAG_LIVE } else { 0 }.to_le_bytes());
        let mut sum = Sum::new();
        sum.add(&header);
        header.extend(sum.value());
        output.write_all(&header)?;
        Ok(Self { output, grammar: Grammar::new(is_live), sum, piece: header })
    }

    /// Writes a record. The end record is [`Writer::finish`]'s.
    ///
    /// # Errors
    /// When it may not stand here, and then nothing was written; or when it can't be written.
    pub fn write(&mut self, record: &Record<'_>) -> Result<(), StreamError> {
        let sequence = self.grammar.totals().records;
        let refused = |objection| StreamError::Refused { sequence, objection };
        self.grammar.next(record).map_err(refused)?;
        self.piece.clear();
        record.encode(&mut self.piece);
        // The longest is a page's.
        let len = u32::try_from(self.piece.len()).unwrap_or(u32::MAX);
        let head = Head { kind: record.kind().number(), len, sequence };
        self.piece.splice(..0, head.encode());
        self.sum.add(&self.piece);
        self.piece.extend(self.sum.value());
        self.output.write_all(&self.piece)?;
        Ok(())
    }

    /// Writes the end record and flushes. A stream without it is refused.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn finish(mut self) -> Result<(W, Totals), StreamError> {
        let totals = self.grammar.totals();
        self.write(&Record::End(totals))?;
        self.output.flush()?;
        Ok((self.output, totals))
    }

    /// What was written so far.
    pub fn totals(&self) -> Totals {
        self.grammar.totals()
    }
}

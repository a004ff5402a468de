//! Two streams on one connection: see `docs/stream.md`.
//!
//! After a head come frames: a kind, a length, so many bytes. The receiver reads no byte behind the last
//! one: libxl goes on there.

use crate::failure::{Failure, Kind};
use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};

/// The beginning of the head.
pub(super) const MAGIC: [u8; 8] = *b"TMEMMIGR";
/// What follows it: the version.
const VERSION: u32 = 1;
/// Bytes of the head.
pub(super) const HEAD_BYTES: usize = 12;

/// The most bytes in a frame.
pub(super) const FRAME_BYTES_MAX: usize = 64 << 10;

/// What is in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// What the real helper writes.
    Memory,
    /// A part of the stream that carries the tmem.
    Tmem,
    /// Nothing; no frame follows.
    End,
}

impl Content {
    const fn number(self) -> u32 {
        match self {
            Self::Memory => 1,
            Self::Tmem => 2,
            Self::End => 3,
        }
    }

    fn of_number(number: u32) -> Option<Self> {
        [Self::Memory, Self::Tmem, Self::End].into_iter().find(|one| one.number() == number)
    }
}

/// The sending end; several threads may send.
pub(super) struct Sender<W>(Mutex<W>);

impl<W: Write> Sender<W> {
    /// Sends the head.
    pub(super) fn begin(mut connection: W) -> io::Result<Self> {
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        connection.write_all(&head)?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Sends bytes, in as many frames as it takes.
    pub(super) fn send(&self, content: Content, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(FRAME_BYTES_MAX) {
            self.send_frame(content, part)?;
        }
        Ok(())
    }

    /// Sends the last frame.
    pub(super) fn end(&self) -> io::Result<()> {
        self.send_frame(Content::End, &[])
    }

    fn send_frame(&self, content: Content, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let mut frame = Vec::with_capacity(8 + bytes.len());
        frame.extend(content.number().to_le_bytes());
        frame.extend(length.to_le_bytes());
        frame.extend(bytes);
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connection.write_all(&frame)
    }
}

/// Writes what it is given as frames of one content.
pub(super) struct Framed<'a, W>(pub(super) &'a Sender<W>, pub(super) Content);

impl<W: Write> Write for Framed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(self.1, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The receiving end, behind the head.
pub(super) struct Receiver<R>(R);

impl<R: Read> Receiver<R> {
    /// Reads the head; `None` if it is another one, of which so many bytes are read then.
    ///
    /// # Errors
    /// When it is of a later version, or can't be read.
    pub(super) fn begin(mut connection: R) -> Result<Option<Self>, Failure> {
        let mut head = [0; HEAD_BYTES];
        read(&mut connection, &mut head)?;
        let Some((magic, version)) = head.split_first_chunk::<8>() else { return Ok(None) };
        if *magic != MAGIC {
            return Ok(None);
        }
        if version != VERSION.to_le_bytes() {
            let said = "the sender's tmemctl is of another version: use the same on both hosts";
            return Err(Failure::new(Kind::BadStream, said));
        }
        Ok(Some(Self(connection)))
    }

    /// The next frame, whose bytes replace those in `bytes`.
    ///
    /// # Errors
    /// When it is none, or the connection ends.
    pub(super) fn next(&mut self, bytes: &mut Vec<u8>) -> Result<Content, Failure> {
        let mut head = [0; 8];
        read(&mut self.0, &mut head)?;
        let (number, length) = head.split_at(4);
        let number_of = |bytes: &[u8]| {
            bytes.first_chunk().map_or(u32::MAX, |bytes: &[u8; 4]| u32::from_le_bytes(*bytes))
        };
        let length = usize::try_from(number_of(length)).unwrap_or(usize::MAX);
        match Content::of_number(number_of(number)) {
            Some(content) if length <= FRAME_BYTES_MAX => {
                bytes.resize(length, 0);
                read(&mut self.0, bytes)?;
                Ok(content)
            }
            _ => Err(Failure::new(Kind::BadStream, "what the sender sends is no frame")),
        }
    }
}

/// Fills `bytes`.
fn read(connection: &mut impl Read, bytes: &mut [u8]) -> Result<(), Failure> {
    connection.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            Failure::new(Kind::BadStream, "the sender has broken off; its own messages say why")
        }
        _ => Failure::from(error).context("the connection to the sender"),
    })
}

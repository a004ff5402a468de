//! Inputs that do not end, or fail.

use super::*;

/// Bytes of a stream of any length, made as they are asked for.
struct Endless {
    at: usize,
    head: Vec<u8>,
}

impl std::io::Read for Endless {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        if let Some(rest) = self.head.get(self.at..).filter(|rest| !rest.is_empty()) {
            let count = rest.len().min(bytes.len());
            bytes[..count].copy_from_slice(&rest[..count]);
            self.at += count;
            return Ok(count);
        }
        assert!(bytes.len() <= 8192, "{} bytes are asked for at once", bytes.len());
        bytes.fill(0);
        self.at += bytes.len();
        Ok(bytes.len())
    }
}

#[test]
fn a_length_is_not_believed() {
    for kind in [1_u32, 2, 3, 4, 5, 6, 7, 8, 9, 0x8000_0001] {
        let mut head = header(false);
        head.extend(kind.to_le_bytes());
        head.extend(0x0100_0000_u32.to_le_bytes());
        head.extend([0; 8]);
        let mut reader = Reader::new(Endless { at: 0, head }).expect("the header is good");
        assert!(reader.next().is_err());
    }
}

/// A good stream whose input fails once, between two records.
struct FailsOnce<'a> {
    good: &'a [u8],
    at: usize,
    fails_at: usize,
}

impl std::io::Read for FailsOnce<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.fails_at {
            self.fails_at = usize::MAX;
            return Err(std::io::Error::other("a cable"));
        }
        let count = (&self.good[self.at..]).read(bytes)?;
        self.at += count;
        Ok(count)
    }
}

#[test]
fn nothing_is_given_out_after_an_error() {
    let good = written(true, &small());
    let fails_at = pieces(&good)[1].start;
    let mut reader = Reader::new(FailsOnce { good: &good, at: 0, fails_at }).expect("it is good");
    assert!(matches!(reader.next(), Ok(Some(Record::Client(_)))));
    assert!(matches!(reader.next(), Err(StreamError::Io(_))));
    for _ in 0..3 {
        assert!(reader.next().is_err());
    }
}

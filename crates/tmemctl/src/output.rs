//! Standard output of a command that only tells something.

use std::io::{self, ErrorKind, Write};

/// Output whose reader may stop reading when it has seen enough, as in `tmemctl list | head`. What
/// is written after that goes nowhere, which is no failure: the command ends as it would have.
///
/// Not for what must arrive whole, as the stream of a save.
pub(crate) struct Output<W> {
    to: W,
    is_read: bool,
}

impl<W: Write> Output<W> {
    pub(crate) const fn new(to: W) -> Self {
        Self { to, is_read: true }
    }

    /// What `done` with the output came to; `unread` if it has no reader any more.
    fn unless_unread<T>(
        &mut self,
        unread: T,
        done: impl FnOnce(&mut W) -> io::Result<T>,
    ) -> io::Result<T> {
        if !self.is_read {
            return Ok(unread);
        }
        match done(&mut self.to) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_read = false;
                Ok(unread)
            }
            done => done,
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_unread(bytes.len(), |to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_unread((), W::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then fails so.
    struct Pipe(usize, ErrorKind);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let Self(room, error) = self;
            let taken = bytes.len().min(*room);
            *room -= taken;
            if taken == 0 { Err((*error).into()) } else { Ok(taken) }
        }

        fn flush(&mut self) -> io::Result<()> {
            if self.0 == 0 { Err(self.1.into()) } else { Ok(()) }
        }
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        let mut out = Output::new(Pipe(3, ErrorKind::BrokenPipe));
        out.write_all(b"seven or more").expect("what is not read is not missed");
        out.write_all(b"more").and_then(|()| out.flush()).expect("nor what comes later");
        assert_eq!(out.to.0, 0, "what was read was written");
    }

    #[test]
    fn a_full_disk_is_a_failure() {
        let mut out = Output::new(Pipe(3, ErrorKind::StorageFull));
        let error = out.write_all(b"seven or more").expect_err("it has no room");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}

//! What libxl's helper says to libxl: messages of a length, a number and fields, in the machine's own
//! order of bytes (`tools/libs/light/libxl_save_msgs_gen.pl`). Answers go the other way, without us.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, Sender};

/// The last message in that list: done, or failed.
const COMPLETE: u16 = 10;
/// Its bytes: number, result, error number.
const COMPLETE_BYTES: usize = 10;
/// `EIO`.
const IO_ERROR: i32 = 5;

/// A message, its length before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// The next message; `None` at the end.
    fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut length = [0; 2];
        if from.read(&mut length[..1])? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut length[1..])?;
        let mut bytes = length.to_vec();
        bytes.resize(2 + usize::from(u16::from_ne_bytes(length)), 0);
        from.read_exact(&mut bytes[2..])?;
        Ok(Some(Self(bytes)))
    }

    /// The last message of a helper that has failed.
    pub(super) fn failed() -> Self {
        let mut bytes = u16::to_ne_bytes(10).to_vec();
        bytes.extend(COMPLETE.to_ne_bytes());
        bytes.extend((-1_i32).to_ne_bytes());
        bytes.extend(IO_ERROR.to_ne_bytes());
        Self(bytes)
    }

    /// Of the last message: whether the helper has done what it was to do.
    pub(super) fn completion(&self) -> Option<bool> {
        let body = self.0.get(2..)?;
        let (number, rest) = body.split_first_chunk::<2>()?;
        let result = rest.first_chunk::<4>()?;
        let is_last = u16::from_ne_bytes(*number) == COMPLETE && body.len() == COMPLETE_BYTES;
        is_last.then_some(i32::from_ne_bytes(*result) == 0)
    }

    /// A message of a later libxl, of which we do not know whether it is the last.
    fn is_unknown(&self) -> bool {
        let number = self.0.get(2..).and_then(|body| body.first_chunk::<2>());
        number.is_none_or(|number| u16::from_ne_bytes(*number) > COMPLETE)
    }
}

/// Hands on what the helper says, until it says no more. The last message goes to `last`; if it says
/// that all is done, what comes back by `verdict` takes its place.
pub(super) fn relay(
    mut from: impl Read,
    mut to: impl Write,
    last: &Sender<Message>,
    verdict: &Receiver<Message>,
) -> io::Result<()> {
    while let Some(message) = Message::read(&mut from)? {
        let message = match message.completion() {
            Some(true) => {
                // If nobody waits any more, or nobody decides, it has failed.
                let verdict = last.send(message).ok().and_then(|()| verdict.recv().ok());
                verdict.unwrap_or_else(Message::failed)
            }
            Some(false) => {
                // There is nothing to decide, and the helper reads no more of the connection: to hold
                // this back would block who sends.
                let _nobody_waits = last.send(message.clone());
                message
            }
            None if message.is_unknown() => {
                return Err(io::Error::other(
                    "libxl's helper says what this tmemctl does not know",
                ));
            }
            None => message,
        };
        to.write_all(&message.0)?;
        to.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn message(number: u16, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(2 + rest.len()).expect("it is short");
        [&length.to_ne_bytes()[..], &number.to_ne_bytes(), rest].concat()
    }

    #[test]
    fn the_last_message_is_held_back_and_may_be_changed() {
        let log = message(1, b"words");
        let done = message(10, &[0; 8]);
        let said = [log.clone(), done.clone()].concat();
        let ((last, held), (verdict, answer)) = (channel(), channel());
        verdict.send(Message::failed()).expect("it is kept");
        let mut heard = Vec::new();
        relay(said.as_slice(), &mut heard, &last, &answer).expect("it is handed on");
        assert_eq!(held.recv().expect("it was held").completion(), Some(true));
        assert_eq!(heard, [log, Message::failed().0].concat());
        assert_eq!(Message::failed().completion(), Some(false));
    }

    #[test]
    fn without_a_verdict_it_has_failed() {
        let (last, held) = channel();
        let (_, answer) = channel();
        drop(held);
        let mut heard = Vec::new();
        relay(message(10, &[0; 8]).as_slice(), &mut heard, &last, &answer).expect("handed on");
        assert_eq!(heard, Message::failed().0);
    }

    #[test]
    fn that_it_has_failed_is_told_at_once() {
        let ((last, held), (_verdict, answer)) = (channel(), channel());
        let mut heard = Vec::new();
        relay(Message::failed().0.as_slice(), &mut heard, &last, &answer).expect("handed on");
        assert_eq!(heard, Message::failed().0);
        assert_eq!(held.recv().expect("it was told").completion(), Some(false));
    }

    #[test]
    fn what_a_later_libxl_says_ends_it() {
        let (last, _held) = channel();
        let (_verdict, answer) = channel();
        for said in [message(11, &[]), message(10, &[])[..3].to_vec()] {
            assert!(relay(said.as_slice(), io::sink(), &last, &answer).is_err());
        }
    }
}

//! The receiving side: each stream to whom it is for, and nothing is done before both are.

use super::connection::{Pipe, take};
use super::frames::{Content, HEAD_BYTES, Receiver};
use super::helper::Helper;
use super::{Call, Mode};
use crate::failure::{Failure, Kind};
use crate::hypervisor::Hypervisor;
use crate::transfer::Restorer;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Seek, SeekFrom, Write, pipe};
use std::os::fd::AsRawFd;
use std::thread;

/// Receives a domain: the real helper its memory, we its tmem.
pub(super) fn run<H: Hypervisor>(
    call: &Call,
    open: impl FnOnce() -> Result<H, Failure> + Send,
) -> Result<(), Failure> {
    debug_assert!(call.mode == Mode::Restore, "the caller has looked");
    let mut connection = take(call.stream, true)?;
    let Some(frames) = Receiver::begin(&connection)? else {
        return restore_without_us(call, &mut connection);
    };
    let Pipe { read, write } = Pipe::new(true)?;
    let mut helper = Helper::start(call, read.as_raw_fd())?;
    drop(read);
    let (tmem_read, tmem_write) = pipe()?;
    let done = thread::scope(|scope| {
        let (mut last, relaying) = helper.relay(scope);
        let helper = &helper;
        let restoring = scope.spawn(move || {
            let restored = restore_tmem(call.domain, tmem_read, open);
            if restored.is_err() {
                // What is still to come is of no use.
                helper.end();
            }
            restored
        });
        let received = hand_out(frames, File::from(write), tmem_write);
        if received.is_err() {
            helper.end();
        }
        let restored = restoring.join().unwrap_or_else(|_| {
            Err(Failure::new(Kind::Io, "the thread that restores the tmem died"))
        });
        let done = received.and(restored).and(last.wait());
        last.release(done.is_ok());
        helper.relayed(relaying);
        done
    });
    let ended = helper.wait();
    done.and(ended)
}

/// Hands each frame to whom it is for, until the last, or until nobody wants the tmem any more: why,
/// its own thread says.
fn hand_out(
    mut frames: Receiver<impl Read>,
    mut memory: File,
    mut tmem: PipeWriter,
) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    loop {
        match frames.next(&mut bytes)? {
            Content::Memory => memory.write_all(&bytes).map_err(|error| {
                Failure::from(error).context("libxl-save-helper does not read to the end")
            })?,
            Content::Tmem if tmem.write_all(&bytes).is_err() => return Ok(()),
            Content::Tmem => {}
            Content::End => return Ok(()),
        }
    }
}

fn restore_tmem<H: Hypervisor>(
    domain: u16,
    input: PipeReader,
    open: impl FnOnce() -> Result<H, Failure>,
) -> Result<(), Failure> {
    Restorer::new(open()?, domain).restore(input, &mut io::stderr()).map(drop)
}

/// Restores what was saved without us, if it is a file, of which what was read can be read again.
fn restore_without_us(call: &Call, connection: &mut File) -> Result<(), Failure> {
    let back = i64::try_from(HEAD_BYTES).unwrap_or_default();
    if connection.seek(SeekFrom::Current(-back)).is_err() {
        let said = "the sender runs without tmemctl, so a domain's tmem would be lost. Set \
                    LIBXL_SAVE_HELPER to tmemctl's path on the sending host, or, if the domain has \
                    no tmem, set it on neither";
        return Err(Failure::new(Kind::BadStream, said));
    }
    eprintln!("tmemctl: note: this was saved without tmemctl and has no tmem in it");
    let mut helper = Helper::start(call, call.stream)?;
    thread::scope(|scope| {
        let (mut last, _relaying) = helper.relay(scope);
        let done = last.wait().is_ok();
        last.release(done);
    });
    helper.wait()
}

//! The sending side: memory and tmem at the same time, then what the domain removed meanwhile.

use super::Call;
use super::connection::{Pipe, take};
use super::frames::{Content, FRAME_BYTES_MAX, Framed, Sender};
use super::helper::Helper;
use crate::failure::Failure;
use crate::host::Host;
use crate::hypervisor::Hypervisor;
use crate::stream::Totals;
use crate::transfer::{Way, save_to};
use crate::units::{BYTES_PER_PAGE, bytes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// How long to wait for more of the real helper before looking whether it is done.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Sends the domain: the real helper its memory, we its tmem.
pub(super) fn run<H: Hypervisor>(
    call: &Call,
    open: impl FnOnce() -> Result<H, Failure>,
) -> Result<(), Failure> {
    let sender = Sender::begin(take(call.stream, false)?)?;
    let Pipe { read, write } = Pipe::new(false)?;
    let mut helper = Helper::start(call, write.as_raw_fd())?;
    drop(write);
    let is_complete = AtomicBool::new(false);
    let done = thread::scope(|scope| {
        let (mut last, relaying) = helper.relay(scope);
        let memory =
            scope.spawn(|| send_memory(File::from(read), &sender, &is_complete, || helper.end()));
        let mut suspended = || last.wait();
        let saved = open().and_then(|hypervisor| {
            let host = &mut Host(hypervisor);
            let output = Framed(&sender, Content::Tmem);
            save_to(host, call.domain, Way::Live(&mut suspended), output)
        });
        if saved.is_err() {
            helper.end();
        }
        is_complete.store(true, Ordering::Release);
        let sent = match memory.join() {
            Ok(sent) => sent,
            Err(_) => Err(io::Error::other("the thread that sends the memory died")),
        };
        // Without a last frame the other side knows that this side has broken off.
        let done =
            saved.and_then(|totals| Ok(sent.and_then(|()| sender.end()).map(|()| totals)?));
        last.release(done.is_ok());
        helper.relayed(relaying);
        done
    });
    let ended = helper.wait();
    tell(call.domain, &done?);
    ended
}

/// Hands on what the real helper writes, until it has said that it is done and nothing is left. After an
/// error, of which `failed` is told, it goes on reading: the helper would be ended by a pipe that nobody
/// reads, and could not put the domain right.
fn send_memory(
    mut from: File,
    to: &Sender<impl Write>,
    is_complete: &AtomicBool,
    failed: impl FnOnce(),
) -> io::Result<()> {
    let mut bytes = vec![0; FRAME_BYTES_MAX];
    let mut sent = Ok(());
    let mut failed = Some(failed);
    loop {
        // In this order: what was written before it said so is there now.
        let is_last = is_complete.load(Ordering::Acquire);
        if poll(&mut [PollFd::new(&from, PollFlags::IN)], Some(&LOOK))? == 0 {
            if is_last {
                return sent;
            }
            continue;
        }
        let count = from.read(&mut bytes)?;
        if count == 0 {
            return sent;
        }
        if sent.is_ok() {
            sent = to.send(Content::Memory, bytes.get(..count).unwrap_or_default());
        }
        if sent.is_err()
            && let Some(failed) = failed.take()
        {
            failed();
        }
    }
}

fn tell(domain: u16, totals: &Totals) {
    let Totals { pools, pages, flushes, pools_gone, .. } = totals;
    let memory = bytes(pages.saturating_mul(BYTES_PER_PAGE));
    eprintln!(
        "tmemctl: domain {domain}: {pools} pools, {pages} pages ({memory}) sent; removed \
         meanwhile: {flushes} pages or objects, {pools_gone} pools"
    );
}

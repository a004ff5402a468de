//! The connection to the other side: an open file that libxl hands down, known by its number alone.

use crate::failure::{Failure, Kind};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::pipe::pipe;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;

/// An own handle on the open file of this number: read from it or written to as `is_read` says.
pub(super) fn take(number: i32, is_read: bool) -> Result<File, Failure> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|own| pidfd_getfd(own, number, PidfdGetfdFlags::empty()));
    let taken = match own {
        Ok(file) => Ok(File::from(file)),
        // Before Linux 5.6; not for sockets.
        Err(Errno::NOSYS) => {
            let name = format!("/proc/self/fd/{number}");
            OpenOptions::new().read(is_read).write(!is_read).open(name)
        }
        Err(error) => Err(io::Error::from(error)),
    };
    taken.map_err(|error| {
        Failure::new(Kind::Io, format!("open file {number}, which libxl names: {error}"))
    })
}

/// A pipe of which one end is for a child that is to be started and finds it under its number, and the
/// other is ours alone: if we go, it is closed.
pub(super) struct Pipe {
    pub(super) read: OwnedFd,
    pub(super) write: OwnedFd,
}

impl Pipe {
    /// A pipe that a child reads, or writes, as `is_read_by_child` says.
    pub(super) fn new(is_read_by_child: bool) -> io::Result<Self> {
        let (read, write) = pipe()?;
        fcntl_setfd(if is_read_by_child { &write } else { &read }, FdFlags::CLOEXEC)?;
        Ok(Self { read, write })
    }
}

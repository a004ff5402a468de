//! The near end of `far-tmemctl`'s socket: its hypervisor, which waits for the test before each look.

use crate::xen::Xen;
use hypercall_abi::control::{CONTROL_BYTES, ControlOp};
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;
use tempfile::TempDir;
use tmem_model_tests::World;
use tmemctl::hypervisor::{Hypervisor, Refusal};

/// Longer than this nothing takes that does not hang.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// What becomes of a look at the figures.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Go {
    /// It is answered.
    On,
    /// Its first operation is refused.
    Refuse(Refusal),
    /// The connection is cut instead.
    Cut,
}

/// See the module's head.
pub(crate) struct Far {
    folder: TempDir,
    asked: Receiver<rustix::process::Pid>,
    go: Sender<Go>,
    ended: Receiver<()>,
}

impl Far {
    /// Serves one program, with the service of `world`.
    pub(crate) fn of(world: &World) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let listener = UnixListener::bind(path_in(folder.path())).expect("a socket");
        let xen = Xen(world.service().clone());
        let (asks, asked) = mpsc::channel();
        let (go, goes) = mpsc::channel();
        let (ends, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("it connects");
            let _ = serve(stream, xen, &asks, &goes);
            let _ = ends.send(());
        });
        Self { folder, asked, go, ended }
    }

    /// The socket.
    pub(crate) fn path(&self) -> PathBuf {
        path_in(self.folder.path())
    }

    /// Waits until the program begins to look at the figures; whatever happens then happens before
    /// it sees them. Answers the program's number.
    pub(crate) fn asked(&self) -> rustix::process::Pid {
        self.asked.recv_timeout(LIMIT).expect("it looks at the figures")
    }

    /// Whether a look has begun.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.try_recv().is_ok()
    }

    /// Lets a look that has begun go on.
    pub(crate) fn go(&self, how: Go) {
        // Who is gone already is found to be by what is waited for next.
        let _ = self.go.send(how);
    }

    /// Waits for the program's end.
    pub(crate) fn ended(&self) {
        self.ended.recv_timeout(LIMIT).expect("it ends");
    }
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join("hypervisor")
}

fn serve(
    mut stream: UnixStream,
    mut xen: Xen,
    asks: &Sender<rustix::process::Pid>,
    goes: &Receiver<Go>,
) -> io::Result<()> {
    let pid = rustix::net::sockopt::socket_peercred(&stream)?.pid;
    loop {
        let (mut op, mut len) = ([0; CONTROL_BYTES], [0; 4]);
        stream.read_exact(&mut op)?;
        stream.read_exact(&mut len)?;
        let mut buffer = vec![0; usize::try_from(u32::from_le_bytes(len)).expect("it is small")];
        stream.read_exact(&mut buffer)?;
        // The first operation of a look.
        let is_look = ControlOp::decode(&op) == Ok(ControlOp::QueryFreeable);
        let go = if is_look && asks.send(pid).is_ok() { goes.recv().ok() } else { Some(Go::On) };
        let result = match go {
            Some(Go::On) => xen.control(&mut op, &mut buffer),
            Some(Go::Refuse(refusal)) => Err(refusal),
            Some(Go::Cut) | None => return Ok(()),
        };
        let result = result.map_or_else(|Refusal(number)| -i64::from(number), i64::from);
        stream.write_all(&[&result.to_le_bytes(), &op[..], &buffer].concat())?;
    }
}

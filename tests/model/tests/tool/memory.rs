//! What memory the tool takes to save and restore a domain: as much for many pages as for few.

use crate::xen::Xen;
use hypercall_abi::control::{CONTROL_BYTES, ControlOp, SaveOp};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use tmem_host_sim::Content;
use tmem_model_tests::{World, at, flags};
use tmemctl::hypervisor::{Hypervisor, Refusal};

/// Few pages, and 80 MiB.
const FEW: u32 = 200;
const MANY: u32 = 20_000;
/// By how much what the program takes may differ by itself.
const SLACK_KIB: u64 = 4 << 10;

/// Carries out what a program asks for, and tells the most memory that it had, in KiB, as far as it was
/// looked at: at each thousandth operation, and when a save or a restore is about to end.
fn serve(mut stream: UnixStream, mut xen: Xen) -> u64 {
    let pid = rustix::net::sockopt::socket_peercred(&stream).expect("it has one").pid;
    let (mut nr_operations, mut most) = (0_u32, 0);
    loop {
        let (mut op, mut len) = ([0; CONTROL_BYTES], [0; 4]);
        if stream.read_exact(&mut op).is_err() {
            return most;
        }
        stream.read_exact(&mut len).expect("it is whole");
        let mut buffer = vec![0; usize::try_from(u32::from_le_bytes(len)).expect("it is small")];
        stream.read_exact(&mut buffer).expect("it is whole");
        let is_a_page = matches!(
            ControlOp::decode(&op),
            Ok(ControlOp::Save(SaveOp::NextPage { .. } | SaveOp::RestorePut { .. }))
        );
        if !is_a_page || nr_operations.is_multiple_of(1000) {
            most = most.max(most_of(pid).expect("it is there"));
        }
        nr_operations += 1;
        let result = xen.control(&mut op, &mut buffer);
        let result = result.map_or_else(|Refusal(number)| -i64::from(number), i64::from);
        stream.write_all(&[&result.to_le_bytes(), &op[..], &buffer].concat()).expect("it waits");
    }
}

/// The most memory that a process had so far, in KiB.
fn most_of(pid: rustix::process::Pid) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    words.and_then(|word| word.parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
}

/// Runs the program; the most memory that it had.
fn run(world: &World, folder: &Path, words: &[&str]) -> u64 {
    let socket = folder.join("hypervisor");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let mut program = Command::new(env!("CARGO_BIN_EXE_far-tmemctl"));
    program.arg(&socket).args(words.iter().map(OsStr::new));
    let mut program = program.spawn().expect("it starts");
    let (stream, _) = listener.accept().expect("it connects");
    let most = serve(stream, Xen(world.service().clone()));
    assert!(program.wait().expect("it ends").success(), "{words:?}");
    std::fs::remove_file(socket).expect("it is there");
    most
}

/// What a save and a restore of so many pages take, in KiB.
fn measured(nr_pages: u32, more: &[&str]) -> [u64; 2] {
    let world = World::with_frames(2 * MANY as usize + 5000);
    let guest = world.guest(1);
    assert_eq!(guest.new_pool(flags::PERSISTENT, 0), 0);
    let handle = |nr: u32| at(0, u64::from(nr % 7), nr);
    for nr in 0..nr_pages {
        assert_eq!(guest.put(handle(nr), Content::Unique(nr)), 1);
    }
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("domain.tmem");
    let file = file.to_str().expect("a plain name");
    let saved = run(&world, folder.path(), &[&["save", "1", file], more].concat());
    let restored = run(&world, folder.path(), &["restore", "2", file]);
    for nr in (0..nr_pages).step_by(97) {
        assert_eq!(world.guest(2).get(handle(nr)), (1, Some(Content::Unique(nr))));
    }
    [saved, restored]
}

#[test]
fn saving_and_restoring_take_as_much_memory_for_many_pages_as_for_few() {
    for more in [&[][..], &["--live", "--suspend", "true"]] {
        let (few, many) = (measured(FEW, more), measured(MANY, more));
        for (few, many) in few.into_iter().zip(many) {
            assert!(few > 0 && many < few + SLACK_KIB, "{few} KiB for few pages, {many} for many");
        }
    }
}

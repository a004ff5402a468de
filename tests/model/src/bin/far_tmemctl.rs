//! `tmemctl` itself, but that its hypervisor is at the other end of a socket, where a test has it.
//!
//! The socket's path is the first argument; what follows is `tmemctl`'s command line. An operation
//! goes out as its bytes, the buffer's length in 4 bytes, and the buffer; what comes back is the
//! result in 8 bytes, an error's number below 0, then the operation and the buffer as they are then.
//! Numbers are little-endian.
#![forbid(unsafe_code)]

use hypercall_abi::control::CONTROL_BYTES;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use tmemctl::hypervisor::{Hypervisor, Refusal};

struct Far(UnixStream);

impl Hypervisor for Far {
    fn control(&mut self, op: &mut [u8; CONTROL_BYTES], buffer: &mut [u8]) -> Result<u32, Refusal> {
        let len = u32::try_from(buffer.len()).expect("buffers are small");
        let call = [&op[..], &len.to_le_bytes(), buffer].concat();
        // A panic here is the program's own, in the middle of whatever it was doing.
        self.0.write_all(&call).expect("the test listens");
        let mut result = [0; 8];
        for part in [&mut result[..], op, buffer] {
            self.0.read_exact(part).expect("the test answers");
        }
        let result = i64::from_le_bytes(result);
        let refused = |_| Refusal(i32::try_from(-result).expect("an error's number"));
        u32::try_from(result).map_err(refused)
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let program = words.next().expect("a program's name");
    let socket = words.next().expect("the socket's path");
    tmemctl::main_on([program].into_iter().chain(words), || {
        Ok(Far(UnixStream::connect(socket).expect("the test listens")))
    })
}

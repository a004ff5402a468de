//! The service as the tool's hypervisor.

use clap::Parser;
use hypercall_abi::control::CONTROL_BYTES;
use std::sync::Arc;
use tmem_host_sim::SimToolstack;
use tmem_model_tests::{SimService, World};
use tmem_service::ControlOutcome;
use tmemctl::cli::Cli;
use tmemctl::failure::Failure;
use tmemctl::hypervisor::{Hypervisor, Refusal};

/// Where the tool's buffer lies.
const BUFFER: u64 = 0x7000;
/// Where an operation has its address.
const BUFFER_OFFSET: usize = 48;

/// The service, reached as from user space.
#[derive(Clone)]
pub(crate) struct Xen(pub(crate) Arc<SimService>);

impl Hypervisor for Xen {
    fn control(&mut self, op: &mut [u8; CONTROL_BYTES], buffer: &mut [u8]) -> Result<u32, Refusal> {
        op[BUFFER_OFFSET..].copy_from_slice(&BUFFER.to_le_bytes());
        let memory = SimToolstack::new(self.0.platform(), BUFFER, buffer);
        let status = loop {
            match self.0.control(op, &memory) {
                ControlOutcome::Done(status) => break status.encode(),
                ControlOutcome::Again => {}
            }
        };
        buffer.copy_from_slice(&memory.bytes());
        let refused = |_| Refusal(i32::try_from(-status).expect("an error's number"));
        u32::try_from(status).map_err(refused)
    }
}

/// What a command printed.
pub(crate) fn tool(world: &World, words: &[&str]) -> Result<String, Failure> {
    let cli = Cli::try_parse_from([&["tmemctl"], words].concat()).expect("it is a command");
    let (mut out, mut said) = (Vec::new(), Vec::new());
    tmemctl::run(&cli, || Ok(Xen(world.service().clone())), &mut out, &mut said)?;
    Ok(String::from_utf8(out).expect("text"))
}

/// What it printed, which is JSON.
pub(crate) fn json(world: &World, words: &[&str]) -> serde_json::Value {
    let text = tool(world, words).expect("it answers");
    serde_json::from_str(&text).expect("it is JSON")
}

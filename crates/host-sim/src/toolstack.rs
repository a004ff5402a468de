//! A toolstack on a [`SimHost`]: one buffer at an address, and copies between it and the frames.

use crate::hooks::Direction;
use crate::host::SimHost;
use crate::locks;
use core::ops::Range;
use hypercall_abi::PAGE_SIZE_BYTES;
use std::cell::RefCell;
use tmem_engine::FrameId;
use tmem_service::{BadBuffer, ToolstackMemory};

/// Where a hook divides a copy.
const HALF: usize = PAGE_SIZE_BYTES / 2;

/// See the module's head. What lies outside of the buffer can't be accessed.
///
/// The hooks of [`SimHost::on_next_copy`] run in the middle of its copies of pages too.
pub struct SimToolstack<'a> {
    host: &'a SimHost,
    address: u64,
    bytes: RefCell<Vec<u8>>,
}

impl<'a> SimToolstack<'a> {
    /// A buffer that holds `bytes` at `address`.
    pub fn new(host: &'a SimHost, address: u64, bytes: &[u8]) -> Self {
        Self { host, address, bytes: RefCell::new(bytes.to_vec()) }
    }

    /// What it holds now.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.borrow().clone()
    }

    /// Writes `bytes` to its beginning.
    ///
    /// # Panics
    /// If they do not fit: the test's mistake.
    pub fn fill(&self, bytes: &[u8]) {
        self.bytes.borrow_mut()[..bytes.len()].copy_from_slice(bytes);
    }

    /// Where in the buffer `len` bytes at `address` lie, if all of them do.
    fn range(&self, address: u64, len: usize) -> Result<Range<usize>, BadBuffer> {
        let from = address.checked_sub(self.address).ok_or(BadBuffer)?;
        let from = usize::try_from(from).map_err(|_| BadBuffer)?;
        let end = from.checked_add(len).ok_or(BadBuffer)?;
        if end <= self.bytes.borrow().len() { Ok(from..end) } else { Err(BadBuffer) }
    }

    fn hook(&self, direction: Direction) {
        if let Some(hook) = self.host.hooks.take(direction) {
            hook();
        }
    }
}

impl ToolstackMemory for SimToolstack<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), BadBuffer> {
        locks::assert_none_held("a read of the toolstack's buffer");
        let range = self.range(address, into.len())?;
        into.copy_from_slice(&self.bytes.borrow()[range]);
        Ok(())
    }

    fn write(&self, address: u64, from: &[u8]) -> Result<(), BadBuffer> {
        locks::assert_none_held("a write to the toolstack's buffer");
        let range = self.range(address, from.len())?;
        self.bytes.borrow_mut()[range].copy_from_slice(from);
        Ok(())
    }

    fn read_page(&self, address: u64, into: FrameId) -> Result<(), BadBuffer> {
        locks::assert_none_held("a read of the toolstack's page");
        let mut into = self.host.frames.write(into);
        let range = self.range(address, PAGE_SIZE_BYTES);
        if let Ok(range) = &range {
            into[..HALF].copy_from_slice(&self.bytes.borrow()[range.clone()][..HALF]);
        }
        self.hook(Direction::In);
        into[HALF..].copy_from_slice(&self.bytes.borrow()[range?][HALF..]);
        Ok(())
    }

    fn write_page(&self, address: u64, from: FrameId) -> Result<(), BadBuffer> {
        locks::assert_none_held("a write to the toolstack's page");
        let from = self.host.frames.read(from);
        let range = self.range(address, PAGE_SIZE_BYTES);
        if let Ok(range) = &range {
            self.bytes.borrow_mut()[range.clone()][..HALF].copy_from_slice(&from[..HALF]);
        }
        self.hook(Direction::Out);
        self.bytes.borrow_mut()[range?][HALF..].copy_from_slice(&from[HALF..]);
        Ok(())
    }
}

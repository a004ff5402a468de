//! A toolstack's memory: one buffer at an address, and nothing else. Not for whole pages, which
//! `SimToolstack` carries.

use std::cell::RefCell;
use tmem_service::{BadBuffer, FrameId, ToolstackMemory};

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Buffer {
    address: u64,
    bytes: RefCell<Vec<u8>>,
}

impl Buffer {
    /// A buffer that holds `bytes` at `address`.
    pub fn new(address: u64, bytes: &[u8]) -> Self {
        Self { address, bytes: RefCell::new(bytes.to_vec()) }
    }

    /// What it holds now.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.borrow().clone()
    }

    /// Where in the buffer `len` bytes at `address` lie.
    fn range(&self, address: u64, len: usize) -> Result<std::ops::Range<usize>, BadBuffer> {
        let from = address.checked_sub(self.address).ok_or(BadBuffer)?;
        let from = usize::try_from(from).map_err(|_| BadBuffer)?;
        Ok(from..from.checked_add(len).ok_or(BadBuffer)?)
    }
}

impl ToolstackMemory for Buffer {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), BadBuffer> {
        let range = self.range(address, into.len())?;
        into.copy_from_slice(self.bytes.borrow().get(range).ok_or(BadBuffer)?);
        Ok(())
    }

    fn write(&self, address: u64, from: &[u8]) -> Result<(), BadBuffer> {
        let range = self.range(address, from.len())?;
        self.bytes.borrow_mut().get_mut(range).ok_or(BadBuffer)?.copy_from_slice(from);
        Ok(())
    }

    fn read_page(&self, _address: u64, _into: FrameId) -> Result<(), BadBuffer> {
        Err(BadBuffer)
    }

    fn write_page(&self, _address: u64, _from: FrameId) -> Result<(), BadBuffer> {
        Err(BadBuffer)
    }
}

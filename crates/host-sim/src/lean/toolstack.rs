//! A toolstack on a [`LeanHost`]: a buffer that is read and written as fast as a hypervisor would.

use super::LeanHost;
use crate::memory::{PAGE_WORDS, PageWords, copy_page_words};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;
use tmem_engine::FrameId;
use tmem_service::{BadBuffer, ToolstackMemory};

/// Words of the buffer: a page, and its name before it.
const WORDS: usize = 4 + PAGE_WORDS;
const WORD_BYTES: u64 = size_of::<u64>() as u64;

/// See the module's head. The buffer begins at address 0.
pub struct LeanToolstack<'a> {
    host: &'a LeanHost,
    words: Box<[AtomicU64; WORDS]>,
}

impl<'a> LeanToolstack<'a> {
    /// A toolstack of `host`.
    pub fn new(host: &'a LeanHost) -> Self {
        Self { host, words: Box::new([const { AtomicU64::new(0) }; WORDS]) }
    }

    /// Its buffer.
    pub const fn words(&self) -> &[AtomicU64; WORDS] {
        &self.words
    }

    /// The words from `address` on.
    fn at(&self, address: u64) -> Result<&[AtomicU64], BadBuffer> {
        let first = usize::try_from(address / WORD_BYTES).map_err(|_| BadBuffer)?;
        let is_word = address.is_multiple_of(WORD_BYTES);
        self.words.get(first..).filter(|_| is_word).ok_or(BadBuffer)
    }

    fn page(&self, address: u64) -> Result<&PageWords, BadBuffer> {
        self.at(address)?.first_chunk().ok_or(BadBuffer)
    }
}

impl ToolstackMemory for LeanToolstack<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), BadBuffer> {
        let (places, rest) = into.as_chunks_mut();
        let words = self.at(address)?.get(..places.len()).filter(|_| rest.is_empty());
        for (place, word) in places.iter_mut().zip(words.ok_or(BadBuffer)?) {
            *place = word.load(Relaxed).to_le_bytes();
        }
        Ok(())
    }

    fn write(&self, address: u64, from: &[u8]) -> Result<(), BadBuffer> {
        let (values, rest) = from.as_chunks();
        let words = self.at(address)?.get(..values.len()).filter(|_| rest.is_empty());
        for (&value, word) in values.iter().zip(words.ok_or(BadBuffer)?) {
            word.store(u64::from_le_bytes(value), Relaxed);
        }
        Ok(())
    }

    fn read_page(&self, address: u64, into: FrameId) -> Result<(), BadBuffer> {
        copy_page_words(self.host.frame_words(into).ok_or(BadBuffer)?, self.page(address)?);
        Ok(())
    }

    fn write_page(&self, address: u64, from: FrameId) -> Result<(), BadBuffer> {
        copy_page_words(self.page(address)?, self.host.frame_words(from).ok_or(BadBuffer)?);
        Ok(())
    }
}

//! A line of LIST: a letter, and keys with their values.
//!
//! No formatting machinery of the language: it would be most of the code in the object, and its
//! calls go through tables.

use tmem_engine::DomainId;

/// Bytes that a line may have. The longest has 24 keys of at most 24 bytes.
const LINE_BYTES_MAX: usize = 640;

/// A line that is being written. What does not fit is left out; none is that long.
pub(crate) struct Line {
    bytes: [u8; LINE_BYTES_MAX],
    len: usize,
}

impl Line {
    /// A line that begins with `letter`.
    pub(crate) const fn new(letter: u8) -> Self {
        let mut bytes = [0; LINE_BYTES_MAX];
        (bytes[0], bytes[1]) = (letter, b'=');
        Self { bytes, len: 2 }
    }

    /// A key with a decimal value.
    pub(crate) fn decimal(&mut self, key: &[u8; 2], value: u64) -> &mut Self {
        self.key(key).number(value, 10)
    }

    /// A key with a hexadecimal value, without prefix or padding.
    pub(crate) fn hex(&mut self, key: &[u8; 2], value: u64) -> &mut Self {
        self.key(key).number(value, 16)
    }

    /// A key with a domain's number.
    pub(crate) fn domain(&mut self, key: &[u8; 2], domain: DomainId) -> &mut Self {
        self.decimal(key, domain.0.into())
    }

    /// A key with a word.
    pub(crate) fn word(&mut self, key: &[u8; 2], word: &[u8]) -> &mut Self {
        self.key(key).push(word)
    }

    /// The line's bytes, with its end and a NUL.
    pub(crate) fn end(&mut self) -> &[u8] {
        // Room for these two is kept.
        for (at, byte) in (self.len..).zip([b'\n', 0]) {
            if let Some(place) = self.bytes.get_mut(at) {
                *place = byte;
            }
        }
        self.bytes.get(..self.len + 2).unwrap_or_default()
    }

    fn key(&mut self, key: &[u8; 2]) -> &mut Self {
        if self.len > 2 {
            self.push(b",");
        }
        self.push(key).push(b":")
    }

    fn push(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.len + bytes.len();
        if end + 2 <= LINE_BYTES_MAX
            && let Some(place) = self.bytes.get_mut(self.len..end)
        {
            place.copy_from_slice(bytes);
            self.len = end;
        }
        self
    }

    #[inline(never)]
    fn number(&mut self, value: u64, base: u64) -> &mut Self {
        let mut digits = [0; 20];
        let (mut at, mut left) = (digits.len(), value);
        loop {
            at -= 1;
            let digit = u8::try_from(left % base).unwrap_or_default();
            if let Some(place) = digits.get_mut(at) {
                *place = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            }
            left /= base;
            if left == 0 || at == 0 {
                break;
            }
        }
        self.push(digits.get(at..).unwrap_or_default())
    }
}

//! The input, taken from the front in small pieces.

/// What is left of an input.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    /// The next `N` bytes; `None`, and the rest stays, if there are fewer.
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (&taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `N` bytes, filled up with zeroes.
    pub(crate) fn take_or_zero<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.take().map_or(0, |[byte]| byte))
    }
}

/// One of `choices`.
pub(crate) fn pick<T: Copy, const N: usize>(byte: u8, choices: [T; N]) -> T {
    choices[usize::from(byte) % N]
}

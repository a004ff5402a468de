//! A string of bounded length without an allocator.

use core::fmt::{self, Debug, Display, Formatter, Write};

/// Up to `N` bytes of text (`N` at most 255); what does not fit is cut off at a character's end.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    length: u8,
}

impl<const N: usize> Text<N> {
    /// No text.
    pub const EMPTY: Self = Self { bytes: [0; N], length: 0 };

    /// The text of a `format_args!`.
    pub fn of(arguments: fmt::Arguments<'_>) -> Self {
        let mut text = Self::EMPTY;
        // Never an error of ours: `write_str` cuts off instead.
        let _cut = text.write_fmt(arguments);
        text
    }

    /// The text so far.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for character in more.chars() {
            let mut buffer = [0; 4];
            let encoded = character.encode_utf8(&mut buffer).as_bytes();
            let start = usize::from(self.length);
            let end = start + encoded.len();
            let (Some(place), Ok(length)) = (self.bytes.get_mut(start..end), u8::try_from(end))
            else {
                return Ok(());
            };
            place.copy_from_slice(encoded);
            self.length = length;
        }
        Ok(())
    }
}

impl<const N: usize> Display for Text<N> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> Debug for Text<N> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn holds_what_fits() {
        assert_eq!(Text::<8>::of(format_args!("{}-{}", 12, 34)).as_str(), "12-34");
        assert_eq!(Text::<3>::of(format_args!("abcd")).as_str(), "abc");
    }

    #[test]
    fn never_cuts_a_character_in_two() {
        assert_eq!(Text::<3>::of(format_args!("aé€")).as_str(), "aé");
    }
}

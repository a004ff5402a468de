//! The formats of published traces.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::str::FromStr;

/// Blocks of a page: a block has 512 bytes.
const BLOCKS_PER_PAGE: u64 = 8;

/// How references are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Lines of text, `PAGE COUNT IGNORED REQUEST`, each a reference to one page.
    Pages,
    /// The same, `BLOCK COUNT IGNORED REQUEST`: a reference to each page that holds one of COUNT blocks
    /// of 512 bytes.
    Blocks,
    /// 32-bit big-endian integers, each a key.
    Keys,
}

/// The references in a trace's text or bytes.
///
/// # Errors
/// When it is not of this format.
pub(super) fn references(format: Format, bytes: &[u8]) -> Result<Vec<u64>> {
    if format == Format::Keys {
        let (keys, rest) = bytes.as_chunks();
        ensure!(rest.is_empty(), "it ends within a key");
        return Ok(keys.iter().map(|&key| u64::from(u32::from_be_bytes(key))).collect());
    }
    let text = std::str::from_utf8(bytes).context("it is no text")?;
    let mut references = Vec::new();
    for (nth, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let (first, count) = record(line).with_context(|| format!("line {nth} is {line:?}"))?;
        match format {
            Format::Blocks => {
                let last = first + count - 1;
                references.extend(first / BLOCKS_PER_PAGE..=last / BLOCKS_PER_PAGE);
            }
            Format::Pages | Format::Keys => references.push(first),
        }
    }
    Ok(references)
}

/// First number and count, at least 1, of a record.
fn record(line: &str) -> Result<(u64, u64)> {
    let mut fields = line.split_ascii_whitespace().map(u64::from_str);
    let mut next = || anyhow::Ok(fields.next().context("a field is missing")??);
    let (first, count) = (next()?, next()?);
    ensure!(count > 0, "it covers nothing");
    ensure!(first.checked_add(count).is_some(), "it goes beyond all numbers");
    Ok((first, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_covers_every_page_that_it_touches() {
        let text = "230027 8 0 0\n16 1 0 1\n15 2 0 2\n\n";
        let blocks = references(Format::Blocks, text.as_bytes()).expect("a good trace");
        // Blocks 230027 to 230034 lie in two pages; 15 and 16 lie on both sides of a border.
        assert_eq!(blocks, [28753, 28754, 2, 1, 2]);
        let pages = references(Format::Pages, text.as_bytes()).expect("a good trace");
        assert_eq!(pages, [230_027, 16, 15]);
    }

    #[test]
    fn keys_are_big_endian() {
        let bytes = [0, 0, 1, 2, 0xff, 0, 0, 0];
        assert_eq!(references(Format::Keys, &bytes).expect("two keys"), [258, 0xff00_0000]);
        assert!(references(Format::Keys, &bytes[..7]).is_err());
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_line() {
        for text in ["1 1 0 0\nx 1 0 0", "1 1 0 0\n7", "1 1 0 0\n7 0 0 0", "1 1 0 0\n7 -1"] {
            let error = references(Format::Blocks, text.as_bytes()).expect_err("a bad record");
            assert!(error.to_string().starts_with("line 2"), "{error}");
        }
        assert!(references(Format::Pages, &[0xff, 0xfe]).is_err());
        let far = format!("{} 2 0 0", u64::MAX);
        assert!(references(Format::Blocks, far.as_bytes()).is_err());
    }
}

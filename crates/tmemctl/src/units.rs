//! Numbers for people, and back.

use hypercall_abi::Uuid;

/// KiB in a page.
pub(crate) const KIB_PER_PAGE: u64 = 4;
/// Bytes in a page, and in a frame.
pub(crate) const BYTES_PER_PAGE: u64 = KIB_PER_PAGE * 1024;

/// Bytes as a person reads them, with the unit: at most four digits before it.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    // Tenths, rounded down, so that no more is said than there is.
    let mut unit = 0;
    let mut tenths = u128::from(count) * 10 / 1024;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let unit = UNITS[unit];
    if tenths < 1000 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", tenths / 10)
    }
}

/// Parts of a whole as percents; a dash if there is no whole.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let tenths = (u128::from(part) * 1000).checked_div(u128::from(whole));
    tenths.map_or_else(|| "-".to_owned(), |tenths| format!("{}.{}", tenths / 10, tenths % 10))
}

/// An amount of memory in KiB, from `512M`, `2GiB`, `64 KiB`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_kib(text: &str) -> Result<u32, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "a number and a unit: 512M, 2G".to_owned())?;
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "k" | "kib" => 0,
        "m" | "mib" => 10,
        "g" | "gib" => 20,
        "t" | "tib" => 30,
        "" => return Err("without a unit; say K, M, G or T".to_owned()),
        other => return Err(format!("the unit {other} is none of K, M, G, T (of 1024)")),
    };
    let kib = number.checked_mul(1 << shift).and_then(|kib| u32::try_from(kib).ok());
    kib.ok_or_else(|| "more than one call can ask for (4 TiB)".to_owned())
}

/// A uuid as `xl tmem-shared-auth` took it: the first half is the high word.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_uuid(text: &str) -> Result<Uuid, String> {
    let [high, low] = uuid_halves(text)?;
    Ok(Uuid([low, high]))
}

/// A uuid as `blkid` shows a file system's: 16 bytes in their order, of which a guest makes two
/// little-endian words.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_fs_uuid(text: &str) -> Result<Uuid, String> {
    let [first, second] = uuid_halves(text)?;
    Ok(Uuid([first.swap_bytes(), second.swap_bytes()]))
}

/// The digits before and behind the middle, as numbers.
fn uuid_halves(text: &str) -> Result<[u64; 2], String> {
    let wrong = || format!("{text} has not the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    let groups: Vec<&str> = text.split('-').collect();
    let has_form = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]);
    let digits = groups.concat();
    if !has_form || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let (first, second) = digits.split_at(16);
    let half = |digits| u64::from_str_radix(digits, 16).map_err(|_| wrong());
    Ok([half(first)?, half(second)?])
}

/// A uuid as [`parse_uuid`] reads it.
pub(crate) fn uuid(Uuid([low, high]): Uuid) -> String {
    let digits = format!("{high:016x}{low:016x}");
    let group = |from: usize, to: usize| &digits[from..to];
    [group(0, 8), group(8, 12), group(12, 16), group(16, 20), group(20, 32)].join("-")
}

/// A uuid as [`parse_fs_uuid`] reads it.
pub(crate) fn fs_uuid(Uuid([low, high]): Uuid) -> String {
    uuid(Uuid([high.swap_bytes(), low.swap_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_have_units_and_are_rounded_down() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1535, "1.4 KiB"),
            (102_400, "100 KiB"),
            (1024 * 1024 - 1, "1023 KiB"),
            (1024 * 1024, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16383 PiB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(count), text, "{count}");
        }
    }

    #[test]
    fn amounts_need_a_unit() {
        assert_eq!(parse_kib("64K"), Ok(64));
        assert_eq!(parse_kib("3 MiB"), Ok(3072));
        assert_eq!(parse_kib("2g"), Ok(2 << 20));
        assert_eq!(parse_kib("3T"), Ok(3 << 30));
        for wrong in ["", "5", "M", "-1M", "1.5G", "5X", "4T", "99999999999999999999K"] {
            assert!(parse_kib(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn percents_of_nothing_are_a_dash() {
        assert_eq!(percent(0, 0), "-");
        assert_eq!(percent(1, 3), "33.3");
        assert_eq!(percent(u64::MAX, u64::MAX), "100.0");
    }

    #[test]
    fn p70_letters_are_digits_too() {
        let text = "abcdef01-2345-6789-abcd-ef0123456789";
        assert_eq!(parse_uuid(text), Ok(Uuid([0xabcd_ef01_2345_6789, 0xabcd_ef01_2345_6789])));
        assert_eq!(parse_uuid(&text.to_uppercase()), parse_uuid(text));
        let text = "00010203-0405-0607-0809-0a0b0c0d0e0f";
        assert_eq!(parse_uuid(text), Ok(Uuid([0x0809_0a0b_0c0d_0e0f, 0x0001_0203_0405_0607])));
        assert_eq!(parse_fs_uuid(text), Ok(Uuid([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908])));
        for wrong in [
            "",
            "00010203040506070809-0a0b0c0d0e0f",
            "00010203-0405-0607-0809-0a0b0c0d0e0g",
            "00010203-0405-0607-0809-0a0b0c0d0e0f0",
            "+0010203-0405-0607-0809-0a0b0c0d0e0f",
        ] {
            assert!(parse_uuid(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn p70_a_uuid_comes_back_as_it_was(words in any::<[u64; 2]>()) {
            prop_assert_eq!(parse_uuid(&uuid(Uuid(words))), Ok(Uuid(words)));
            prop_assert_eq!(parse_fs_uuid(&fs_uuid(Uuid(words))), Ok(Uuid(words)));
        }
    }
}

//! The flags word of NEW_POOL, against the header's table, in the order of the original's checks.

use hypercall_abi::{PoolFlagError, PoolFlags};

/// Bits 24 to 31.
const VERSION_1: u32 = 1 << 24;

/// The answer that stable-4.11 gives to the low 24 bits of a word of version 1.
fn expected(low: u32) -> Result<(bool, bool), PoolFlagError> {
    let (persist, shared) = (low & 1 != 0, low & 2 != 0);
    let page_size = low >> 4 & 0xf;
    let reserved = low & 0x00ff_ff00;
    if shared && persist {
        Err(PoolFlagError::SharedPersistent)
    } else if page_size != 0 {
        Err(PoolFlagError::PageSize(page_size))
    } else if low & 4 != 0 {
        Err(PoolFlagError::Precompressed)
    } else if reserved != 0 {
        Err(PoolFlagError::Reserved(reserved))
    } else {
        Ok((persist, shared))
    }
}

fn judged(word: u32) -> Result<(bool, bool), PoolFlagError> {
    let flags = PoolFlags::check(word)?;
    Ok((flags.contains(PoolFlags::PERSIST), flags.contains(PoolFlags::SHARED)))
}

#[test]
fn r24_every_word_of_the_right_version_is_judged_as_the_table_says() {
    // All values of the bits with a meaning, with all single and many mixed reserved bits.
    for low in 0..=0xffff_u32 {
        for high in [0, 1, 0x10, 0x80, 0xff] {
            let low = low | high << 16;
            assert_eq!(judged(VERSION_1 | low), expected(low), "{low:#x}");
        }
    }
}

#[test]
fn r24_p74_every_other_version_is_refused_first() {
    for version in (0..=255).filter(|&version| version != 1) {
        for low in (0..=0xff_ffff).step_by(0x1357) {
            let verdict = PoolFlags::check(version << 24 | low);
            assert_eq!(verdict, Err(PoolFlagError::Version(version)));
        }
    }
}

#[test]
fn a_guests_word_is_accepted_as_it_was_meant() {
    for flags in [PoolFlags::empty(), PoolFlags::PERSIST, PoolFlags::SHARED] {
        assert_eq!(PoolFlags::check(flags.to_word()), Ok(flags));
    }
    assert_eq!(PoolFlags::empty().to_word(), 0x0100_0000);
    assert_eq!(PoolFlags::PERSIST.to_word(), 0x0100_0001);
    assert_eq!(PoolFlags::SHARED.to_word(), 0x0100_0002);
}

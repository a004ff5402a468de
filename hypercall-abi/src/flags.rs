//! The flags word of NEW_POOL.

use bitflags::bitflags;

bitflags! {
    /// The meaning-bearing bits of the NEW_POOL flags word (`TMEM_POOL_*` in `public/tmem.h`).
    ///
    /// Bit 3 has no name there and was never checked; it is accepted and ignored.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PoolFlags: u32 {
        /// Persistent: pages stay until flushed. Clear: ephemeral.
        const PERSIST = 1 << 0;
        /// Shared between the domains that present the same uuid.
        const SHARED = 1 << 1;
        /// Never implemented; refused.
        const PRECOMPRESSED = 1 << 2;
    }
}

/// Shift of the page-size field: log2(page size) - 12.
const PAGE_SIZE_SHIFT: u32 = 4;
/// Mask of the page-size field after shifting.
const PAGE_SIZE_MASK: u32 = 0xf;
/// Bits that must be zero.
const RESERVED_MASK: u32 = 0x00ff_ff00;
/// Shift of the ABI version; the field reaches to bit 31.
const VERSION_SHIFT: u32 = 24;
/// The one ABI version there is: 192-bit object ids.
const VERSION: u32 = 1;

/// Why a flags word is refused. All answer -1 on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolFlagError {
    /// The version field, held here, is not 1.
    Version(u32),
    /// Shared and persistent at once: refused since Xen 4.5.
    SharedPersistent,
    /// The page-size field, held here, names something else than 4096 bytes.
    PageSize(u32),
    /// The PRECOMPRESSED bit is set.
    Precompressed,
    /// Reserved bits, held here, are set.
    Reserved(u32),
}

impl PoolFlags {
    /// Judges a flags word in the order of Xen stable-4.11's `do_tmem_new_pool`.
    ///
    /// # Errors
    /// The first objection, in the order of [`PoolFlagError`]'s variants.
    pub const fn check(word: u32) -> Result<Self, PoolFlagError> {
        let flags = Self::from_bits_truncate(word);
        let version = word >> VERSION_SHIFT;
        if version != VERSION {
            return Err(PoolFlagError::Version(version));
        }
        if flags.contains(Self::SHARED) && flags.contains(Self::PERSIST) {
            return Err(PoolFlagError::SharedPersistent);
        }
        let page_size = (word >> PAGE_SIZE_SHIFT) & PAGE_SIZE_MASK;
        if page_size != 0 {
            return Err(PoolFlagError::PageSize(page_size));
        }
        if flags.contains(Self::PRECOMPRESSED) {
            return Err(PoolFlagError::Precompressed);
        }
        let reserved = word & RESERVED_MASK;
        if reserved != 0 {
            return Err(PoolFlagError::Reserved(reserved));
        }
        Ok(flags)
    }

    /// The word that a guest sends for these flags: version 1, 4096-byte pages.
    pub const fn to_word(self) -> u32 {
        self.bits() | (VERSION << VERSION_SHIFT)
    }
}

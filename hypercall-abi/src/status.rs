//! The answer: every status that `tmem_op` can return, and its number.

/// The result of one operation, as the guest will see it.
///
/// Numbers are Xen's errno values (equal to Linux's) and the two codes of tmem's own, 1000 and
/// 1001. Sources: `xen/common/tmem.c` at stable-4.11 and `public/tmem.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a status is the guest's only answer"]
pub enum Status {
    /// 0: a get missed, or a destroy named no pool.
    Nothing,
    /// 1: done; for a get: hit.
    Success,
    /// 0 to 15: the id of the new or joined pool.
    Pool(u8),
    /// -1 (EPERM): refused flags, no free pool id, no room for one more shared pool, no right.
    NotPermitted,
    /// -12 (ENOMEM): no memory, or the domain is at its maximum; nothing changed.
    NoMemory,
    /// -14 (EFAULT): the operation block or the frame can't be accessed.
    BadAddress,
    /// -19 (ENODEV): no such pool, domain dying, or tmem not enabled.
    NoDevice,
    /// -28 (ENOSPC): a duplicate put failed for memory; the old page is gone.
    NoSpace,
    /// -38 (ENOSYS): unknown or retired command.
    NotImplemented,
    /// -95 (EOPNOTSUPP): a control command, moved to the sysctl interface.
    NotSupported,
    /// -1000 (EFROZEN): the pool's owner is frozen. A flush was carried out all the same.
    Frozen,
    /// -1001 (EEMPTY): a get on a pool without pages.
    Empty,
}

impl Status {
    /// The number that the hypercall returns.
    pub const fn encode(self) -> i64 {
        match self {
            Self::Success => 1,
            Self::Nothing => 0,
            Self::Pool(id) => id as i64,
            Self::NotPermitted => -1,
            Self::NoMemory => -12,
            Self::BadAddress => -14,
            Self::NoDevice => -19,
            Self::NoSpace => -28,
            Self::NotImplemented => -38,
            Self::NotSupported => -95,
            Self::Frozen => -1000,
            Self::Empty => -1001,
        }
    }
}

//! The result of a control operation and its number.

/// What a control operation comes to.
///
/// Numbers are Xen's errno values. Source: `xen/common/tmem_control.c` at stable-4.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a status is the toolstack's only answer"]
pub enum ControlStatus {
    /// Done; the number is a count where the operation has one, else 0.
    Done(u32),
    /// -1 (EPERM): no such client, FLUSH for one client alone, or no such operation.
    NotPermitted,
    /// -2 (ENOENT): settings for a domain that is no client; figures of what there is not.
    NoEntry,
    /// -5 (EIO): AUDIT found what does not agree.
    Inconsistent,
    /// -7 (E2BIG): more records than a domain may have.
    TooBig,
    /// -12 (ENOMEM): no memory, or no room in the table of uuids.
    NoMemory,
    /// -14 (EFAULT): the buffer can't be accessed.
    BadAddress,
    /// -16 (EBUSY): the domain is being saved already.
    Busy,
    /// -17 (EEXIST): the domain is a client already.
    Exists,
    /// -19 (ENODEV): tmem is not enabled.
    NoDevice,
    /// -22 (EINVAL): a length that is no number of records, padding that is not 0, or a domain that
    /// does not exist or is dying; an argument that has no meaning.
    Invalid,
    /// -28 (ENOSPC): no memory for a page that was to replace another, which is gone.
    NoSpace,
    /// -34 (ERANGE): more pools for a client than there can be.
    OutOfRange,
    /// -95 (EOPNOTSUPP): another version of a record, or a setting that is not built.
    NotSupported,
    /// -1000 (EFROZEN): the client is frozen.
    Frozen,
}

impl ControlStatus {
    /// The number that the hypercall returns.
    pub const fn encode(self) -> i64 {
        match self {
            Self::Done(count) => count as i64,
            Self::NotPermitted => -1,
            Self::NoEntry => -2,
            Self::Inconsistent => -5,
            Self::TooBig => -7,
            Self::NoMemory => -12,
            Self::BadAddress => -14,
            Self::Busy => -16,
            Self::Exists => -17,
            Self::NoDevice => -19,
            Self::Invalid => -22,
            Self::NoSpace => -28,
            Self::OutOfRange => -34,
            Self::NotSupported => -95,
            Self::Frozen => -1000,
        }
    }
}

//! The one thing that the tool asks of the hypervisor: a control operation.

use hypercall_abi::control::CONTROL_BYTES;
use std::error::Error;
use std::fmt;

/// Where the address of the buffer stands in an operation.
pub(crate) const BUFFER_OFFSET: usize = 48;

/// Who carries out control operations.
pub trait Hypervisor {
    /// Carries out `op` with `buffer`, both in both directions; the operation's own place for the
    /// buffer's address is filled in on the way. Answers the operation's count.
    ///
    /// # Errors
    /// The number that it was refused with.
    fn control(&mut self, op: &mut [u8; CONTROL_BYTES], buffer: &mut [u8]) -> Result<u32, Refusal>;
}

impl<H: Hypervisor + ?Sized> Hypervisor for Box<H> {
    fn control(&mut self, op: &mut [u8; CONTROL_BYTES], buffer: &mut [u8]) -> Result<u32, Refusal> {
        (**self).control(op, buffer)
    }
}

/// Why an operation was refused: Xen's error number, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub i32);

impl Refusal {
    /// -1: not privileged; no such client; no such operation.
    pub const NOT_PERMITTED: Self = Self(1);
    /// -2: there is no such client, pool or figure.
    pub const NO_ENTRY: Self = Self(2);
    /// -5: an audit found what does not agree.
    pub const INCONSISTENT: Self = Self(5);
    /// -7: more records than there can be.
    pub const TOO_BIG: Self = Self(7);
    /// -12: no memory, or no room.
    pub const NO_MEMORY: Self = Self(12);
    /// -13: another interface version, or a policy forbids it.
    pub const ACCESS: Self = Self(13);
    /// -14: the buffer can't be accessed.
    pub const BAD_ADDRESS: Self = Self(14);
    /// -16: it is being saved already.
    pub const BUSY: Self = Self(16);
    /// -17: it is there already.
    pub const EXISTS: Self = Self(17);
    /// -19: tmem is not enabled.
    pub const NO_DEVICE: Self = Self(19);
    /// -22: an argument, or a domain that does not exist or is dying.
    pub const INVALID: Self = Self(22);
    /// -28: no frame for a page.
    pub const NO_SPACE: Self = Self(28);
    /// -34: out of range.
    pub const OUT_OF_RANGE: Self = Self(34);
    /// -38: this Xen has no such operation.
    pub const NO_CALL: Self = Self(38);
    /// -95: not supported.
    pub const NOT_SUPPORTED: Self = Self(95);
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match *self {
            Self::NOT_PERMITTED => "the domain does not use tmem, or Xen lacks the operation",
            Self::NO_ENTRY => "there is no such client or pool",
            Self::INCONSISTENT => "the books do not agree",
            Self::TOO_BIG => "more than a domain can have",
            Self::NO_MEMORY => "no memory, or no room for it",
            Self::ACCESS => "a security policy forbids it",
            Self::BAD_ADDRESS => "Xen can't access the buffer",
            Self::BUSY => "the domain is being saved already",
            Self::EXISTS => "the domain uses tmem already",
            Self::NO_DEVICE => "tmem is not enabled",
            Self::INVALID => "no such domain, or it is dying, or an argument is wrong",
            Self::NO_SPACE => "no frame for the page",
            Self::OUT_OF_RANGE => "out of range",
            Self::NO_CALL => "this Xen has no such operation",
            Self::NOT_SUPPORTED => "this Xen does not support it",
            Self(_) => "refused",
        };
        write!(f, "{words} (error {})", self.0)
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use hypercall_abi::control::{ClientId, ControlOp};

    #[test]
    fn p75_the_buffer_s_address_stands_where_the_wire_has_it() {
        let op = ControlOp::GetClientInfo { who: ClientId::One(3), buffer: 0x1122_3344_5566_7788 };
        assert_eq!(op.encode()[BUFFER_OFFSET..], 0x1122_3344_5566_7788_u64.to_le_bytes());
    }

    #[test]
    fn p76_numbers_are_positive_and_said() {
        assert_eq!(Refusal::NO_DEVICE.to_string(), "tmem is not enabled (error 19)");
        assert_eq!(Refusal(99).to_string(), "refused (error 99)");
    }
}

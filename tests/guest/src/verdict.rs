//! The five results, after XTF (the Xen project's own guest-side tests).
//!
//! SUCCESS is `Ok(())`. CRASH is never said by the guest: whoever reads the log concludes it from
//! a missing verdict.

use crate::plain::text::Text;
use core::fmt;

/// Why; short enough that a verdict stays small.
pub type Reason = Text<118>;

/// Every result but success.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// A prerequisite is absent; nothing was tried.
    Skip(Reason),
    /// The test could not be carried out: says nothing about the host.
    Error(Reason),
    /// The host is wrong.
    Failure(Reason),
}

/// What a case, or a step of it, comes to.
pub type CaseResult<T = ()> = Result<T, Verdict>;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip(reason) => write!(f, "SKIP: {reason}"),
            Self::Error(reason) => write!(f, "ERROR: {reason}"),
            Self::Failure(reason) => write!(f, "FAILURE: {reason}"),
        }
    }
}

/// Leaves the function with [`Verdict::Failure`] and a formatted reason.
#[macro_export]
macro_rules! fail {
    ($($reason:tt)*) => {
        return Err($crate::verdict::Verdict::Failure($crate::verdict::Reason::of(
            format_args!($($reason)*),
        )))
    };
}

/// Leaves the function with [`Verdict::Error`] and a formatted reason.
#[macro_export]
macro_rules! give_up {
    ($($reason:tt)*) => {
        return Err($crate::verdict::Verdict::Error($crate::verdict::Reason::of(
            format_args!($($reason)*),
        )))
    };
}

/// Leaves the function with [`Verdict::Skip`] and a formatted reason.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {
        return Err($crate::verdict::Verdict::Skip($crate::verdict::Reason::of(
            format_args!($($reason)*),
        )))
    };
}

/// The host must have answered `want` to `what`.
///
/// # Errors
/// A failure that names all three.
pub fn expect(what: &str, got: i64, want: i64) -> CaseResult {
    if got != want {
        fail!("{what}: answered {got}, not {want}");
    }
    Ok(())
}

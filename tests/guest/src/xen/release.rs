//! What differs between releases in the interface of the toolstack.
//!
//! Domctl and sysctl refuse a caller that was built for another release, by a version number in each
//! request. This guest is one image for all of them, so it asks which Xen it runs on. Numbers and
//! layouts are those of `xen/include/public/domctl.h` and `sysctl.h` of the branches stable-4.17 to
//! stable-4.22.

use super::version::number;

/// The toolstack's interface of one release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// `XEN_DOMCTL_INTERFACE_VERSION`.
    pub domctl: u32,
    /// `XEN_SYSCTL_INTERFACE_VERSION`.
    pub sysctl: u32,
    /// Whether `xen_domctl_createdomain` has a word for altp2m before `vmtrace_size`.
    pub has_altp2m_word: bool,
    /// What createdomain takes for "any free id": 0 to 4.21, then `DOMID_ANY`.
    pub any_domid: u16,
}

/// `DOMID_ANY` (`xen/include/public/xen.h`).
const DOMID_ANY: u16 = 0x7ff5;

impl Release {
    /// The interface of the Xen that runs; `None` for one that this guest does not know.
    pub fn running() -> Option<Self> {
        Self::of(number())
    }

    /// The interface of a release, (major, minor).
    const fn of(release: (u32, u32)) -> Option<Self> {
        let (domctl, sysctl, has_altp2m_word, any_domid) = match release {
            (4, 17) => (0x15, 0x15, false, 0),
            (4, 18) => (0x16, 0x15, false, 0),
            (4, 19 | 20) => (0x17, 0x15, true, 0),
            (4, 21) => (0x17, 0x16, true, 0),
            (4, 22) => (0x18, 0x16, true, DOMID_ANY),
            _ => return None,
        };
        Some(Self { domctl, sysctl, has_altp2m_word, any_domid })
    }
}

#[cfg(test)]
mod tests {
    use super::Release;

    #[test]
    fn releases_outside_the_known_ones_are_refused() {
        assert!(Release::of((4, 16)).is_none() && Release::of((4, 23)).is_none());
        assert!(Release::of((5, 17)).is_none());
        let new = Release { domctl: 0x18, sysctl: 0x16, has_altp2m_word: true, any_domid: 0x7ff5 };
        assert_eq!(Release::of((4, 22)), Some(new));
    }
}

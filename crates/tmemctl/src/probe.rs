//! Finding out which version of the sysctl interface this Xen has, and whether it has tmem.
//!
//! A sysctl names the version of the interface that its caller was built for, and Xen answers -13
//! to any but its own. tmem's part of it has been the same in all of them, so the tool asks.

use crate::failure::{Failure, Kind};
use crate::hypervisor::{Hypervisor, Refusal};
use hypercall_abi::control::{CONTROL_BYTES, ControlOp};

/// The versions that are tried, the likely ones first: Xen 4.17 to 4.20, 4.21 and 4.22, then what
/// may come, then what was.
const VERSIONS: [u32; 14] =
    [0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x14, 0x13];

/// Who makes a sysctl of a given interface version.
pub(crate) trait Sysctl {
    /// Makes the sysctl with `op` and `buffer`.
    fn sysctl(
        &mut self,
        interface_version: u32,
        op: &mut [u8; CONTROL_BYTES],
        buffer: &mut [u8],
    ) -> Result<u32, Refusal>;
}

/// A Xen with tmem, and the version that it answers to.
pub(crate) struct Probed<S> {
    sysctl: S,
    interface_version: u32,
}

impl<S: Sysctl> Probed<S> {
    /// Asks by an operation that changes nothing and that every Xen with tmem has.
    ///
    /// # Errors
    /// Why there is no tmem for this caller, and what to do about it.
    pub(crate) fn new(mut sysctl: S) -> Result<Self, Failure> {
        for interface_version in VERSIONS {
            let mut op = ControlOp::QueryFreeable.encode();
            return Err(match sysctl.sysctl(interface_version, &mut op, &mut []) {
                Ok(_) => return Ok(Self { sysctl, interface_version }),
                Err(Refusal::ACCESS) => continue,
                Err(refusal) => explain(refusal),
            });
        }
        Err(Failure::new(
            Kind::NotPermitted,
            format!(
                "Xen answers \"access denied\" (error 13) to every version of its interface that \
                 this program knows ({:#x} to {:#x}). Either a FLASK policy forbids it: allow \
                 xen2 tmem_control to this domain. Or Xen is of another release: see `xl info`, \
                 and build tmemctl from the same source as Xen.",
                VERSIONS.iter().min().unwrap_or(&0),
                VERSIONS.iter().max().unwrap_or(&0),
            ),
        ))
    }
}

impl<S: Sysctl> Hypervisor for Probed<S> {
    fn control(&mut self, op: &mut [u8; CONTROL_BYTES], buffer: &mut [u8]) -> Result<u32, Refusal> {
        self.sysctl.sysctl(self.interface_version, op, buffer)
    }
}

fn explain(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::NO_CALL | Refusal::NOT_SUPPORTED => Failure::new(
            Kind::Unavailable,
            "this Xen was built without tmem. Build it with the series of patches of its release \
             and CONFIG_TMEM=y (`cargo xtask build-xen`).",
        ),
        Refusal::NO_DEVICE => Failure::new(
            Kind::Unavailable,
            "tmem is switched off. Add `tmem` to Xen's command line (not Linux's) in the boot \
             loader, and boot again; `xl dmesg | grep tmem` then says that it is initialised.",
        ),
        Refusal::NOT_PERMITTED => Failure::new(
            Kind::NotPermitted,
            "Xen refuses: this is not the control domain. Run tmemctl in dom0.",
        ),
        other => Failure::from(other).context("Xen does not answer as a Xen with tmem"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Xen that answers to one version.
    struct Xen {
        version: u32,
        answer: Result<u32, Refusal>,
        asked: Vec<u32>,
    }

    impl Sysctl for Xen {
        fn sysctl(
            &mut self,
            interface_version: u32,
            op: &mut [u8; CONTROL_BYTES],
            _buffer: &mut [u8],
        ) -> Result<u32, Refusal> {
            assert_eq!(ControlOp::decode(op), Ok(ControlOp::QueryFreeable));
            self.asked.push(interface_version);
            if interface_version == self.version { self.answer } else { Err(Refusal::ACCESS) }
        }
    }

    fn probed(version: u32, answer: Result<u32, Refusal>) -> Result<Probed<Xen>, Failure> {
        Probed::new(Xen { version, answer, asked: Vec::new() })
    }

    #[test]
    fn the_version_is_found_and_kept() {
        for version in [0x15, 0x16, 0x17, 0x20, 0x13] {
            let mut found = probed(version, Ok(12)).expect("it answers");
            let before = found.sysctl.asked.len();
            assert_eq!(found.control(&mut ControlOp::QueryFreeable.encode(), &mut []), Ok(12));
            assert_eq!(found.sysctl.asked[before..], [version]);
        }
    }

    #[test]
    fn p78_each_reason_has_its_own_words_and_number() {
        let reasons = [
            (0x15, Refusal::NO_CALL, Kind::Unavailable, "CONFIG_TMEM"),
            (0x16, Refusal::NO_DEVICE, Kind::Unavailable, "command line"),
            (0x15, Refusal::NOT_PERMITTED, Kind::NotPermitted, "dom0"),
            (0x15, Refusal::INVALID, Kind::Refused, "error 22"),
            (0x99, Refusal::NO_CALL, Kind::NotPermitted, "FLASK"),
        ];
        for (version, refusal, kind, words) in reasons {
            let Err(failure) = probed(version, Err(refusal)) else {
                unreachable!("{refusal} is taken for an answer")
            };
            assert_eq!(failure.kind, kind, "{failure}");
            assert!(failure.message.contains(words), "{failure}");
        }
    }
}

//! **Checks** that PVH domains of four vCPUs can be made on a full host that has been busy for long and
//! of which nothing at all is free: Xen needs two pages side by side for each of these vCPUs (those of
//! AMD's way of virtualising), and pages are evicted in an order that has nothing to do with where they
//! lie.
//!
//! **Why:** nobody falls back to less, and no toolstack tries again: the domain can't be built.
//!
//! **A broken host** gives up after evicting some pages here and some there, with the host still full.

use super::super::Case;
use super::{FullHost, Hoard, available_pages, free_pages};
use crate::plain::args::Boot;
use crate::rig::Rig;
use crate::verdict::{CaseResult, expect};
use crate::xen::domctl::{CREATE_HAP, CREATE_HVM, Creation, EMULATE_LAPIC};
use crate::xen::release::Release;
use crate::{fail, skip};

pub(in super::super) const CASE: Case = Case::full(
    &[Boot::Memory],
    "full-vcpus",
    "on a full host that has been busy for long, vCPUs get their pairs of pages",
    run,
);

/// Domains that are made, and vCPUs of each.
const DOMAINS: usize = 6;
const VCPUS: u32 = 4;

fn run(rig: &mut Rig) -> CaseResult {
    let host = FullHost::fill(rig)?;
    let mut hoard = Hoard::build()?;
    host.fill_again(rig)?;
    host.shuffle(rig)?;
    let mut shells: [Option<Shell>; DOMAINS] = [const { None }; DOMAINS];
    for place in &mut shells {
        // In what was left free there are pairs.
        let free = free_pages()?;
        if hoard.grow(free)? != free {
            fail!("{free} pages were free, and a domain did not get them");
        }
        *place = Some(Shell::make()?);
    }
    if available_pages()? < super::FREEABLE_MIN {
        fail!("{DOMAINS} domains without memory cost the host nearly all that it had");
    }
    hoard.check()?;
    drop(shells);
    host.check(rig)
}

/// A domain with vCPUs and without memory. Destroyed when dropped.
struct Shell {
    release: Release,
    domid: u16,
}

impl Shell {
    fn make() -> CaseResult<Self> {
        let Some(release) = Release::running() else {
            skip!("this guest does not know the toolstack's interface of this Xen");
        };
        let (flags, emulation) = (CREATE_HVM | CREATE_HAP, EMULATE_LAPIC);
        let wanted = Creation { domid: 0, flags, emulation, max_vcpus: VCPUS };
        let domid = match release.create(&wanted) {
            Ok(domid) => domid,
            Err(answer) => fail!("creating a PVH domain on a full host: {answer}"),
        };
        let shell = Self { release, domid };
        expect("making vCPUs on a full host", release.max_vcpus(domid, VCPUS), 0)?;
        Ok(shell)
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _nobody_to_tell = self.release.destroy(self.domid);
    }
}

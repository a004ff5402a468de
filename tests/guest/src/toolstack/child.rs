//! A child domain: who it is, its pages, its end.
//!
//! `build` makes one, `work` tells it what to call.

mod build;
mod work;

pub use build::Plan;
pub use work::Call;
pub(super) use work::block_address;

use super::layout::{DATA, DATA_PAGES, END, VCPUS_MAX, address};
use super::puppet::Mailbox;
use super::window::Window;
use crate::verdict::CaseResult;
use crate::xen::domctl::DYING;
use crate::xen::foreign::rest;
use crate::xen::release::Release;
use crate::{fail, give_up};
use core::cell::Cell;

/// The kinds of caller that Xen's ABI tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A PVH domain in 32-bit protected mode.
    Pvh32,
    /// A PVH domain in 64-bit mode.
    Pvh64,
    /// A 32-bit PV domain.
    Pv32,
    /// A 64-bit PV domain.
    Pv64,
}

impl Caller {
    /// Those that every Xen of this project's configuration has.
    pub const USUAL: [Self; 3] = [Self::Pvh32, Self::Pvh64, Self::Pv64];

    /// Whether it calls in 64-bit mode.
    pub const fn is_wide(self) -> bool {
        matches!(self, Self::Pvh64 | Self::Pv64)
    }

    /// Whether it knows frames by machine frame numbers.
    pub const fn is_pv(self) -> bool {
        matches!(self, Self::Pv32 | Self::Pv64)
    }
}

/// How often a vCPU is given way before it counts as hanging.
const PATIENCE: u32 = 20_000_000;

/// A domain of which this guest decides everything. Destroyed when dropped.
#[derive(Debug)]
pub struct Child {
    release: Release,
    caller: Caller,
    domid: u16,
    /// Frames by page, as the child names them; 0 below the first.
    frames: [u64; END],
    mailboxes: [Option<Window>; VCPUS_MAX as usize],
    is_alive: bool,
    /// How often a vCPU, or this guest, looks for what it waits for before it gives way.
    patience: u32,
    /// Whether Xen lets it run. While it has nothing to do it does not: many domains that wait in
    /// loops would take the processors from the one that works.
    is_running: Cell<bool>,
}

impl Child {
    /// Its id.
    pub fn domid(&self) -> u16 {
        self.domid
    }

    /// Its kind.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// The interface by which it was made.
    pub fn release(&self) -> Release {
        self.release
    }

    /// The frame of page `number` of those for cases, as an operation of the child names it.
    pub fn frame(&self, number: usize) -> u64 {
        self.frame_of(DATA + number % DATA_PAGES)
    }

    /// The number of that page among the child's own, by which Xen logs that it was written to.
    pub fn own_number(&self, number: usize) -> u64 {
        (DATA + number % DATA_PAGES) as u64
    }

    /// Where that page is for the child's vCPUs.
    pub fn address(&self, number: usize) -> u64 {
        address(DATA + number % DATA_PAGES)
    }

    /// A window onto that page.
    ///
    /// # Errors
    /// Error, if there is none left or Xen refuses.
    pub fn open(&self, number: usize) -> CaseResult<Window> {
        self.open_page(DATA + number % DATA_PAGES)
    }

    fn frame_of(&self, page: usize) -> u64 {
        self.frames.get(page).copied().unwrap_or_default()
    }

    fn open_page(&self, page: usize) -> CaseResult<Window> {
        Window::open(self.domid, self.frame_of(page))
    }

    /// The mailbox of a vCPU.
    ///
    /// # Errors
    /// Error, if the domain has no such vCPU.
    pub fn mailbox(&self, vcpu: usize) -> CaseResult<&Mailbox> {
        let Some(Some(window)) = self.mailboxes.get(vcpu) else {
            give_up!("domain {} has no vCPU {vcpu}", self.domid);
        };
        // SAFETY: mapped and aligned while the window is open; both sides access it as atomics.
        Ok(unsafe { &*window.page().cast::<Mailbox>() })
    }

    /// Kills the domain and leaves its mailboxes mapped: it is dead but can't go away. What it held
    /// of tmem must be gone when this is back.
    pub fn kill(&mut self) -> i64 {
        self.is_alive = false;
        self.release.destroy(self.domid)
    }

    /// Whether Xen still knows the domain, as one that is dying.
    pub fn is_zombie(&self) -> bool {
        self.release.info(self.domid).is_some_and(|info| info.flags & DYING != 0)
    }

    /// Destroys the domain and waits until its id is free.
    ///
    /// # Errors
    /// Failure, if Xen does not destroy it; error, if something keeps it.
    pub fn destroy(mut self) -> CaseResult {
        let (release, domid) = (self.release, self.domid);
        self.mailboxes = [const { None }; VCPUS_MAX as usize];
        if self.is_alive {
            match self.kill() {
                0 => {}
                answer => fail!("destroying domain {domid}: {answer}"),
            }
        }
        drop(self);
        // What is left of it goes when every CPU has been through Xen's idle points.
        for _ in 0..PATIENCE {
            if release.info(domid).is_none() {
                return Ok(());
            }
            rest();
        }
        give_up!("domain {domid} does not go away")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.mailboxes = [const { None }; VCPUS_MAX as usize];
        if self.is_alive {
            let _nobody_to_tell = self.kill();
        }
    }
}

//! Cases of a host whose memory is full of ephemeral pages when somebody needs it.
//!
//! What they share is here: [`FullHost`], and `hoard`, a domain that takes memory and looks at it.

pub(super) mod full_build;
pub(super) mod full_claim;
pub(super) mod full_deaths;
pub(super) mod full_deaths_long;
pub(super) mod full_high;
pub(super) mod full_low;
pub(super) mod full_nodes;
pub(super) mod full_on_demand;
pub(super) mod full_orders;
pub(super) mod full_vcpus;
mod hoard;
mod places;
pub(super) mod processors;

use super::domains::{available_pages, free_pages};
use super::script::{flood, more_than_fits};
use crate::xen::release::Release;
use crate::{fail, give_up, skip};
use crate::plain::content::Content;
use crate::rig::{Kind, Rig, at, statuses::SUCCESS};
use crate::toolstack::{Child, Plan};
use crate::verdict::{CaseResult, Verdict};
use hoard::Hoard;
use hypercall_abi::Handle;

/// Persistent pages of the first domain, which must survive whatever the others need (R11).
const PERSISTENT: u32 = 500;

/// How a host was filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    /// Page by page, and nothing else happened.
    InOrder,
    /// And then it was used for long: see [`FullHost::shuffle`].
    Shuffled,
}

/// A host that the first domain has filled with pages.
struct FullHost {
    persistent: u32,
    ephemeral: u32,
}

impl FullHost {
    /// Puts some persistent pages, then ephemeral ones until the first of them were evicted.
    ///
    /// # Errors
    /// Failure, if a put is refused; or if the host is not full then: more is free than tmem is to
    /// leave to Xen, or nothing can be evicted.
    fn fill(rig: &Rig) -> CaseResult<Self> {
        let persistent = rig.new_pool(Kind::Persistent)?;
        for index in 0..PERSISTENT {
            rig.put(at(persistent, 0, index), Content::of(2, index.into()))?;
        }
        let full = Self { persistent, ephemeral: rig.new_pool(Kind::Ephemeral)? };
        full.fill_again(rig)?;
        Ok(full)
    }

    /// Puts the same ephemeral pages once more.
    ///
    /// # Errors
    /// As [`FullHost::fill`].
    fn fill_again(&self, rig: &Rig) -> CaseResult {
        flood(rig, more_than_fits(), |number| self.page(number))?;
        let (free, available) = (free_pages()?, available_pages()?);
        if free > LEFT_MAX || available < free + FREEABLE_MIN {
            fail!("{free} frames are free and {available} available on a host that is to be full");
        }
        Ok(())
    }

    /// Takes each page that is there and puts it again, in an order that looks like none, so that the
    /// order of their ages has nothing to do with where they lie, as on a host that has been busy for
    /// long.
    ///
    /// # Errors
    /// Failure, if a put is refused.
    fn shuffle(&self, rig: &Rig) -> CaseResult {
        let numbers = more_than_fits().next_power_of_two();
        for turn in 0..numbers {
            let number = scattered(turn, numbers);
            if rig.get_frame(self.page(number), rig.pages.target_mfn()) == SUCCESS {
                rig.put(self.page(number), Content::of(1, number.into()))?;
            }
        }
        Ok(())
    }

    fn page(&self, number: u32) -> Handle {
        at(self.ephemeral, u64::from(number / 64), number % 64)
    }

    /// Every persistent page must be there, and every ephemeral one be what it was, or gone. Takes the
    /// ephemeral ones away.
    ///
    /// # Errors
    /// Failure, if not.
    fn check(&self, rig: &Rig) -> CaseResult {
        self.check_persistent(rig)?;
        for number in 0..more_than_fits() {
            rig.get_maybe(self.page(number), Content::of(1, number.into()))?;
        }
        Ok(())
    }

    /// Every persistent page must be there.
    ///
    /// # Errors
    /// Failure, if not.
    fn check_persistent(&self, rig: &Rig) -> CaseResult {
        for index in 0..PERSISTENT {
            rig.get_hit(at(self.persistent, 0, index), Content::of(2, index.into()))?;
        }
        Ok(())
    }
}

/// `turn` scattered over the numbers below `numbers`, a power of two: another one for each turn, and
/// the same in each run.
const fn scattered(turn: u32, numbers: u32) -> u32 {
    let (mask, shift) = (numbers - 1, numbers.trailing_zeros() / 2);
    let mut number = turn;
    let mut round = 0;
    // Each step can be undone.
    while round < 3 {
        number = number.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15) & mask;
        number ^= number >> shift;
        round += 1;
    }
    number
}

/// Builds a domain, which must succeed: whatever it needs, there is enough that can be freed.
///
/// # Errors
/// Failure, if Xen refuses a step; skip, as [`Child::build`].
fn build(plan: Plan) -> CaseResult<Child> {
    Child::build(plan).map_err(|verdict| match verdict {
        Verdict::Error(reason) => Verdict::Failure(reason),
        other => other,
    })
}

/// Frames that are claimed and not yet given.
///
/// # Errors
/// As [`free_pages`].
fn claimed_pages() -> CaseResult<u64> {
    let Some(release) = Release::running() else {
        skip!("this guest does not know the toolstack's interface of this Xen");
    };
    match release.claimed_pages() {
        Ok(pages) => Ok(pages),
        Err(answer) => give_up!("Xen does not say how many frames are claimed: {answer}"),
    }
}

/// Frames that tmem leaves free on machines of the size that these cases are for, and some.
const LEFT_MAX: u64 = 800;
/// Fewer frames to be had by eviction would make the cases say little.
const FREEABLE_MIN: u64 = 8000;

//! Cases with several domains, built by [`crate::toolstack`].
//!
//! What several of them do is here: counting the host's free frames, and filling a child's pool.

mod ballast;
pub(super) mod birth_and_death;
mod busy;
pub(super) mod caller_pv32;
pub(super) mod claim_refused;
pub(super) mod control_buffers;
pub(super) mod control_dying;
pub(super) mod control_figures;
pub(super) mod control_ids;
pub(super) mod control_refused;
pub(super) mod death_anywhen;
pub(super) mod death_anywhen_long;
pub(super) mod domid_reuse;
pub(super) mod every_caller;
pub(super) mod flush_freeable;
pub(super) mod frame_types;
pub(super) mod frozen;
pub(super) mod granted_frame;
pub(super) mod holdings;
pub(super) mod isolation;
pub(super) mod killed_in_destroy;
pub(super) mod life;
pub(super) mod limit_race;
pub(super) mod limit_race_32;
pub(super) mod log_dirty;
pub(super) mod log_dirty_pv;
pub(super) mod multicall_domains;
pub(super) mod multicall_pv32;
pub(super) mod races_pv32;
pub(super) mod restart_elsewhere;
pub(super) mod restart_elsewhere_32;
pub(super) mod restore_pools;
pub(super) mod restore_rights;
pub(super) mod save_cancelled;
pub(super) mod save_restore;
pub(super) mod scrub;
pub(super) mod shared_join;
pub(super) mod shared_leave;
pub(super) mod shared_limit;
pub(super) mod shared_twice;
pub(super) mod soft_reset;
mod survivor;
mod swap;
pub(super) mod vcpu_races;
pub(super) mod vcpu_races_32;
pub(super) mod weights;
pub(super) mod zombie;

use ballast::Ballast;

use crate::plain::content::Content;
use crate::rig::at;
use crate::toolstack::Child;
use crate::verdict::{CaseResult, expect};
use crate::xen::foreign::rest;
use crate::xen::release::Release;
use crate::{give_up, skip};
use hypercall_abi::Op;

/// Frames of the host that nobody has.
///
/// # Errors
/// Skip, in a Xen whose toolstack interface is not known; error, if it does not answer.
pub(super) fn free_pages() -> CaseResult<u64> {
    let Some(release) = Release::running() else {
        skip!("this guest does not know the toolstack's interface of this Xen");
    };
    match release.free_pages() {
        Ok(pages) => Ok(pages),
        Err(answer) => give_up!("Xen does not say how many frames are free: {answer}"),
    }
}

/// Frames of the host that a toolstack can have: free ones, and what tmem gives when it is asked, its
/// stock of free frames included.
///
/// # Errors
/// As [`free_pages`].
pub(super) fn available_pages() -> CaseResult<u64> {
    let Some(release) = Release::running() else {
        skip!("this guest does not know the toolstack's interface of this Xen");
    };
    match release.promised_pages() {
        Ok(pages) => Ok(pages),
        Err(answer) => give_up!("Xen does not say how many frames are available: {answer}"),
    }
}

/// As often as this the figure must be the same for [`settled_pages`].
const SETTLED: u32 = 200;
/// As often it looks.
const LOOKS: u32 = 20_000;

/// The same when what dead domains have left has come back, which takes Xen a while.
///
/// # Errors
/// As [`free_pages`]; error, if it goes on changing.
pub(super) fn settled_pages() -> CaseResult<u64> {
    let (mut pages, mut same) = (available_pages()?, 0);
    for _ in 0..LOOKS {
        rest();
        let now = available_pages()?;
        same = if now == pages { same + 1 } else { 0 };
        pages = now;
        if same == SETTLED {
            return Ok(pages);
        }
    }
    give_up!("the host's free frames go on changing: {pages} in the end")
}

/// What every page of [`fill_pool`] holds.
const FILLING: Content = Content(0xf1_11ed);

/// Has a child put `pages` pages into object 0 of a pool, in one go; each must be accepted.
///
/// # Errors
/// Failure, if a put is refused.
pub(super) fn fill_pool(child: &Child, pool: u32, pages: u32) -> CaseResult {
    let accepted = try_fill_pool(child, pool, pages)?;
    expect("puts that were accepted", i64::from(accepted), i64::from(pages))
}

/// The same where puts may be refused; how many were not.
///
/// # Errors
/// Those of running the child.
pub(super) fn try_fill_pool(child: &Child, pool: u32, pages: u32) -> CaseResult<u32> {
    child.fill_source(FILLING)?;
    let put = Op::PutPage { handle: at(pool, 0, 0), cmfn: child.source_frame() };
    child.start(0, &[child.tmem_call(&put)?.stepping()], pages)?;
    child.wait(0)?;
    Ok(child.counts(0, 0)?.0)
}
